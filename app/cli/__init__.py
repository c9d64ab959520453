"""The command line: `openberth`, one file for each group of commands."""

import gc


def main() -> None:
    """Entry point of the installed script."""
    # What is imported stays: collections that walk it, meanwhile and at the end, take a fifth of the time.
    gc.disable()
    from app.cli.commands import cli

    gc.freeze()
    gc.enable()
    cli()
