"""Inviting people from the machine itself: the first manager of a program, and every operator."""

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select

from app.access import invitations
from app.access.invitations import Invited
from app.access.people import Person, add_person, folded
from app.access.programs import find_program
from app.access.roles import Role
from app.cli.keys import find_organization
from app.core.database import Database
from app.home import Home, NotReady


async def invite(home: Home, program_slug: str, organization: str | None, role: Role, email: str, name: str) -> Invited:
    """Invite a person, or a known one again in this role. Raises NotReady for what isn't there, and for no address."""
    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        raise NotReady(f"{email!r} is no e-mail address.") from error
    database = Database(home.owner_url, pool_size=1, as_owner=True)
    try:
        async with database.transaction(None, "operator") as session:
            program = await find_program(session, program_slug)
            if program is None:
                raise NotReady(f"No program {program_slug!r} here.")
            organization_id = await find_organization(session, program.program_id, organization, role)
            known = select(Person).where(Person.program_id == program.program_id, Person.email == folded(email))
            person = await session.scalar(known.with_for_update())
            if person is None:
                person = await add_person(session, program.program_id, organization_id, role, email, name)
            else:
                person.role, person.organization_id = role, organization_id
            return await invitations.invite(session, person)
    finally:
        await database.close()
