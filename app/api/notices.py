"""Notices: what the person who calls is told by e-mail and in their browsers, and how."""

from base64 import urlsafe_b64decode
from datetime import time
from typing import Annotated, Literal
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Request
from pydantic import AfterValidator, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.access.sessions import device_name
from app.api.errors import documented
from app.api.fields import In, Moment, Out, Yes
from app.api.routing import face
from app.core.problems import Invalid
from app.delivery.notices import browsers, choices, push, rows
from app.delivery.notices.browsers import Target
from app.delivery.notices.kinds import KINDS, Channel, NoticeKind
from app.delivery.notices.trial import owe_test
from app.dependencies import Ring, Session, State, requires, secret_answer, state_of

router = face("notices")

Own = Annotated[Caller, requires(Action.KEEP_ACCOUNT)]

RECENT = 20
_PUBLIC_KEY_BYTES = 65
_SECRET_BYTES = 16


def _minute(of_day: time) -> time:
    if of_day.tzinfo is not None:
        raise ValueError("give a time of day by the program's own clock, such as 22:00, without an offset")
    return of_day.replace(second=0, microsecond=0)


OfDay = Annotated[time, AfterValidator(_minute)]
Language = Literal["en", "es"]


class QuietIn(In):
    """Hours of the day in which you are told nothing. They may go over midnight."""

    begins: OfDay
    ends: OfDay

    @model_validator(mode="after")
    def _some(self) -> "QuietIn":
        if self.begins == self.ends:
            raise ValueError("begins and ends must differ")
        return self


class QuietOut(Out):
    """Hours of the day, by the program's clock, in which you are told nothing."""

    begins: time
    ends: time


class ChannelsIn(In):
    """By which channels. What is left out stays as it is."""

    email: Yes | None = None
    push: Yes | None = None


class ChoicesIn(In):
    """What to change. What is left out stays as it is."""

    language: Language | None = None
    lapse_minutes: Annotated[
        int | None, Field(ge=5, le=choices.LONGEST_LAPSE_MINUTES, strict=True, description="Before a hold lapses.")
    ] = None
    attest_minutes: Annotated[
        int | None,
        Field(ge=15, le=choices.LONGEST_ATTEST_MINUTES, strict=True, description="Before an attestation runs out."),
    ] = None
    quiet: Annotated[QuietIn | None, Field(description="null: no quiet hours.")] = None
    kinds: (
        dict[Literal["claim_lapsing", "claim_declined", "attestation_due", "watch_matched", "webhook_off"], ChannelsIn]
        | None
    ) = None


class KindOut(Out):
    """A kind of notice, and how you get it."""

    kind: str
    words: str
    yours: Annotated[bool, Field(description="Whether there can be any for you, in your role.")]
    email: bool
    push: bool


class EmailOut(Out):
    """E-mail. `available` is false where this installation has no mail server."""

    available: bool
    address: str


class PushOut(Out):
    """Your browsers. `available` is false where this installation can keep no browser's keys."""

    available: bool
    browsers: int


class ReachOut(Out):
    """How you can be reached."""

    email: EmailOut
    push: PushOut


class NoticeOut(Out):
    """One notice, to one place. `error` is why the last attempt failed, or why it was not sent."""

    id: UUID
    kind: str
    channel: Channel
    state: Literal["due", "sent", "given_up"]
    attempts: int
    error: str | None
    created_at: Moment
    sent_at: Moment | None


class NoticesOut(Out):
    """Your choices, and what you were told of late."""

    language: Language
    lapse_minutes: int
    attest_minutes: int
    quiet: QuietOut | None
    kinds: list[KindOut]
    reach: ReachOut
    recent: list[NoticeOut]


class PushKeyOut(Out):
    """What a browser subscribes with."""

    public_key: Annotated[str, Field(description="The `applicationServerKey`: P-256, uncompressed, base64url.")]


def _endpoint(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("give the endpoint as the browser has it") from None
    if parsed.scheme not in {"https", "http"} or not parsed.host or parsed.userinfo or parsed.fragment:
        raise ValueError("give the endpoint as the browser has it")
    return url


Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+=*$", max_length=200)]


class KeysIn(In):
    """What to encrypt with (RFC 8291), as the browser has it."""

    p256dh: Base64
    auth: Base64


class SubscriptionIn(In):
    """A browser's push subscription, as its `toJSON()` gives it."""

    endpoint: Annotated[
        str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[\x21-\x7e]+$"), AfterValidator(_endpoint)
    ]
    expirationTime: Annotated[float | None, Field(description="Not used: an endpoint that is over says so itself.")] = (
        None
    )
    keys: KeysIn


class SubscriptionOut(Out):
    """A browser that you are told in."""

    id: UUID
    device: str
    created_at: Moment


class SubscriptionsOut(Out):
    """The browsers that you are told in."""

    items: list[SubscriptionOut]


class TestIn(In):
    """How to send the test."""

    channel: Channel


class TestOut(Out):
    """What is sent: one notice by e-mail, or one for each browser."""

    notices: list[NoticeOut]


async def _notices(house: State, caller: Caller, session: AsyncSession) -> NoticesOut:
    person = await choices.person_of(session, caller)
    chosen = await choices.read_choices(session, caller.program_id, caller.id)
    told_in = await browsers.list_browsers(session, caller.program_id, caller.id)
    return NoticesOut(
        language="es" if chosen.language == "es" else "en",
        lapse_minutes=chosen.lapse_minutes,
        attest_minutes=chosen.attest_minutes,
        quiet=None if chosen.quiet is None else QuietOut.model_validate(chosen.quiet),
        kinds=[
            KindOut(
                kind=kind,
                words=each.words,
                yours=caller.may(each.to),
                email=chosen.wants(kind, Channel.EMAIL),
                push=chosen.wants(kind, Channel.PUSH),
            )
            for kind, each in KINDS.items()
        ],
        reach=ReachOut(
            email=EmailOut(available=house.sends_mail, address=person.email),
            push=PushOut(available=house.keyring.has_masters, browsers=len(told_in)),
        ),
        recent=[
            NoticeOut.model_validate(each) for each in await rows.recent(session, caller.program_id, caller.id, RECENT)
        ],
    )


@router.get("/me/notices", responses=documented(404))
async def read_notices(request: Request, caller: Own, session: Session) -> NoticesOut:
    """Of what you are told, and how; whether that reaches you; and your newest notices."""
    return await _notices(state_of(request), caller, session)


@router.patch("/me/notices", responses=documented(404))
async def change_notices(request: Request, caller: Own, session: Session, body: ChoicesIn) -> NoticesOut:
    """Choose of what you are told and how, in which language, how early, and when not."""
    await choices.person_of(session, caller)
    fields = body.model_dump(include={"language", "lapse_minutes", "attest_minutes"}, exclude_none=True)
    if "quiet" in body.model_fields_set:
        fields["quiet_from"] = body.quiet and body.quiet.begins
        fields["quiet_until"] = body.quiet and body.quiet.ends
    kinds = {
        NoticeKind(kind): {Channel(name): on for name, on in each.model_dump(exclude_none=True).items()}
        for kind, each in (body.kinds or {}).items()
    }
    await choices.change_choices(session, caller.program_id, caller.id, fields, kinds)
    return await _notices(state_of(request), caller, session)


@router.post("/me/notices/test", status_code=201, responses=documented(404, 409))
async def send_test(request: Request, caller: Own, session: Session, body: TestIn) -> TestOut:
    """Have a test sent to you. It goes out within seconds; `recent` of `GET /v1/me/notices` says what came of it.

    Within one minute there is one test by each channel.
    """
    await choices.person_of(session, caller)
    found = await owe_test(session, caller, body.channel, sends_mail=state_of(request).sends_mail)
    return TestOut(notices=[NoticeOut.model_validate(each) for each in found])


@router.get("/me/push-key", responses=documented(404))
async def read_push_key(caller: Own, session: Session, ring: Ring) -> PushKeyOut:
    """With which key to subscribe in a browser: `pushManager.subscribe({applicationServerKey, userVisibleOnly})`."""
    await choices.person_of(session, caller)
    return PushKeyOut(public_key=(await push.vapid_of(session, ring, caller.program_id)).public_key)


@router.get("/me/push-subscriptions", responses=documented(404))
async def list_subscriptions(caller: Own, session: Session) -> SubscriptionsOut:
    """The browsers that you are told in."""
    await choices.person_of(session, caller)
    found = await browsers.list_browsers(session, caller.program_id, caller.id)
    return SubscriptionsOut(items=[SubscriptionOut.model_validate(each) for each in found])


@router.post("/me/push-subscriptions", status_code=201, responses=documented(404, 409))
@secret_answer
async def add_subscription(
    request: Request, caller: Own, session: Session, ring: Ring, body: SubscriptionIn
) -> SubscriptionOut:
    """Be told in this browser. A browser has one subscription: whoever subscribes last has it."""
    await choices.person_of(session, caller)
    if not body.endpoint.startswith("https:") and not state_of(request).local_push:
        raise Invalid.at("endpoint", "The endpoint must start with https://.")
    target = Target(
        body.endpoint,
        _decoded("keys.p256dh", body.keys.p256dh, _PUBLIC_KEY_BYTES),
        _decoded("keys.auth", body.keys.auth, _SECRET_BYTES),
    )
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), target.public_key)
    except ValueError:
        raise Invalid.at("keys.p256dh", "This is no public key of the curve P-256.") from None
    device = device_name(request.headers.get("user-agent", ""))
    made = await browsers.add_browser(session, ring, caller.program_id, caller.id, device, target)
    return SubscriptionOut.model_validate(made)


def _decoded(field: str, text: str, length: int) -> bytes:
    try:
        found = urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        found = b""
    if len(found) != length:
        raise Invalid.at(field, f"This must be {length} bytes in base64url, as the browser has it.")
    return found


@router.delete("/me/push-subscriptions/{subscription_id}", responses=documented(404))
async def remove_subscription(caller: Own, session: Session, subscription_id: UUID) -> SubscriptionOut:
    """Be told in this browser no more."""
    await choices.person_of(session, caller)
    return SubscriptionOut.model_validate(
        await browsers.remove_browser(session, caller.program_id, caller.id, subscription_id)
    )
