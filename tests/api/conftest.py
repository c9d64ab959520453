"""What the tests of the face for systems share: a second program beside the first."""

import pytest

from tests.support import House, Program, new_program


@pytest.fixture
async def other_program(house: House) -> Program:
    """Another program in the same database, whose rows are nobody else's business."""
    return await new_program(house, "America/New_York")
