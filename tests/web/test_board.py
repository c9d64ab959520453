"""The board without a browser: what its address says, who is claimed for, and what is told when somebody was first."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.roles import Role
from tests.browser import Browser, invited, joined
from tests.support import SEATTLE, House, Program
from tests.survivors import ONE_TIME_CODE, shelter

HTML = {"Accept": "text/html"}


async def worker(house: House, program: Program, role: Role = Role.CASE_MANAGER) -> Browser:
    """A browser in which a new person of this role is signed in."""
    browser = Browser(house)
    await joined(browser, program, role)
    return browser


async def sent(browser: Browser, path: str, fields: dict[str, Any], *, part: bool = False) -> Response:
    """A form of a page of ours, sent as a whole or by htmx."""
    headers = {"Origin": str(browser.http.base_url).rstrip("/")} | ({"HX-Request": "true"} if part else {})
    return await browser.http.post(path, data=fields, headers=headers)


async def claimed(
    browser: Browser, opening: dict[str, Any], query: str = "category=housing", **fields: Any
) -> Response:
    """The form of a card, sent by htmx under a new key unless one is given."""
    form = {"key": str(uuid4()), "opening": f"{opening['id']}.1"} | fields
    return await sent(browser, f"/board/claims?{query}", form, part=True)


async def count(program: Program, question: str) -> int:
    """What a count of the program's rows says."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        found: int = await session.scalar(text(question), {"id": program.id}) or 0
        return found


async def people(program: Program) -> int:
    """How many participants there are."""
    return await count(program, "SELECT count(*) FROM participants WHERE program_id = :id")


async def test_an_address_says_all_that_is_needed_and_is_written_back_short(house: House, program: Program) -> None:
    service = await program.service(latitude=47.6, longitude=-122.33, attributes={"pets": "yes", "couples": "yes"})
    opening = await program.opening(3, service=service, minimum_age=18, languages=["es"])
    await program.opening(3)
    browser = await worker(house, program)
    full = (
        "/board?category=housing&needs=pets&needs=couples&unit=&units=2&near=47.61234,-122.33456&within_km=5"
        "&age=30&household=&language=es"
    )
    shown = (await browser.get(full)).text
    assert shown.count('class="card opening"') == 1
    assert opening["id"] in shown
    # The filters of a claim are those of its card, and the place is coarse.
    short = "category=housing&amp;needs=pets&amp;needs=couples&amp;units=2&amp;near=47.61%2C-122.33&amp;within_km=5"
    assert f'action="/board/claims?{short}&amp;age=30&amp;language=es"' in shown
    # What must be known before going, and that what was asked for is there.
    for words in ("18 and older", "✓ Pets welcome", "Staff speak: Spanish"):
        assert words in shown, words


async def test_a_city_is_a_place_and_a_masked_one_is_none(house: House, program: Program) -> None:
    for city, masked in (("Ballard", False), ("Hidden Hollow", True)):
        place = {"organization_id": str(program.provider_id), "latitude": 47.67, "longitude": -122.38}
        location = await program.made("/v1/locations", place | {"city": city, "masked": masked})
        await program.opening(1, service=await program.service(location_id=location["id"]))
    browser = await worker(house, program)
    shown = (await browser.get("/board?near=ballard")).text
    assert '<option value="Ballard">' in shown
    assert "Hidden Hollow" not in shown
    assert "0 mi" in shown
    refused = await browser.get("/board?near=Nowhere")
    assert refused.status_code == 422
    assert "none of the cities here" in refused.text


@pytest.mark.parametrize(
    "query",
    ["category=castles", "needs=a_moat", "units=0", "units=x", "age=999", "with=x", "with=x.y", f"with={UUID(int=7)}.0",
     "near=91,0", "within_km=-1&near=47,-122", "household=hermit", "language=%00", "within_km=nan&near=1,1"],
)  # fmt: skip
async def test_an_address_that_makes_no_sense_is_told_so(house: House, program: Program, query: str) -> None:
    browser = await worker(house, program)
    assert (await browser.get(f"/board?{query}")).status_code == 422


async def test_someone_new_gets_a_code_once_however_often_the_form_is_sent(house: House, program: Program) -> None:
    opening = await program.opening(3)
    browser = await worker(house, program)
    form = {"key": str(uuid4()), "opening": f"{opening['id']}.1"}
    first = await sent(browser, "/board/claims?category=housing", form)
    again = await sent(browser, "/board/claims?category=housing", form)
    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    assert await people(program) == 1
    assert (await program.look(opening))["units_taken"] == 1
    told = (await browser.get(first.headers["location"])).text
    assert re.search(r"For [0-9A-Z]{4}-[0-9A-Z]{4}<", told)
    # The same key for another place is another request.
    other = await program.opening(1)
    reused = await sent(browser, "/board/claims?category=housing", form | {"opening": f"{other['id']}.1"})
    assert reused.status_code == 422
    assert (await program.look(other))["units_taken"] == 0


async def test_a_participants_code_is_in_no_address(house: House, program: Program) -> None:
    opening = await program.opening(2)
    code = await program.participant()
    browser = await worker(house, program)
    posted = await sent(browser, "/board?category=housing", {"code": code.lower()}, part=True)
    assert f"For {code}" in posted.text
    assert posted.headers["hx-replace-url"] == "/board?category=housing"
    addresses = re.findall(r'(?:action|href|hx-post|sse-connect)="([^"]*)"', posted.text)
    assert addresses
    assert not [address for address in addresses if code in address]
    assert not [each for each in posted.headers.get_list("set-cookie") if code in each]
    # An address that names one is not listened to.
    assert f"For {code}" not in (await browser.get(f"/board?participant={code}&code={code}")).text
    held = await claimed(browser, opening, participant=code)
    assert f"For {code}" in held.text
    assert await people(program) == 1
    # And is among those claimed for lately.
    assert f'name="participant" value="{code}" id=' in (await browser.get("/board")).text
    unknown = await sent(browser, "/board", {"code": "ZZZZ-ZZZZ"})
    assert "Nobody here has the code ZZZZ-ZZZZ" in unknown.text
    assert "For someone new" in unknown.text


async def test_the_loser_is_shown_what_else_meets_the_same_need(house: House, program: Program) -> None:
    pets = await program.service(attributes={"pets": "yes"})
    last = await program.opening(1, service=pets)
    better = await program.opening(1, service=pets)
    await program.opening(5)
    browser = await worker(house, program)
    await program.held(last)
    refused = await claimed(browser, last, "category=housing&needs=pets")
    assert refused.status_code == 409
    assert "Somebody was first" in refused.text
    # One that meets it all, and one that is known not to be sure of pets: it is claimed for that lesser need.
    assert f'name="opening" value="{better["id"]}.1"' in refused.text
    assert "Not confirmed: Pets welcome" in refused.text
    assert refused.text.count('action="/board/claims?category=housing&amp;needs=pets"') == 1
    unmet = "SELECT count(*) FROM unmet_needs WHERE program_id = :id AND filters -> 'needs' ? 'pets'"
    assert await count(program, unmet) == 1
    # What is claimed on a card keeps the need it was found for, so that a decline looks for the same.
    held = await claimed(browser, better, "category=housing&needs=pets")
    assert held.status_code == 200
    needs = "SELECT count(*) FROM claims WHERE program_id = :id AND need -> 'needs' ? 'pets'"
    assert await count(program, needs) == 1


async def test_a_page_without_scripts_shows_the_same_alternatives(house: House, program: Program) -> None:
    last, other = await program.opening(1), await program.opening(1)
    browser = await worker(house, program)
    await program.held(last)
    form = {"key": str(uuid4()), "opening": f"{last['id']}.1"}
    refused = await sent(browser, "/board/claims?category=housing", form)
    assert refused.status_code == 409
    assert "<!doctype html>" in refused.text
    assert "<h1>Somebody was first</h1>" in refused.text
    assert f'value="{other["id"]}.1"' in refused.text


async def test_a_bundle_is_held_whole_or_not_at_all(house: House, program: Program) -> None:
    bed = await program.opening(2)
    seat = await program.opening(1, service=await program.service("vocational"), unit="training_seat")
    browser = await worker(house, program)
    shown = (await browser.get(f"/board?category=vocational&with={bed['id']}.2&add={seat['id']}.1")).text
    assert "Added: 2" in shown
    dropped = (await browser.get(f"/board?with={bed['id']}.2&with={seat['id']}.1&drop={seat['id']}.1")).text
    assert "Added: 1" in dropped
    form = {"opening": [f"{bed['id']}.2", f"{seat['id']}.1"]}
    other = await program.held(seat)
    refused = await sent(browser, "/board/claims?category=housing", form | {"key": str(uuid4())}, part=True)
    assert refused.status_code == 409
    assert "Nothing of it is held" in refused.text
    assert (await program.look(bed))["units_taken"] == 0
    await program.step(other, "release")
    held = await sent(browser, "/board/claims?category=housing", form | {"key": str(uuid4())}, part=True)
    assert held.status_code == 200
    assert "All held" in held.text
    assert ((await program.look(bed))["units_taken"], (await program.look(seat))["units_taken"]) == (2, 1)


async def test_find_me_one_holds_the_best_that_fits(house: House, program: Program) -> None:
    far = await program.opening(1, service=await program.service(latitude=48.5, longitude=-122.33))
    near = await program.opening(1, service=await program.service(latitude=47.6, longitude=-122.33))
    browser = await worker(house, program)
    found = await sent(browser, f"/board/claims?category=housing&near={SEATTLE}", {"key": str(uuid4())}, part=True)
    assert found.status_code == 200
    assert ((await program.look(near))["units_taken"], (await program.look(far))["units_taken"]) == (1, 0)
    nothing = await sent(browser, "/board/claims?category=legal", {"key": str(uuid4())}, part=True)
    assert nothing.status_code == 409
    assert "Nothing like it is open now" in nothing.text


async def test_more_holds_than_the_program_allows_are_told_so(house: House, program: Program) -> None:
    read = await program.call("GET", "/v1/program")
    policy = read.json()["policy"] | {"max_active_holds": 1}
    changed = await program.call("PATCH", "/v1/program", json={"policy": policy}, headers={"If-Match": "*"})
    assert changed.status_code == 200, changed.text
    opening = await program.opening(3)
    browser = await worker(house, program)
    assert (await claimed(browser, opening)).status_code == 200
    refused = await claimed(browser, opening)
    assert refused.status_code == 409
    assert refused.headers["hx-retarget"] == "#notices"
    assert "as many places as your program allows" in refused.text


async def test_a_safe_house_is_shown_as_the_api_shows_it_and_claimed_for_nobody(house: House, program: Program) -> None:
    organization = await program.made("/v1/organizations", {"name": "A refuge", "serves_survivors": True})
    owner = {"organization_id": organization["id"]}
    place = {"latitude": 47.6, "longitude": -122.33, "city": "Hidden Hollow"}
    location = await program.made("/v1/locations", owner | place)
    facts = {"location_id": location["id"], "attributes": {"survivors": "yes"}}
    refuge = await program.opening(5, service=await program.service(**owner, **facts))
    browser = await worker(house, program)
    listed = (await program.call("GET", f"/v1/openings?category=housing&near={SEATTLE}")).json()["items"]
    assert [(each["id"], each["city"], each["why"]["distance_km"]) for each in listed] == [(refuge["id"], None, None)]
    shown = (await browser.get(f"/board?near={SEATTLE}")).text
    card = shown[shown.index('class="card opening"') : shown.index("</form>", shown.index('class="card opening"'))]
    assert "Safe house" in card
    assert " mi<" not in card
    assert "Hidden Hollow" not in shown
    # Nobody who did not ask for one is sent there by "find me one": it is offered, as what it is.
    unasked = await sent(browser, "/board/claims?category=housing", {"key": str(uuid4())}, part=True)
    assert not ONE_TIME_CODE.search(unasked.text)
    assert "Safe house" in unasked.text
    whole = await sent(browser, "/board/claims?category=housing", {"key": str(uuid4())})
    assert "<h1>No place is held</h1>" in whole.text, "and nobody was first"
    before = await people(program)
    for response in (
        await claimed(browser, refuge),
        await sent(browser, "/board/claims?category=housing&needs=survivors", {"key": str(uuid4())}, part=True),
        await claimed(browser, refuge, participant=await program.participant()),
    ):
        assert response.status_code == 200
        assert ONE_TIME_CODE.search(response.text)
        assert "More for" not in response.text
    assert await people(program) == before + 1


async def test_survivors_staff_name_nobody(house: House, program: Program) -> None:
    refuge = await shelter(program)
    opening = await program.opening(2)
    browser = Browser(house)
    person = await invited(program, Role.CASE_MANAGER, organization_id=refuge["organization_id"])
    await browser.done("/v1/invitations/accept/password", {"token": person.token, "password": person.password})
    shown = (await browser.get("/board")).text
    assert 'id="whom"' not in shown
    held = await claimed(browser, opening)
    assert held.status_code == 200
    assert ONE_TIME_CODE.search(held.text)
    code = await program.participant()
    named = await claimed(browser, opening, participant=code)
    assert named.status_code == 422
    assert await people(program) == 1
    assert code not in (await sent(browser, "/board", {"participant": code})).text


async def test_a_watch_is_on_once_and_ends_by_a_press(house: House, program: Program) -> None:
    browser = await worker(house, program)
    query = "category=legal&needs=peer_staff"
    shown = (await browser.get(f"/board?{query}")).text
    assert "Nothing fits right now." in shown
    assert "nobody comes before another" in shown
    for _ in range(2):
        assert (await sent(browser, f"/board/watches?{query}", {})).headers["location"] == f"/board?{query}"
    shown = (await browser.get(f"/board?{query}")).text
    [watch_id] = re.findall(r'data-watch="([^"]+)"', shown)
    assert "Tell me when one appears" not in shown
    ended = await sent(browser, f"/board/watches/{watch_id}/end?{query}", {}, part=True)
    assert "Watching" not in ended.text
    assert "Tell me when one appears" in ended.text


@pytest.mark.parametrize("role", [Role.PROVIDER, Role.OFFICER, Role.EVALUATOR])
async def test_the_board_is_for_whoever_claims(house: House, program: Program, role: Role) -> None:
    browser = await worker(house, program, role)
    assert (await browser.get("/board")).status_code == 403
    assert (await browser.get("/board/live?resume_after=0")).status_code == 403
    assert (await sent(browser, "/board/claims", {"key": str(uuid4())})).status_code == 403
    assert (await sent(browser, "/board/watches", {})).status_code == 403
    assert (await Browser(house).get("/board")).headers["location"].startswith("/sign-in")
