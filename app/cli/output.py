"""How the command line speaks: one console for people, one for errors, and errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from app.core.embedded import ClusterError
from app.core.keyring import BadMasterKeys
from app.core.problems import Problem
from app.home import NotReady
from providers.records import NotThisFormat

console = Console()
errors = Console(stderr=True)
WIDEST = 1000


def print_whole(table: Table) -> None:
    """Print a table as wide as it is, whatever the width of the terminal: what is to be copied is never cut."""
    Console(width=WIDEST, soft_wrap=True).print(table)


def fail(message: str) -> typer.Exit:
    """Say what went wrong; raise the answer to end with status 1."""
    errors.print(f"[bold red]openberth:[/] {message}", highlight=False, soft_wrap=True)
    return typer.Exit(1)


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors that a user can do something about into a sentence and exit status 1."""
    try:
        yield
    except (BadMasterKeys, ClusterError, NotReady, NotThisFormat) as error:
        raise fail(str(error)) from error
    except Problem as problem:
        raise fail(problem.detail) from problem
    except DBAPIError as error:
        raise fail(f"The database refused: {error.orig}") from error
