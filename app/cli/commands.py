"""Every command of `openberth`, each a thin call of what does the work."""

import asyncio
import json
import os
import re
import resource
from logging.config import dictConfig
from pathlib import Path
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

import typer
import uvicorn
from rich.table import Column, Table

from app import schema
from app.access.canon import Head, NotATrail
from app.access.permissions import SCOPES
from app.access.roles import Role
from app.access.site import LOOPBACK, Site
from app.cli import data, keyring, keys, people, trail
from app.cli.doctor import examine
from app.cli.logs import logging_at
from app.cli.output import console, explained, fail
from app.cli.permissions import page as permissions_page
from app.core.database import Database, plain_url
from app.core.keyring import Keyring
from app.core.settings import Settings
from app.delivery import asyncapi
from app.home import Home, home, key_file, master_keys, migrated
from app.home import migrate as bring_up
from app.simulate import simulate as run_city
from app.worker import work as run_loops

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi" / "openapi.json"
PERMISSIONS = ROOT / "docs" / "permissions.md"
ASYNCAPI = ROOT / "openapi" / "asyncapi.json"

cli = typer.Typer(
    name="openberth",
    help="The live capacity market of a pre-arrest diversion program: what is open now, claimed in one call.\n\n"
    "Without OPENBERTH_DATABASE_URL it runs PostgreSQL itself, in OPENBERTH_DATA_DIR.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
key_cli = typer.Typer(help="Make, list and revoke keys.", no_args_is_help=True)
cli.add_typer(key_cli, name="key")
person_cli = typer.Typer(help="Invite people to sign in.", no_args_is_help=True)
cli.add_typer(person_cli, name="person")
program_cli = typer.Typer(help="Set up programs.", no_args_is_help=True)
cli.add_typer(program_cli, name="program")
trail_cli = typer.Typer(help="The audit trail.", no_args_is_help=True)
cli.add_typer(trail_cli, name="trail")
cli.add_typer(keyring.cli, name="keyring")


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer requests.")] = 1,
    demo: Annotated[bool, typer.Option(help="Load the demonstration program, and print a key per role.")] = False,
) -> None:
    """Run the market: API, background loops and, by default, the database."""
    settings = Settings()
    with explained(), home(settings) as where:
        migrated(where)
        if demo:
            asyncio.run(data.load_demo(where)).show()
        if "public_url" not in settings.model_fields_set and host in LOOPBACK and port:
            # A browser's passkeys and cookies belong to a name, and this machine has one.
            settings.public_url = os.environ["OPENBERTH_PUBLIC_URL"] = f"http://localhost:{port}"
        described = "docs" if settings.shows_docs else "openapi.json"
        console.print(f"[bold]Openberth[/] on http://{host}:{port} · API at http://{host}:{port}/{described}")
        console.print(f"Pages for people: {settings.public_url}")
        if where.embedded:
            console.print(f'Database: psql "{plain_url(where.url)}"', soft_wrap=True)
        _many_files()
        # What serves is started by import path, possibly in further processes: they are told by environment.
        os.environ["OPENBERTH_DATABASE_URL"] = where.url
        if master_keys(settings, where) is None:
            console.print("No master keys are set: who participants are can't be stored here, all else works.")
        elif (file := key_file(settings, where)) is not None:
            os.environ["OPENBERTH_MASTER_KEYS_FILE"] = str(file)
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            log_config=logging_at(settings.log_level),
            timeout_graceful_shutdown=10,
            ws="app.api.wire:SharedFrames",
            # Compressed, a change would be made anew for every socket, and each would weigh more than twice as much.
            ws_per_message_deflate=False,
        )


def _many_files() -> None:
    """Let the processes have as many sockets open as the system allows: the usual soft limit is a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@cli.command()
def work() -> None:
    """Run the background loops alone, beside servers elsewhere."""
    settings = Settings()

    async def forever(where: Home) -> None:
        database = Database(where.url, pool_size=2)
        try:
            ring = Keyring(master_keys(settings, where))
            await run_loops(database, settings.model_copy(update={"database_url": where.url}), ring)
        finally:
            await database.close()

    with explained(), home(settings) as where:
        migrated(where)
        dictConfig(logging_at(settings.log_level))
        console.print("Sweeping lapsed holds, numbering and sending events, sealing the trail, retiring what is old.")
        console.print("Ctrl-C ends it.")
        asyncio.run(forever(where))


@cli.command()
def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements instead of running them.")] = False,
) -> None:
    """Bring the database's schema to the one that this version needs."""
    if sql:
        typer.echo(schema.upgrade_sql())
        return
    with explained(), home(Settings()) as where:
        bring_up(where)
        console.print(f"The schema is at {schema.head()}.")


@cli.command()
def demo() -> None:
    """Load the demonstration program `demo`, or attest its openings again, and print a key per role."""
    with explained(), home(Settings()) as where:
        migrated(where)
        asyncio.run(data.load_demo(where)).show()


@program_cli.command("create")
def create_program(
    slug: Annotated[str, typer.Argument(help="Its short name, such as seattle-lead.")],
    name: Annotated[str, typer.Option(help="Its full name; its own office is an organization of that name.")],
    time_zone: Annotated[str, typer.Option(help="An IANA time zone, such as America/Los_Angeles.")],
) -> None:
    """Set up a program, and print a program manager's key for it."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise fail("A slug is small letters and digits, with hyphens between.")
    if time_zone not in available_timezones():
        raise fail(f"{time_zone!r} is no IANA time zone; one such is America/Los_Angeles.")
    with explained(), home(Settings()) as where:
        migrated(where)
        keys.show([asyncio.run(keys.create_program(where, slug, name, time_zone))])


@program_cli.command("shred")
def shred_program(slug: Annotated[str, typer.Argument(help="The program's slug.")]) -> None:
    """Destroy a program's data keys, so that who its participants were can never be read again."""
    if typer.prompt("Nothing brings it back. Type the program's slug to go on") != slug:
        raise fail("That is not its slug. Nothing was done.")
    with explained(), home(Settings()) as where:
        migrated(where)
        console.print(asyncio.run(keyring.shred(where, slug)))


@key_cli.command("create")
def create_key(
    program: Annotated[str, typer.Option(help="The program's slug, such as demo.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(Role)}.")],
    organization: Annotated[
        str | None, typer.Option(help="The organization's slug or id; a fitting one if left out.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help=f"Narrow it to this, and others given the same way: {', '.join(SCOPES)}.")
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a key. It is printed once and stored nowhere: only its hash is."""
    try:
        parsed = Role.parse(role)
    except ValueError as error:
        raise fail(str(error)) from error
    with explained(), home(Settings()) as where:
        migrated(where)
        making = keys.create(where, program, organization, parsed, name=name, scopes=scope or None, days=expires_days)
        made = asyncio.run(making)
    if as_json:
        typer.echo(json.dumps(made.document()))
    else:
        keys.show([made])


@key_cli.command("list")
def list_keys(program: Annotated[str, typer.Option(help="The program's slug, such as demo.")]) -> None:
    """List a program's keys, without their secrets."""
    with explained(), home(Settings()) as where:
        migrated(where)
        keys.show_list(asyncio.run(keys.list_all(where, program)))


@key_cli.command("revoke")
def revoke_key(key_id: Annotated[UUID, typer.Argument(metavar="ID", help="The key's id.")]) -> None:
    """End a key for good, within a second."""
    with explained(), home(Settings()) as where:
        migrated(where)
        asyncio.run(keys.revoke(where, key_id))
        console.print(f"{key_id} opens nothing any more.")


@person_cli.command("invite")
def invite_person(
    program: Annotated[str, typer.Option(help="The program's slug, such as demo.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(Role)}.")],
    email: Annotated[str, typer.Option(help="The person's e-mail address.")],
    organization: Annotated[
        str | None, typer.Option(help="The organization's slug or id; a fitting one if left out.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The person's name; their address if left out.")] = None,
) -> None:
    """Invite a person, or invite them again, and print the link. It is good once, for seven days."""
    try:
        parsed = Role.parse(role)
    except ValueError as error:
        raise fail(str(error)) from error
    settings = Settings()
    with explained(), home(settings) as where:
        migrated(where)
        made = asyncio.run(people.invite(where, program, organization, parsed, email, name or email))
    console.print(f"Give this link to {made.person.email} alone. It is good once, until {made.expires_at:%d %B %Y}:")
    typer.echo(made.link(Site(settings.public_url).origin))


@cli.command("import")
def import_file(
    format: Annotated[str, typer.Argument(help=f"The file's format: {', '.join(data.FORMATS)}.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    program: Annotated[str, typer.Option(help="The slug of the program to import into.")] = "demo",
    notes: Annotated[bool, typer.Option("--notes", help="Print what is worth knowing of loaded rows, too.")] = False,
) -> None:
    """Load a provider's data. What it brings is off the board until its provider attests it."""
    if format not in data.FORMATS:
        raise fail(f"{format!r} is no format; the formats are {', '.join(data.FORMATS)}.")
    with explained(), home(Settings()) as where:
        migrated(where)
        asyncio.run(data.import_file(where, program, format, file, notes=notes))


@cli.command()
def simulate(
    url: Annotated[str, typer.Option(help="The server.")] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None,
        typer.Option(envvar="OPENBERTH_KEY", help="A program manager's key; without one, one is made in demo."),
    ] = None,
    providers: Annotated[int, typer.Option(min=1, max=500)] = 20,
    case_managers: Annotated[int, typer.Option(min=1, max=1000)] = 30,
    duration: Annotated[float, typer.Option(min=1, max=3600, help="Seconds.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed makes the same choices.")] = 1,
) -> None:
    """Run a city against a server, and check that no place was oversold and no claim lost."""
    if key is None:
        with explained(), home(Settings()) as where:
            migrated(where)
            key = asyncio.run(keys.create(where, "demo", None, Role.PROGRAM_MANAGER)).secret
    city = run_city(
        url,
        key,
        providers=providers,
        case_managers=case_managers,
        duration=duration,
        seed=seed,
        console=console,
    )
    if not asyncio.run(city):
        raise typer.Exit(1)


@trail_cli.command("verify")
def verify_trail(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    against: Annotated[
        str | None, typer.Option(help="A head noted earlier, number:hash, that must be in the file.")
    ] = None,
) -> None:
    """Verify an exported trail. It needs no server and no database."""
    try:
        noted = None if against is None else Head.parse(against)
        checked = trail.check_file(file, noted)
    except (ValueError, NotATrail) as error:
        raise fail(str(error)) from error
    if checked.fault is not None:
        raise fail(f"The trail of program {checked.program_id} is broken at {checked.fault}.")
    console.print(
        f"It holds: program {checked.program_id}, from {checked.start.number + 1} to {checked.head}.", soft_wrap=True
    )


@cli.command()
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Take away what each program keeps no longer. The loops of `serve` and `work` do so daily."""
    with explained(), home(Settings()) as where:
        migrated(where)
        asyncio.run(trail.retain(where, dry_run=dry_run))


@cli.command()
def doctor(
    head: Annotated[
        list[str] | None,
        typer.Option(help="A head noted earlier, program:number:hash, that must still be in its trail; repeatable."),
    ] = None,
) -> None:
    """Check configuration, database, roles, schema, that every count equals its claims, and that the trail holds."""
    try:
        noted = trail.parse_heads(head or [])
    except ValueError as error:
        raise fail(f"{error}, after the program and a colon.") from error
    with explained(), home(Settings()) as where:
        findings = asyncio.run(examine(where, noted, master_keys(Settings(), where)))
    table = Table("", "Check", Column("Finding", overflow="fold"), show_edge=False)
    for finding in findings:
        table.add_row("[green]✓[/]" if finding.good else "[red]✗[/]", finding.check, finding.words)
    console.print(table)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@cli.command()
def spec(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files are up to date.")] = False,
) -> None:
    """Write what is generated: the OpenAPI and AsyncAPI documents in openapi/, and docs/permissions.md."""
    # All routes together take a second to import, which no other command needs in its own process.
    from app.main import create_app

    document = create_app(Settings(database_url="postgresql://")).openapi()
    generated = {
        OPENAPI: json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        ASYNCAPI: json.dumps(asyncapi.document(), indent=2, ensure_ascii=False) + "\n",
        PERMISSIONS: permissions_page(),
    }
    for file, text in generated.items():
        if check:
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                raise fail(f"{file.name} is not what the code says: run `make spec`.")
            console.print(f"{file.name} is up to date.")
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            console.print(f"Wrote {file.name}.")
