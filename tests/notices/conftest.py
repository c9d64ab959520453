"""An application that sends mail and calls push services, both on loopback, over the shared database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys
from app.core.settings import Settings
from app.delivery.notices.send import Notices
from app.main import create_app
from tests.notices import post, push_service
from tests.notices.office import Office
from tests.support import MASTER_KEYS, PUBLIC_URL, House, new_program


@pytest.fixture(scope="session")
async def mail_server() -> AsyncIterator[post.Post]:
    """A mail server in clear."""
    async with post.running() as running:
        yield running


@pytest.fixture(scope="session")
async def pushing() -> AsyncIterator[push_service.PushService]:
    """A push service."""
    async with push_service.running() as running:
        yield running


def settings_of(url: str, port: int, **more: Any) -> Settings:
    """The settings of an application that sends."""
    return Settings(
        database_url=url,
        master_keys=SecretStr(MASTER_KEYS),
        rate_limit_address="100000/minute",
        public_url=PUBLIC_URL,
        smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"),
        mail_from="Openberth <notices@house.example>",
        allow_local_push=True,
        **more,
    )


@asynccontextmanager
async def sending(url: str, port: int) -> AsyncIterator[House]:
    """The application, without its loops."""
    app = create_app(settings_of(url, port), loops=False)
    owner = Database(url, pool_size=2, as_owner=True)
    async with app.router.lifespan_context(app):
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://house") as http:
            yield House(app, http, owner)
    await owner.close()


@asynccontextmanager
async def opened(
    house: House, url: str, mail_server: post.Post, pushing: push_service.PushService
) -> AsyncIterator[Office]:
    """A new program, and the loops, which are taken step by step."""
    database = Database(url, pool_size=4)
    settings = settings_of(url, mail_server.port)
    notices = Notices(database, Keyring(MasterKeys.of(settings)), settings)
    superuser = url.replace("openberth_owner", "postgres", 1)
    yield Office(house, await new_program(house), mail_server, pushing, notices, superuser)
    await notices.aclose()
    await database.close()


@pytest.fixture(scope="session")
async def sending_house(shared_database: str, mail_server: post.Post) -> AsyncIterator[House]:
    """The application over the shared database."""
    async with sending(shared_database, mail_server.port) as house:
        yield house


@pytest.fixture
async def office(
    shared_database: str, sending_house: House, mail_server: post.Post, pushing: push_service.PushService
) -> AsyncIterator[Office]:
    """A program of this test's own, and the loops, which it takes step by step."""
    mail_server.refuse, mail_server.refuse_data = (lambda _: None), None
    mail_server.slow.clear()
    async with opened(sending_house, shared_database, mail_server, pushing) as office:
        yield office
