"""How the servers log: to standard error, each line with its time in UTC, its level and the module that says it."""

import logging
import time
from typing import Any


class Line(logging.Formatter):
    """One line. Line ends in what is said are written out, so that nothing that was sent looks like a line of ours; a
    traceback follows on lines of its own."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without its traceback."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def logging_at(level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`, and so for uvicorn: what is ours and the server's from this level on."""
    ours = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": Line, "fmt": FORMAT}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"uvicorn": ours, "app": ours},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
    }
