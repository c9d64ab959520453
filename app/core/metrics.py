"""What the process counts of itself, for Prometheus."""

from prometheus_client import Counter, Histogram

CLAIMS = Counter("openberth_claims", "Calls to claim that were answered, by outcome.", ["outcome"])
BATCH = Histogram(
    "openberth_desk_batch_size",
    "Calls that one transaction of a desk answered.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
SWEPT = Counter("openberth_holds_swept", "Lapsed holds that the sweeper came across.")
REFUSED = Counter(
    "openberth_refused",
    "Refusals by door, permission or quota, and faults of identity providers, by status.",
    ["status"],
)
