"""What hostile input is made of, and what its refusal must look like."""

from httpx import Response

NUL = "a\x00b"
HUGE = "x" * 10_000_000
BEYOND_64_BITS = 10**30
ID = "0190b8a0-0000-7000-8000-000000000000"

LEAKS = (b"Traceback", b"sqlalchemy", b"asyncpg", b".py", b"SELECT ", b"INSERT ")


def refused(response: Response, *fields: str, status: frozenset[int] = frozenset({400, 413, 422})) -> None:
    """Check that this is such a refusal, and which fields it names."""
    assert response.status_code in status, (response.status_code, response.text[:500])
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"]
    assert problem["detail"]
    assert not [leak for leak in LEAKS if leak in response.content], response.text[:500]
    # What was sent is not sent back: a refusal is short, whatever it refuses.
    assert len(response.content) < 20_000
    if response.status_code == 422 and fields:
        named = {error["field"] for error in problem["errors"]}
        assert named >= set(fields), problem
