"""Handing mail in: in clear on this machine, by STARTTLS, by TLS from the start, with a login; and what goes wrong."""

import ssl
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError

from app.core.settings import MailServer, Settings, parse_mail_server
from app.delivery.notices.mail import Mail, Post
from app.delivery.notices.rows import SENT
from app.delivery.notices.words import Words
from tests.notices import post
from tests.notices.office import Office
from tests.notices.post import PASSWORD, URL_PASSWORD, USER
from tests.notices.waiting import until

SENDER = "Openberth <notices@house.example>"


def a_mail(to: str = "robin@example.org", title: str = "A title") -> Mail:
    return Mail(to, Words(title, "A body", "https://house.example/claims/1", "A footer"), "en", uuid4())


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS, whose certificate this process trusts."""
    context, file = post.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


def through(url: str) -> Post:
    return Post(parse_mail_server(url), SENDER)


async def test_in_clear_on_this_machine() -> None:
    async with post.running() as server:
        mail = a_mail(title="Überfällig: ¿mañana?")
        assert await through(f"smtp://localhost:{server.port}").send(mail) == SENT
    [received] = server.received
    assert (received.tls, received.login) == (False, False)
    assert received.message["Subject"] == "Überfällig: ¿mañana?"
    assert received.message["Message-ID"] == f"<{mail.notice_id}@house.example>"
    assert received.message["From"] == SENDER
    assert "https://house.example/claims/1" in received.text


@pytest.mark.parametrize("login", [False, True])
async def test_by_starttls_with_and_without_a_login(tls: ssl.SSLContext, login: bool) -> None:
    async with post.running(starttls=tls, login=login) as server:
        user = f"{USER}:{URL_PASSWORD}@" if login else ""
        assert await through(f"smtp://{user}localhost:{server.port}").send(a_mail()) == SENT
    [received] = server.received
    assert (received.tls, received.login) == (True, login)


async def test_in_tls_from_the_start_with_a_login(tls: ssl.SSLContext) -> None:
    async with post.running(implicit=tls, login=True) as server:
        url = f"smtps://{USER}:{URL_PASSWORD}@127.0.0.1:{server.port}"
        assert await through(url).send(a_mail()) == SENT
    [received] = server.received
    assert (received.tls, received.login) == (True, True)


async def test_a_wrong_login_is_refused_and_tried_again(tls: ssl.SSLContext) -> None:
    async with post.running(implicit=tls, login=True) as server:
        outcome = await through(f"smtps://{USER}:wrong@127.0.0.1:{server.port}").send(a_mail())
    assert (outcome.error, outcome.final) == ("login_refused", False)
    assert server.received == []


async def test_a_server_that_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    context, _ = post.certificate(tmp_path)
    async with post.running(starttls=context, login=True) as starttls, post.running(implicit=context) as implicit:
        for url in (
            f"smtp://{USER}:{URL_PASSWORD}@localhost:{starttls.port}",
            f"smtps://localhost:{implicit.port}",
        ):
            outcome = await through(url).send(a_mail())
            assert outcome.error is not None
            assert not outcome.final
    assert starttls.received == implicit.received == []
    assert starttls.conversations == implicit.conversations == 0


async def test_elsewhere_nothing_is_said_before_tls() -> None:
    async with post.running() as server:
        elsewhere = MailServer("localhost", server.port, implicit=False, here=False, username=None, password=None)
        outcome = await Post(elsewhere, SENDER).send(a_mail())
    assert (outcome.error, outcome.final) == ("not_supported", False)
    assert server.conversations == 0
    assert not parse_mail_server("smtp://mail.example.org").here


async def test_a_server_that_is_away_is_tried_again() -> None:
    async with post.running() as server:
        port = server.port
    outcome = await through(f"smtp://127.0.0.1:{port}").send(a_mail())
    assert (outcome.error, outcome.final) == ("connection", False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", MailServer("mail.example.org", 587, False, False, None, None)),
        ("smtps://mail.example.org", MailServer("mail.example.org", 465, True, False, None, None)),
        (f"smtp://{USER}:{URL_PASSWORD}@[::1]:25", MailServer("::1", 25, False, True, USER, PASSWORD)),
    ],
)
def test_an_address_of_a_server_is_read(url: str, expected: MailServer) -> None:
    assert parse_mail_server(url) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"smtp_url": "https://mail.example.org", "mail_from": SENDER},
        {"smtp_url": "smtp://", "mail_from": SENDER},
        {"smtp_url": f"smtp://{USER}:{URL_PASSWORD}@mail.example.org/x", "mail_from": SENDER},
        {"smtp_url": f"smtp://{USER}:{URL_PASSWORD}@mail.example.org"},
        {"mail_from": SENDER},
        {"smtp_url": "smtp://mail.example.org", "mail_from": "nobody"},
        {"smtp_url": "smtp://mail.example.org", "mail_from": "a@b\r\nBcc: c@example.org"},
    ],
)
def test_half_or_senseless_settings_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**settings)  # type: ignore[arg-type]
    assert URL_PASSWORD not in str(refused.value)


# What becomes of a notice then.


async def due(office: Office) -> tuple[str, str]:
    """A hold that is about to lapse: whose mailbox, and the claim."""
    worker = await office.person()
    claim = await worker.holds(await office.program.opening(), 1, await office.program.participant())
    await office.lapsing(claim)
    return worker.known.email, claim["id"]


async def test_what_is_refused_for_now_is_tried_again_and_sent_once(office: Office) -> None:
    address, _ = await due(office)
    office.post.refuse = lambda _: "451 Try again"
    await office.round()
    [row] = await office.rows()
    assert (row.state, row.error, row.attempts) == ("due", "address_refused", 1)
    # Not at once.
    await office.round()
    assert office.post.to(address) == []
    office.post.refuse, office.post.refuse_data = (lambda _: None), "452 Full"
    await office.hasten()
    await office.round()
    office.post.refuse_data = None
    await office.hasten()
    await office.round()
    await office.round()
    assert len(office.post.to(address)) == 1
    [row] = await office.rows()
    assert (row.state, row.error, row.attempts) == ("sent", None, 3)


@pytest.mark.parametrize("final", ["550 No such mailbox", "data"])
async def test_what_is_refused_for_good_is_given_up(office: Office, final: str) -> None:
    address, _ = await due(office)
    if final == "data":
        office.post.refuse_data = "554 No thanks"
    else:
        office.post.refuse = lambda _: final
    await office.round()
    [row] = await office.rows()
    assert row.state == "given_up"
    # The server's own words may name somebody.
    assert row.error in {"address_refused", "refused"}
    assert office.post.to(address) == []


async def test_what_comes_too_late_is_given_up(office: Office) -> None:
    address, claim_id = await due(office)
    office.post.refuse = lambda _: "451 Try again"
    await office.round()
    await office.run("UPDATE notices SET useful_until = now() + interval '5 s' WHERE program_id = :program")
    await office.hasten()
    await office.send()
    [row] = await office.rows()
    assert (row.state, row.error) == ("given_up", "address_refused")
    assert office.post.to(address) == []
    assert claim_id


@pytest.mark.parametrize("by", ["the sender", "the look-out"])
async def test_what_is_of_no_use_any_more_is_not_sent(office: Office, by: str) -> None:
    person = await office.person()
    await person.browser.done("/v1/me/notices/test", {"channel": "email"}, 201)
    await office.run("UPDATE notices SET useful_until = now() WHERE program_id = :program")
    if by == "the look-out":
        await office.notices.find(office.program.id)
        assert [row.state for row in await office.rows()] == ["given_up"]
    await office.send()
    assert [(row.state, row.error) for row in await office.rows()] == [("given_up", "too_late")]
    assert person.mail == []


async def test_without_a_mail_server_nothing_is_owed_by_mail(office: Office) -> None:
    await due(office)
    office.notices.channels.remove(next(each for each in office.notices.channels if each == "email"))
    await office.notices.find(office.program.id)
    assert await office.rows() == []


async def test_a_slow_mail_delays_no_other_and_no_browser(office: Office) -> None:
    slow, quick = await office.person(), await office.person()
    device = await quick.subscribes()
    opening = await office.program.opening(9)
    for person in (slow, quick):
        claim = await person.holds(opening, 1, await office.program.participant())
        await office.lapsing(claim)
    office.post.slow[slow.known.email] = 3.0
    await office.notices.find(office.program.id)
    for sender in office.notices.senders:
        await sender.look()
    await until(lambda: quick.mail and device.came)
    # Nor a claim.
    assert (await office.program.held(opening))["state"] == "held"
    assert slow.mail == []
    for sender in office.notices.senders:
        await sender.done()
    assert len(slow.mail) == len(quick.mail) == 1
