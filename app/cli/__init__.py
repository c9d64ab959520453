"""The command line: `openberth`, one file for each group of commands."""

from app.cli.commands import main

__all__ = ["main"]
