"""A simulated city against a running server, through its public API alone, that checks the server's promises."""

from app.simulate.run import simulate

__all__ = ["simulate"]
