"""Referrals: whoever meets somebody who needs the program refers them, and workers take it from there."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field, model_validator

from app.access.callers import Caller
from app.access.roles import Action, Role
from app.api.errors import documented
from app.api.fields import Cursor, In, Limit, Line, Moment, Out, Page, Prose, id_from_cursor, id_or_code, to_cursor
from app.api.routing import face
from app.casework import referrals
from app.casework.referrals import CloseReason, ReferralKind
from app.dependencies import Ring, Session, requires, secret_answer

router = face("referrals")

Referrer = Annotated[Caller, requires(Action.REFER)]
Follower = Annotated[Caller, requires(Action.FOLLOW_REFERRAL)]
Worker = Annotated[Caller, requires(Action.WORK_REFERRAL)]


class PersonIn(In):
    """Who is referred: whatever is known that helps to find them."""

    name: Line | None = None
    description: Prose | None = None
    where: Annotated[Prose | None, Field(description="Where they are now, or can be found.")] = None
    contact: Annotated[Prose | None, Field(description="A telephone number, an address, a friend.")] = None

    @model_validator(mode="after")
    def _someone(self) -> "PersonIn":
        if not (self.name or self.description or self.where or self.contact):
            raise ValueError("say at least one thing by which the person can be found")
        return self


class ReferralIn(In):
    """A referral. All that is said here is stored sealed, and shown to the program's workers alone."""

    kind: Annotated[
        ReferralKind,
        Field(
            description="`diversion`: instead of an arrest. `social_contact`: by police, without one."
            " `community`: by a neighbour, a business, an agency."
        ),
    ]
    person: PersonIn
    note: Prose | None = None
    reference: Annotated[Line | None, Field(description="Your own number for it; only you see it again.")] = None


class ReferralMade(Out):
    """A referral that was made. The same whether the program knows the person or not."""

    id: UUID
    reference: str | None
    referred_at: Moment


class FollowedOut(Out):
    """What a referrer learns of a referral, and all that they ever do."""

    id: UUID
    reference: str | None
    contact_made: bool
    intake_completed: bool


class ReferralOut(Out):
    """A referral as workers see it."""

    id: UUID
    kind: ReferralKind
    referrer_role: Role
    organization_id: Annotated[UUID, Field(description="Whose it is: the referrer's organization.")]
    referred_at: Moment
    minutes_since: Annotated[
        int, Field(description="Minutes since it was made. LEAD's ideal is contact within 30, while police stay.")
    ]
    contacted_at: Moment | None
    taken_in_at: Annotated[Moment | None, Field(description="When intake was completed.")]
    participant_id: Annotated[UUID | None, Field(description="Whom the person became, once intake was completed.")]
    closed_at: Moment | None
    close_reason: CloseReason | None


class PersonOut(Out):
    """Who was referred, in the referrer's words."""

    name: str | None
    description: str | None
    where: str | None
    contact: str | None


class WholeReferralOut(ReferralOut):
    """A referral with who it is for. The trail says that you looked."""

    person: PersonOut
    note: str | None


class IntakeIn(In):
    """Whom the person became."""

    participant: Annotated[Line, Field(description="A participant's id or code.")]


class CloseIn(In):
    """Why it ends without intake. The referrer never learns it."""

    reason: CloseReason


@router.post("/referrals", status_code=201)
@secret_answer
async def make_referral(caller: Referrer, session: Session, keyring: Ring, body: ReferralIn) -> ReferralMade:
    """Refer a person. The answer says nothing of them, and doesn't differ when the program knows them already."""
    id, referred_at = await referrals.refer(
        session,
        caller,
        keyring,
        kind=body.kind,
        person=body.person.model_dump(),
        remark=body.note,
        reference=body.reference,
    )
    return ReferralMade(id=id, reference=body.reference, referred_at=referred_at)


@router.get("/referrals/mine")
async def list_my_referrals(
    caller: Follower, session: Session, keyring: Ring, cursor: Cursor = None, limit: Limit = 50
) -> Page[FollowedOut]:
    """The referrals that you made yourself, in that order: whether contact was made, and whether intake completed."""
    found = await referrals.list_followed(session, caller, keyring, after=id_from_cursor(cursor), limit=limit + 1)
    following = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page[FollowedOut].model_validate({"items": found[:limit], "next": following}, from_attributes=True)


@router.get("/referrals/mine/{referral_id}", responses=documented(404))
async def read_my_referral(caller: Follower, session: Session, keyring: Ring, referral_id: UUID) -> FollowedOut:
    """One of them."""
    return FollowedOut.model_validate(await referrals.get_followed(session, caller, keyring, referral_id))


@router.get("/referrals")
async def list_referrals(
    caller: Worker,
    session: Session,
    open: Annotated[
        bool | None, Query(description="Only those not taken in or closed; false: only the others.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ReferralOut]:
    """The program's referrals, newest first, without who they are for."""
    found = await referrals.list_referrals(
        session, caller, is_open=open, before=id_from_cursor(cursor), limit=limit + 1
    )
    following = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page[ReferralOut].model_validate({"items": found[:limit], "next": following}, from_attributes=True)


@router.get("/referrals/{referral_id}", responses=documented(404))
async def read_referral(caller: Worker, session: Session, keyring: Ring, referral_id: UUID) -> WholeReferralOut:
    """One referral with who it is for. The trail says that you looked."""
    row, told = await referrals.look(session, caller, keyring, referral_id)
    return WholeReferralOut.model_validate(dict(row._mapping) | told)


_STEP: dict[str, Any] = {"responses": documented(404, 409)}


@router.post("/referrals/{referral_id}/contact", **_STEP)
async def record_contact(caller: Worker, session: Session, referral_id: UUID) -> ReferralOut:
    """Contact was made with the person."""
    return ReferralOut.model_validate(await referrals.contact(session, caller, referral_id))


@router.post("/referrals/{referral_id}/intake", **_STEP)
async def record_intake(caller: Worker, session: Session, referral_id: UUID, body: IntakeIn) -> ReferralOut:
    """Intake is completed, and contact was made with it. The referrer never learns which participant it is."""
    participant = id_or_code(body.participant)
    return ReferralOut.model_validate(await referrals.take_in(session, caller, referral_id, participant))


@router.post("/referrals/{referral_id}/close", **_STEP)
async def close_referral(caller: Worker, session: Session, referral_id: UUID, body: CloseIn) -> ReferralOut:
    """It ends without intake, for a coded reason. The referrer never learns of it."""
    return ReferralOut.model_validate(await referrals.close(session, caller, referral_id, body.reason))
