"""Builds the FastAPI application: lifespan, faces, problem handlers."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.access.limits import Limits
from app.access.passwords import nobodys_hash
from app.access.site import Site
from app.api import (
    account,
    claims,
    consents,
    directory,
    disclosures,
    events,
    guide,
    identities,
    invitations,
    keys,
    live,
    me,
    notices,
    oauth,
    openid,
    openings,
    operations,
    overview,
    participants,
    people,
    program,
    referrals,
    sign_in,
    trail,
    watches,
    webhook_events,
    webhooks,
)
from app.api.errors import install
from app.api.live import farewell
from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys
from app.core.settings import Settings, parse_quota
from app.dependencies import State, WithLimits
from app.market.desk import Desks
from app.web.problems import problem_page
from app.web.site import PAGES
from app.worker import counting, working

FACES = (
    me,
    claims,
    openings,
    events,
    live,
    watches,
    webhooks,
    directory,
    participants,
    identities,
    consents,
    disclosures,
    referrals,
    program,
    keys,
    oauth,
    sign_in,
    openid,
    invitations,
    account,
    notices,
    people,
    trail,
    overview,
    operations,
)

DESCRIPTION = """Providers publish what is open **now**; case managers claim it **in one call**.
There is no waiting list: a claim is `201 held`, or `409` with what is open instead."""


def create_app(settings: Settings | None = None, *, loops: bool = True) -> FastAPI:
    """The application over the database that the settings name. `loops`: run the background loops in it too."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assert settings.database_url, "whoever starts the application has found or started a database"
        nobodys_hash()
        database = Database(settings.database_url, pool_size=settings.pool_size)
        house = app.state.house = State(
            database,
            Desks(database, queue=settings.desk_queue, batch=settings.desk_batch),
            Keyring(MasterKeys.of(settings)),
            Limits(parse_quota(settings.rate_limit), parse_quota(settings.rate_limit_address)),
            settings,
        )
        # What was imported stays for good: a garbage collection needn't walk it again, and did so for a quarter of
        # the time under a load of claims. And a request makes so many short-lived objects that counting to the
        # usual 700 meant to collect with each; nearly all of them die by themselves.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        try:
            async with counting(database, house.limits, house.last_use):
                with farewell(house.hub):
                    if loops:
                        async with working(database, settings, house.keyring, house.hub):
                            yield
                    else:
                        yield
        finally:
            await house.hub.stop()
            await database.close()

    app = FastAPI(
        title="Openberth",
        version="0.1.0",
        summary="The live capacity market of a pre-arrest diversion program",
        description=DESCRIPTION,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        # A redirect would name the host and scheme that the request came with: behind a proxy, plain http.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # It would ask at every request whether somebody listens, and tell them what was sent in a refused body.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install(app)
    app.add_middleware(claims.DeskDoor, handlers=app.exception_handlers)
    app.add_middleware(WithLimits, always=Site(settings.public_url).headers)
    app.add_middleware(live.LiveSocket)
    if settings.shows_docs:
        guide.serve(app)
    _serve(app)
    return app


def _serve(app: FastAPI) -> None:
    """Every route, the API's before the pages'."""
    # Not included but laid in directly, and first: routes are tried in turn, and one of an included router is found
    # anew for each request.
    app.router.routes[:0] = claims.desk_router.routes
    for face in FACES:
        app.include_router(face.router)
    app.include_router(openid.open_router)
    app.state.problem_page = problem_page
    for each in PAGES:
        app.include_router(each.router)
    webhook_events.describe(app)
