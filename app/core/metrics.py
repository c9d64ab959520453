"""What the process counts of itself, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

CLAIMS = Counter("openberth_claims", "Calls to claim that were answered, by outcome.", ["outcome"])
BATCH = Histogram(
    "openberth_desk_batch_size",
    "Calls that one transaction of a desk answered.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
SWEPT = Counter("openberth_holds_swept", "Lapsed holds that the sweeper came across.")
NUMBERED = Counter("openberth_events_numbered", "Events that the relay of this process gave a number.")
LISTENERS = Gauge("openberth_live_listeners", "Sockets and streams that listen on this process.")
DROPPED = Counter("openberth_live_dropped", "Listeners that were let go, by why.", ["why"])
NOTICES = Counter(
    "openberth_notices", "Attempts to give a notice, by channel and what came of them.", ["channel", "outcome"]
)
WEBHOOK_TRIES = Counter("openberth_webhook_tries", "Tries to deliver to a webhook, by what came of them.", ["outcome"])
REFUSED = Counter(
    "openberth_refused",
    "Refusals by door, permission or quota, and faults of identity providers, by status.",
    ["status"],
)
