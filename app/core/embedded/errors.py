"""What can keep the embedded PostgreSQL from running, in sentences a person can act on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class ClusterError(Exception):
    """The embedded PostgreSQL can't run; the message says what to do about it."""


@contextlib.contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turn what the file system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ClusterError(
            f"The data folder {data_dir} can't be used: {error.strerror}{where}. Put that right, or name"
            " another folder in OPENBERTH_DATA_DIR."
        ) from error
