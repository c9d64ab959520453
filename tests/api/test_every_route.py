"""Every route of the OpenAPI document, called as everybody: what tests/expectations.py says is what happens.

Each role calls it standing in the organization whose the thing is, in another of the same program, and in another
program. Whoever is not expected is refused, finds out nothing, and changes nothing.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from tests.attempts import NAMES, Attempt, World, attempts, together
from tests.browser import ORIGIN
from tests.expectations import EXPECTED, STREAMS
from tests.issuer import running
from tests.lines import AGENCY, SHELTER, Line, Org, Reach, Secret
from tests.support import House, told_in_headers
from tests.whole_world import Person, Side, marks, new_side

SCOPES = {line.scope for line in EXPECTED.values() if line.scope}


@pytest.fixture(scope="module")
async def world(house: House) -> AsyncIterator[World]:
    """Both programs, made once for all routes."""
    with running() as issuer:
        yield World(await new_side(house, issuer.address), await new_side(house, issuer.address))


def may_know(attempt: Attempt) -> bool:
    """Whether the caller may read the thing that they may not do this with: then that it is there is no news."""
    readers = {"participant_id": "GET /v1/participants/{named}"}
    [*_, name] = NAMES.findall(attempt.route)
    upto = attempt.route.split(" ")[1].partition(f"{{{name}}}")[0] + f"{{{name}}}"
    line = EXPECTED[readers.get(name, f"GET {upto}")]
    standing = {each.standing: each.roles for each in line.reach if each.whose == attempt.reach.whose}
    return not attempt.abroad and attempt.role in standing.get(attempt.reach.standing, frozenset())


def require_problem(attempt: Attempt, *statuses: int) -> None:
    """The answer is a whole problem document of one of these statuses."""
    response = attempt.answer
    assert response.status_code in statuses, str(attempt)
    document = response.json()
    assert response.headers["content-type"] == "application/problem+json", str(attempt)
    assert {"type", "title", "detail", "status"} <= set(document), str(attempt)


def require_names_nobody(attempt: Attempt) -> None:
    """Refused because a shelter's staff name nobody: the name alone, where they may do without it, or all of it."""
    if any(each.nameless for each in attempt.line.reach):
        require_problem(attempt, 422)
        assert [each["field"] for each in attempt.answer.json()["errors"]] == ["participant"], str(attempt)
        return
    require_problem(attempt, 403)
    assert attempt.answer.json()["type"].endswith("/names-nobody"), str(attempt)


async def require_refused(attempt: Attempt) -> None:
    """Refused: by role, as a shelter's, or with this thing: then as if it never was, unless they may know of it."""
    if attempt.role not in attempt.line.roles():
        require_problem(attempt, 403)
        return
    if attempt.reach.standing is SHELTER:
        require_names_nobody(attempt)
        return
    in_path = NAMES.findall(attempt.route)
    if not in_path:
        # What the body names is another organization's, or nothing that there is in the caller's program.
        require_problem(attempt, *((422,) if attempt.abroad else (403,)))
        return
    if attempt.answer.status_code == 403 and may_know(attempt):
        return
    require_problem(attempt, 404)
    never = {name: "ZZZZ-ZZZZ" if name == "named" else str(uuid4()) for name in in_path}
    another = Attempt(
        attempt.route, attempt.line, attempt.reach, attempt.role, attempt.side, attempt.world, attempt.things | never
    )
    await another.made()
    seen = [(each.answer.status_code, told_in_headers(each.answer)) for each in (attempt, another)]
    assert seen[0] == seen[1], str(attempt)
    texts = [each.answer.text for each in (attempt, another)]
    for name in in_path:
        texts = [texts[0].replace(attempt.things[name], "?"), texts[1].replace(never[name], "?")]
    assert texts[0] == texts[1], str(attempt)


def require_discreet(attempt: Attempt) -> None:
    """Nothing of the other program in the answer, and of who people are exactly what the table says."""
    told = attempt.told()
    stranger = attempt.world.here if attempt.abroad else attempt.world.elsewhere
    assert told & stranger.marks == set(), f"{attempt} tells of another program: {told & stranger.marks}"
    assert not any(secret in attempt.answer.text for secret in stranger.keys.values()), str(attempt)
    assert not any(secret in attempt.answer.text for secret in attempt.side.keys.values()), str(attempt)
    words = {attempt.side.words[word] for word in told & attempt.side.words.keys()}
    line, standing = attempt.line, attempt.reach.standing
    if line.rows is not None:
        # In a list there are things of several organizations: what is told to its own is told of its own.
        allowed = {(secret, org) for secret in line.tells for org in Org}
        allowed |= {(secret, standing) for secret in line.tells_own}
        assert words <= (allowed if attempt.expected else set()), f"{attempt} tells {words - allowed}"
        return
    told_secrets = {secret for secret, _ in words}
    expected: frozenset[Secret] = frozenset()
    if attempt.expected and not attempt.abroad:
        expected = line.tells | (line.tells_own if standing == attempt.reach.whose else frozenset())
    assert told_secrets == expected, f"{attempt} tells {told_secrets}, and should tell {set(expected)}"


async def require_rows(attempt: Attempt) -> None:
    """The list holds what the caller may see, all of it and nothing else."""
    rows = attempt.line.rows
    assert rows is not None
    caller = {attempt.side.orgs[attempt.reach.standing], attempt.side.callers[attempt.reach.standing, attempt.role]}
    allowed = set()
    path = (await attempt.filled(attempt.route)).split(" ")[1]
    for row in await attempt.side.listed(rows.table):
        if "organization_id" in attempt.things and str(row.organization_id) != attempt.things["organization_id"]:
            continue
        columns = [column for column, roles in rows.columns.items() if attempt.role in roles]
        theirs = any(getattr(row, column) in caller for column in columns)
        if theirs or attempt.role in rows.all:
            allowed.add(str(row.id))
    page, found = attempt.answer.json(), set()
    while True:
        found |= {each["id"] for each in page["items"]}
        if page["next"] is None:
            break
        more = {"limit": "200", "cursor": page["next"]}
        page = (await attempt.side.call(attempt.reach.standing, attempt.role, "GET", path, params=more)).json()
    assert found == allowed, f"{attempt}: {len(found - allowed)} too many, {len(allowed - found)} missing"


# The table.


def test_every_route_has_its_line_and_every_line_its_route(house: House) -> None:
    paths = house.app.openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert routes - set(EXPECTED) == STREAMS, "a new route needs its line in tests/expectations.py"
    assert set(EXPECTED) - routes == set(), "a line without a route"


@pytest.mark.parametrize("route", [route for route, line in EXPECTED.items() if line.reach])
async def test_everybody_reaches_exactly_what_the_table_says(world: World, route: str) -> None:
    line = EXPECTED[route]
    everybody = list(attempts(world, route, line))
    refused = [each for each in everybody if not each.expected]
    for each in refused:
        # What it names stands before it is called.
        await each.prepare()
    before = await world.here.rows()
    for each in await together([each.made() for each in refused]):
        await require_refused(each)
        require_discreet(each)
    assert await world.here.rows() == before
    for each in await together([each.made() for each in everybody if each.expected]):
        assert each.answer.status_code in line.answers, str(each)
        if not each.abroad:
            world.here.marks |= marks(each.answer.text)
        require_discreet(each)
        if line.rows is not None:
            await require_rows(each)


async def test_a_narrowed_key_reaches_what_its_scope_is_for_and_nothing_else(world: World) -> None:
    keys: dict[frozenset[str], str] = {}

    async def reaches(route: str, *scopes: str) -> bool:
        """Whether a manager's key with these scopes gets past them. What it asks makes no sense to what is behind."""
        if frozenset(scopes) not in keys:
            async with world.here.house.owner.transaction(world.here.id, "tests") as session:
                made = await create_key(
                    session, world.here.id, world.here.orgs[AGENCY], Role.PROGRAM_MANAGER, scopes=scopes
                )
            keys[frozenset(scopes)] = made[1]
        method, path = NAMES.sub(str(uuid4()), route).split(" ")
        headers = {"Authorization": f"Bearer {keys[frozenset(scopes)]}"}
        body = None if method == "GET" else {"no": "sense"}
        response = await world.here.house.http.request(method, path, headers=headers, json=body)
        assert response.status_code not in {401, 500}, response.text
        return response.status_code != 403

    for route, line in EXPECTED.items():
        if line.public or route == "GET /v1/me":
            continue
        assert not await reaches(route, *(SCOPES - {line.scope})), route
        assert line.scope is None or await reaches(route, line.scope), route


# One's own account.


def with_theirs(route: str, whose: Person) -> str:
    """The route, about what is this person's."""
    return route.format(passkey_id=whose.passkey_id, session_id=whose.session_id, subscription_id=whose.subscription_id)


async def by_person(person: Person, route: str, line: Line, whose: Person) -> Response:
    """A call of a page in a person's browser, about what is theirs or somebody else's."""
    method, path = with_theirs(route, whose).split(" ")
    if method == "GET":
        return await person.browser.get(path)
    return await person.browser.send(method, path, line.body)


@pytest.mark.parametrize("route", [route for route, line in EXPECTED.items() if line.account])
async def test_everybody_keeps_their_own_account_and_nobody_elses(world: World, route: str) -> None:
    line = EXPECTED[route]
    here, elsewhere = world.here, world.elsewhere
    everybody = await together([here.signs_in(role, line.first) for role in Role])
    if NAMES.findall(route):
        colleagues = await together([here.signs_in(role) for role in Role])
        strangers = await together([elsewhere.signs_in(role) for role in Role])
        before = await here.rows()
        for person, *others in zip(everybody, colleagues, strangers, strict=True):
            for other in others:
                response = await by_person(other, route, line, person)
                assert response.status_code == 404, f"{route}, on somebody else's: {response.text}"
        assert await here.rows() == before
    ids = [{str(each.id), str(each.session_id), str(each.passkey_id), str(each.subscription_id)} for each in everybody]
    for person, own in zip(everybody, ids, strict=True):
        response = await by_person(person, route, line, person)
        assert response.status_code in line.answers, f"{route}: {response.status_code} {response.text}"
        told = marks(response.text)
        assert told & (elsewhere.marks | here.words.keys()) == set(), response.text
        assert told & (set().union(*ids) - own) == set(), response.text


@pytest.mark.parametrize("route", [route for route, line in EXPECTED.items() if line.account])
async def test_a_key_has_no_account(world: World, route: str) -> None:
    person = await world.here.signs_in(Role.CASE_MANAGER)
    method, path = with_theirs(route, person).split(" ")
    before = await world.here.rows()
    for side in (world.here, world.elsewhere):
        for role in Role:
            response = await side.call(AGENCY, role, method, path, EXPECTED[route].body)
            assert response.status_code == 404, f"{route} as the key of {role}: {response.text}"
    assert await world.here.rows() == before


# Without a key, and with one that is no good.


async def no_good(side: Side) -> list[str]:
    """A malformed, a revoked and an expired key of a role that reaches nearly everything."""
    keys = ["openberth_senseless"]
    for change in ("revoked_at = now()", "expires_at = now() - interval '1 s'"):
        async with side.house.owner.transaction(side.id, "tests") as session:
            later = datetime.now(UTC) + timedelta(hours=1)
            key, secret = await create_key(session, side.id, side.orgs[AGENCY], Role.PROGRAM_MANAGER, later)
            await session.execute(text(f"UPDATE keys SET {change} WHERE id = :id"), {"id": key.id})
        keys.append(secret)
    return keys


async def test_without_a_good_key_everything_is_closed_but_what_is_public(world: World) -> None:
    keys = await no_good(world.here)
    before = await world.here.rows()
    for route, line in EXPECTED.items():
        if line.public:
            continue
        person = {name: str(uuid4()) for name in ("passkey_id", "session_id", "subscription_id")}
        reach = line.reach[0] if line.reach else Reach(AGENCY, AGENCY, frozenset())
        attempt = Attempt(route, line, reach, Role.OPERATOR, world.elsewhere, world, person)
        method, path = (await attempt.filled(route)).split(" ")
        body = await attempt.filled(line.body)
        answers = []
        for key in (None, *keys):
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            response = await world.here.house.http.request(method, path, headers=headers, json=body)
            assert response.status_code == 401, f"{route}: {response.text}"
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="openberth"'
            answers.append((response.content, told_in_headers(response)))
        assert answers[1] == answers[2] == answers[3], route
    assert await world.here.rows() == before


@pytest.mark.parametrize("route", [route for route, line in EXPECTED.items() if line.public])
async def test_what_is_public_is_the_same_to_everybody(world: World, route: str) -> None:
    line = EXPECTED[route]
    for key in (None, "openberth_senseless", *(world.here.keys[AGENCY, role] for role in Role)):
        attempt = Attempt(route, line, Reach(AGENCY, AGENCY, frozenset()), Role.OPERATOR, world.elsewhere, world)
        asked, body, params = await attempt.prepare()
        method, path = asked.split(" ")
        sent = {"data": dict(line.form)} if line.form else {"json": body}
        headers = {"Origin": ORIGIN} | ({} if key is None else {"Authorization": f"Bearer {key}"})
        response = await world.here.house.http.request(method, path, params=params, headers=headers, **sent)
        assert response.status_code in line.answers, f"{route}: {response.text}"
        assert marks(response.text) & (world.here.marks | world.elsewhere.marks) == set(), response.text
