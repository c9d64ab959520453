"""Guessing gets slower and slower for whoever guesses, and for nobody else."""

import asyncio

import pytest
from sqlalchemy import text

from tests.browser import Browser, Known, joined
from tests.support import House, Program


@pytest.fixture
async def person(house: House, program: Program) -> Known:
    return await joined(Browser(house), program)


async def guess(browser: Browser, person: Known, times: int) -> list[int]:
    """The statuses of so many wrong passwords."""
    return [(await browser.sign_in(person, "not the right words")).status_code for _ in range(times)]


async def barred(browser: Browser, person: Known) -> None:
    """Let this browser guess until it must wait, and make the wait a minute longer: tests may be slow."""
    assert await guess(browser, person, 5) == [401] * 5
    async with person.program.house.owner.transaction(None, "tests") as session:
        longer = "UPDATE sign_in_failures SET barred_until = barred_until + interval '1 min' WHERE failures >= 5"
        await session.execute(text(longer))
    assert (await browser.sign_in(person)).status_code == 429


async def test_after_five_failures_the_guesser_waits_and_longer_each_time(house: House, person: Known) -> None:
    browser = Browser(house)
    assert await guess(browser, person, 5) == [401] * 5
    refused = await browser.sign_in(person, "not the right words")
    assert refused.status_code == 429
    first = int(refused.headers["retry-after"])
    assert first == 1
    await asyncio.sleep(first + 0.1)
    assert await guess(browser, person, 1) == [401]
    assert int((await browser.sign_in(person)).headers["retry-after"]) == 2


async def test_an_unknown_account_slows_down_the_same(house: House, person: Known) -> None:
    await barred(Browser(house), person)
    person.email = f"no-{person.email}"
    await barred(Browser(house), person)


async def test_guesses_made_at_once_are_counted_too(house: House, person: Known) -> None:
    browser = Browser(house)
    answers = await asyncio.gather(*(browser.sign_in(person, "not the right words") for _ in range(20)))
    statuses = [answer.status_code for answer in answers]
    # Five, and one more for each time that a wait ran out meanwhile: 1 s, 2 s, 4 s.
    assert 5 <= statuses.count(401) <= 8
    assert set(statuses) == {401, 429}


async def test_a_stranger_can_not_lock_anyone_out(house: House, person: Known) -> None:
    await barred(Browser(house), person)
    assert (await Browser(house).sign_in(person)).status_code == 200


async def test_not_even_from_the_same_address_where_the_browser_is_known(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    await browser.done("/v1/sign-out")
    await barred(Browser(house, browser.address), person)
    assert (await Browser(house, browser.address).sign_in(person)).status_code == 429
    assert (await browser.sign_in(person)).status_code == 200


async def test_a_known_browser_has_a_count_of_its_own_and_no_endless_guesses(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    await barred(browser, person)
    assert (await Browser(house).sign_in(person)).status_code == 200


async def test_a_device_cookie_of_another_person_is_none(house: House, program: Program, person: Known) -> None:
    browser = Browser(house)
    await joined(browser, program)
    await barred(Browser(house, browser.address), person)
    assert (await browser.sign_in(person)).status_code == 429


async def test_success_ends_the_count_of_the_account_not_of_the_address(house: House, person: Known) -> None:
    browser = Browser(house)
    await guess(browser, person, 4)
    assert (await Browser(house, browser.address).sign_in(person)).status_code == 200
    assert await guess(Browser(house, browser.address), person, 4) == [401] * 4


async def test_one_address_at_many_accounts_waits_too(house: House, person: Known) -> None:
    browser = Browser(house)
    email = person.email

    async def at(n: int) -> int:
        stranger = Known(person.program, person.slug, "", f"{n}-{email}", "")
        return (await browser.sign_in(stranger, "not the right words")).status_code

    statuses = [status for ten in range(0, 60, 10) for status in await asyncio.gather(*map(at, range(ten, ten + 10)))]
    assert statuses[:50] == [401] * 50
    # A second later one more is let through, and then two seconds later.
    assert statuses[50:].count(429) >= 5
