"""Asks the API, when all is done, how things stand; and asks many of the calls once more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from app.simulate.actor import Scene
from app.simulate.check import acknowledged
from app.simulate.city import dice
from app.simulate.client import Client, Unanswered
from app.simulate.facts import Claim
from app.simulate.journal import Asked, Final, Finding, Standing, Told

AT_ONCE = 8
ASKED_AGAIN = 500
"""How many calls are repeated at the end: they get the first answer, whatever has become of their claims."""
LOOKS = 5
"""How often an opening is looked at until its count and its claims agree."""

T = TypeVar("T")


class Unreadable(Exception):
    """The API won't say how things stand."""


async def _each(work: Callable[[T], Awaitable[None]], things: Iterable[T]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(thing: T) -> None:
        async with gate:
            await work(thing)

    await asyncio.gather(*(one(thing) for thing in things))


async def _read(client: Client, path: str, **params: Any) -> Any:
    answer = await client.get("final check", path, params)
    if not answer.done:
        raise Unreadable(f"GET {path} was answered {answer.status}: {answer.detail()}")
    return answer.json(), answer.received


async def _list(client: Client, opening_id: str) -> list[Claim]:
    claims: list[Claim] = []
    cursor: dict[str, str] = {}
    while True:
        page, _ = await _read(client, "/v1/claims", opening_id=opening_id, limit=200, **cursor)
        claims += [Claim.read(claim) for claim in page["items"]]
        if page["next"] is None:
            return claims
        if not page["items"] or cursor.get("cursor") == page["next"]:
            raise Unreadable(f"the list of the claims on opening {opening_id} never ends")
        cursor = {"cursor": page["next"]}


async def _standing(scene: Scene, client: Client, opening_id: str) -> Standing:
    """An opening and its claims, read again while they differ: a hold may lapse, or others claim, in between."""
    before, _ = await _read(client, f"/v1/openings/{opening_id}")
    for look in range(1, LOOKS + 1):
        claims = await _list(client, opening_id)
        after, received = await _read(client, f"/v1/openings/{opening_id}")
        standing = Standing(scene.journal.note_look(after, received), claims, before["units_taken"])
        if before["units_taken"] == standing.units_of_claims == after["units_taken"] or look == LOOKS:
            return standing
        before = after
    raise AssertionError("the last look returns")


async def _ask_again(scene: Scene, asked: Asked) -> None:
    body = {"participant": asked.participant, "items": asked.items}
    answer = await scene.worker.send("claim again", "POST", "/v1/claims", body, key=asked.key)
    asked.answers.append(Told(answer.status, answer.body))


async def collect(scene: Scene) -> Final:
    """How things stand at the end. What the API doesn't tell is noted among the findings."""
    final = Final()
    journal = scene.journal

    async def note(work: Awaitable[None]) -> None:
        try:
            await work
        except (Unanswered, Unreadable, KeyError, TypeError, ValueError) as error:
            journal.findings.append(Finding("the API tells how things stand", repr(error)))

    async def stand(opening_id: str) -> None:
        final.standings[opening_id] = await _standing(scene, scene.provider, opening_id)

    async def look_up(claim_id: str) -> None:
        answer = await scene.worker.get("final check", f"/v1/claims/{claim_id}")
        final.looked_up[claim_id] = Claim.read(answer.json()) if answer.done else None

    answered = [asked for asked in journal.asked if asked.answers]
    again = dice(scene.seed, "the end").sample(answered, k=min(ASKED_AGAIN, len(answered)))
    await _each(lambda asked: note(_ask_again(scene, asked)), again)
    claims = acknowledged(journal)
    opening_ids = dict.fromkeys(journal.openings)
    if scene.worker is scene.provider:
        # A find may have taken up others' openings; a manager sees all the claims there too, a provider none.
        opening_ids |= dict.fromkeys(claim.opening_id for claim in claims.values())
    await _each(lambda opening_id: note(stand(opening_id)), opening_ids)
    listed = {claim.id for standing in final.standings.values() for claim in standing.claims}
    await _each(lambda claim_id: note(look_up(claim_id)), [id for id in claims if id not in listed])
    return final
