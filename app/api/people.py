"""People: invite them, change what they are to the program, end their access."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import EmailStr, Field, model_validator

from app.access import people
from app.access.callers import Caller
from app.access.invitations import Invited, invite
from app.access.roles import Action, Role
from app.api.errors import documented
from app.api.fields import Cursor, In, Limit, Line, Moment, Out, Page, id_from_cursor, to_cursor
from app.api.routing import face
from app.dependencies import Session, requires, secret_answer, state_of

router = face("people")

Manager = Annotated[Caller, requires(Action.INVITE_PEOPLE)]


class PersonIn(In):
    """Whom to invite, and as what."""

    organization_id: UUID
    role: Role
    email: Annotated[EmailStr, Field(max_length=320)]
    name: Line


class PersonChange(In):
    """What to change. Another role or organization signs the person out everywhere."""

    organization_id: UUID | None = None
    role: Role | None = None
    name: Line | None = None

    @model_validator(mode="after")
    def _something(self) -> "PersonChange":
        if not self.model_dump(exclude_none=True):
            raise ValueError("say what to change: role, organization_id or name")
        return self


class PersonOut(Out):
    """A person."""

    id: UUID
    organization_id: UUID
    role: Role
    email: str
    name: str
    state: Literal["invited", "active", "ended"]
    created_at: Moment
    joined_at: Moment | None
    ended_at: Moment | None


class InvitationOut(Out):
    """An invitation: good once, until it expires, and shown this once. Give it to the person alone."""

    person: PersonOut
    token: str
    link: Annotated[str, Field(description="Where they go. What stands after # is sent to no server.")]
    expires_at: Moment


def _invitation(request: Request, invited: Invited) -> InvitationOut:
    return InvitationOut(
        person=PersonOut.model_validate(invited.person),
        token=invited.token,
        link=invited.link(state_of(request).site.origin),
        expires_at=invited.expires_at,
    )


@router.post("/people", status_code=201, responses=documented(409))
@secret_answer
async def invite_person(
    request: Request, response: Response, caller: Manager, session: Session, body: PersonIn
) -> InvitationOut:
    """Invite a person. Their address must not be known to the program yet."""
    people.refuse_operator(body.role)
    person = await people.add_person(session, caller.program_id, body.organization_id, body.role, body.email, body.name)
    response.headers["Location"] = f"/v1/people/{person.id}"
    return _invitation(request, await invite(session, person))


@router.get("/people")
async def list_people(caller: Manager, session: Session, cursor: Cursor = None, limit: Limit = 50) -> Page[PersonOut]:
    """The program's people, ended ones too."""
    found = await people.list_people(session, after=id_from_cursor(cursor), limit=limit + 1)
    following = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page[PersonOut](items=[PersonOut.model_validate(row) for row in found[:limit]], next=following)


@router.get("/people/{person_id}", responses=documented(404))
async def read_person(caller: Manager, session: Session, person_id: UUID) -> PersonOut:
    """One person."""
    return PersonOut.model_validate(await people.get_person(session, person_id))


@router.patch("/people/{person_id}", responses=documented(404, 409))
async def change_person(caller: Manager, session: Session, person_id: UUID, body: PersonChange) -> PersonOut:
    """Change a person's role, organization or name."""
    person = await people.steered(session, caller, person_id)
    people.refuse_operator(body.role)
    await people.change_person(session, person, body.model_dump(exclude_none=True))
    return PersonOut.model_validate(person)


@router.post("/people/{person_id}/end", responses=documented(404, 409))
async def end_access(caller: Manager, session: Session, person_id: UUID) -> PersonOut:
    """End a person's access. Within a second nothing they are signed in with works any more."""
    person = await people.steered(session, caller, person_id)
    await people.end_access(session, person)
    return PersonOut.model_validate(person)


@router.post("/people/{person_id}/invite", responses=documented(404, 409))
@secret_answer
async def invite_again(request: Request, caller: Manager, session: Session, person_id: UUID) -> InvitationOut:
    """Invite a person again: whose invitation ran out, who lost what they sign in with, or whose access had ended.

    Their earlier invitation, password, passkeys and codes are void from now on.
    """
    person = await people.steered(session, caller, person_id)
    return _invitation(request, await invite(session, person))
