"""What is open by category and area: now, and as it was every quarter of an hour."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, ForeignKeyConstraint, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.market.directory import one_of
from app.market.vocabulary import Category

SAMPLE_SECONDS = 60.0
"""How often it is looked whether this quarter of an hour has been kept."""

MOST_AREAS = 6
"""How many areas are shown over time: those with most places open in it."""


class BoardSample(Base):
    """The board of one quarter of an hour, as `board_now` counted it. `area` is '' where it is not known or must not
    be: of what is confidential or masked."""

    __tablename__ = "board_samples"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    area: Mapped[str] = mapped_column(primary_key=True)
    openings: Mapped[int] = mapped_column(BigInteger)
    units_open: Mapped[int] = mapped_column(BigInteger)
    units_total: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
        one_of("category", Category),
    )


@dataclass(frozen=True, slots=True)
class Open:
    """What is on the board of a category in an area: openings with a place left, places open, and places in all."""

    category: str
    area: str
    openings: int
    units_open: int
    units_total: int


@dataclass(frozen=True, slots=True)
class OpenAt:
    """How many places were open of a category, or in an area, at a moment."""

    at: datetime
    of: str
    units_open: int


@dataclass(frozen=True, slots=True)
class Course:
    """How many places were open over time, by category and by area."""

    by_category: list[OpenAt]
    by_area: list[OpenAt]


async def sample(session: AsyncSession) -> int:
    """Keep the board of the transaction's program as it is, once in a quarter of an hour. Answers how many rows."""
    return int(await session.scalar(text("SELECT sample_board()")) or 0)


async def open_now(session: AsyncSession) -> list[Open]:
    """What is open now, the most first."""
    rows = await session.execute(
        text("SELECT category, area, openings, units_open, units_total FROM board_now() ORDER BY units_open DESC, 1, 2")
    )
    return [Open(*row) for row in rows]


async def course(session: AsyncSession, program_id: UUID, since: datetime, until: datetime) -> Course:
    """What was open between two moments, as it was kept."""
    within = (BoardSample.program_id == program_id, BoardSample.at >= since, BoardSample.at < until)
    total = func.sum(BoardSample.units_open)

    async def by(column: Mapped[str], *where: ColumnElement[bool]) -> list[OpenAt]:
        asked = select(BoardSample.at, column, total).where(*within, *where)
        rows = await session.execute(asked.group_by(BoardSample.at, column).order_by(BoardSample.at, column))
        return [OpenAt(at, of, int(units)) for at, of, units in rows]

    fullest = (
        select(BoardSample.area)
        .where(*within, BoardSample.area != "")
        .group_by(BoardSample.area)
        .order_by(total.desc(), BoardSample.area)
        .limit(MOST_AREAS)
    )
    return Course(await by(BoardSample.category), await by(BoardSample.area, BoardSample.area.in_(fullest)))
