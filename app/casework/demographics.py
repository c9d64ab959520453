"""What people say of themselves, to measure equity by: kept under a pseudonym, so that no row joins a name to it."""

import hmac
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKeyConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.access.callers import Caller
from app.access.roles import Action
from app.casework.participants import get_participant
from app.casework.words import Given
from app.core.database import Base
from app.core.keyring import Keyring
from app.market.needs import check_languages

SMALLEST = 11
"""The smallest number of people that is published (CMS, cell size suppression). The database's function has it too."""
PREFIX = "demographics"
"""What the key of the pseudonyms is derived for."""

NOT_SAID = "prefers_not_to_say"
"""HUD 9 in every list: the person prefers not to answer."""

RACE_ETHNICITY: dict[str, int] = {
    "american_indian_alaska_native_indigenous": 1,
    "asian_asian_american": 2,
    "black_african_american_african": 3,
    "native_hawaiian_pacific_islander": 4,
    "white": 5,
    "hispanic_latina_latino": 6,
    "middle_eastern_north_african": 7,
    "does_not_know": 8,
    NOT_SAID: 9,
}
"""HMIS data standards FY 2024, element 3.04 Race and Ethnicity, with HUD's codes."""

GENDER: dict[str, int] = {
    "woman": 0,
    "man": 1,
    "culturally_specific_identity": 2,
    "different_identity": 3,
    "non_binary": 4,
    "transgender": 5,
    "questioning": 6,
    "does_not_know": 8,
    NOT_SAID: 9,
}
"""HMIS data standards FY 2024, element 3.06 Gender, with HUD's codes; FY 2026 has no such list any more."""


class Demographics(Base):
    """One person's answers. `subject` is their pseudonym: only the program's data key leads from a participant to it.

    There is no time here, since that of the trail's other entries would join the two.
    """

    __tablename__ = "demographics"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[UUID] = mapped_column(primary_key=True)
    race_ethnicity: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    gender: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    language: Mapped[str | None]

    __table_args__ = (ForeignKeyConstraint(["program_id"], ["programs.program_id"]),)


def _answers(known: dict[str, int], given: list[str]) -> list[str]:
    wrong = [each for each in given if each not in known]
    if wrong:
        raise ValueError(f"the answers are {', '.join(known)}")
    # Not to answer, or not to know, is an answer of its own and goes with no other.
    if len(set(given)) > 1 and {NOT_SAID, "does_not_know"} & set(given):
        raise ValueError(f"{NOT_SAID} and does_not_know go with no other answer")
    return sorted(set(given))


def _race_ethnicity(given: list[str]) -> list[str]:
    return _answers(RACE_ETHNICITY, given)


def _gender(given: list[str]) -> list[str]:
    return _answers(GENDER, given)


def _language(given: str) -> str:
    return given if given == NOT_SAID else check_languages([given])[0]


_RaceEthnicity = Annotated[str, Field(json_schema_extra={"enum": [*RACE_ETHNICITY]})]
_Gender = Annotated[str, Field(json_schema_extra={"enum": [*GENDER]})]


class SelfDescription(Given):
    """What someone says of themselves; each may be left out, and `prefers_not_to_say` is an answer too."""

    race_ethnicity: Annotated[
        Annotated[list[_RaceEthnicity], Field(min_length=1, max_length=9), AfterValidator(_race_ethnicity)] | None,
        Field(description="HUD 3.04 (FY 2024)."),
    ] = None
    gender: Annotated[
        Annotated[list[_Gender], Field(min_length=1, max_length=9), AfterValidator(_gender)] | None,
        Field(description="HUD 3.06 (FY 2024)."),
    ] = None
    language: Annotated[
        Annotated[str, Field(max_length=35), AfterValidator(_language)] | None,
        Field(description=f"The preferred language, a BCP 47 tag; or {NOT_SAID}."),
    ] = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many people gave an answer; None for fewer than eleven."""

    dimension: str
    answer: str
    people: int | None


async def write_demographics(
    session: AsyncSession, keyring: Keyring, caller: Caller, participant_id: UUID, said: SelfDescription
) -> None:
    """Write down what someone says of themselves, in place of what was there. Raises NotFound, NoMasterKey."""
    participant = await get_participant(session, caller, Action.EDIT_PARTICIPANT, participant_id)
    keys = await keyring.derived(session, caller.program_id, PREFIX)
    await session.execute(
        text("SELECT write_demographics(:subjects, :race_ethnicity, :gender, :language)"),
        {"subjects": [subject(key, participant.id) for key in keys], **said.model_dump()},
    )


def subject(key: bytes, participant_id: UUID) -> UUID:
    """A participant's pseudonym under a key: 122 bits of an HMAC, as a UUID of version 8 (RFC 9562)."""
    digest = bytearray(hmac.digest(key, participant_id.bytes, "sha256")[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


async def count_demographics(session: AsyncSession) -> list[Count]:
    """How many people of the program gave each answer. What fewer than eleven gave has no number.

    Every answer of HUD's lists is there, so that none and a few look alike; a language is there from eleven on. There
    are no totals, from which a number that is withheld could be reckoned.
    """
    rows = await session.execute(text("SELECT dimension, answer, people FROM count_demographics()"))
    counted = {(row.dimension, row.answer): row.people for row in rows}
    listed = [("race_ethnicity", answer) for answer in RACE_ETHNICITY] + [("gender", answer) for answer in GENDER]
    languages = sorted(each for each in counted if each[0] == "language")
    return [Count(*each, counted.get(each)) for each in (*listed, *languages)]
