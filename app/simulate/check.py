"""Checks the claims of a run against what the API says at the end: none lost, none twice, none half."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from app.simulate.facts import Claim, may_become
from app.simulate.journal import Asked, Final, Finding, Journal

KEPT = "nothing acknowledged is lost"
ONCE = "a claim is made once"
WHOLE = "a bundle is whole or nothing"
SAME = "the same key gets the same answer"
NO_LAG = "a lapsed hold is never confirmed"


def _bundle(asked: Asked) -> tuple[str, list[Claim]] | None:
    """The bundle that a call was answered with; None when it was refused, or the answer can't be read.

    (Whoever got an answer that can't be read has noted that.)
    """
    if not asked.answers or asked.answers[0].status != 201:
        return None
    try:
        answer = json.loads(asked.answers[0].body)
        return str(answer["bundle_id"]), [Claim.read(claim) for claim in answer["claims"]]
    except (KeyError, TypeError, ValueError):
        return None


def acknowledged(journal: Journal) -> dict[str, Claim]:
    """Every claim that an answer acknowledged, as it did first."""
    claims = [*journal.given]
    for asked in journal.asked:
        if (bundle := _bundle(asked)) is not None:
            claims += bundle[1]
    return {claim.id: claim for claim in claims}


def check_claims(journal: Journal, final: Final) -> Iterator[Finding]:
    """Every finding about claims."""
    acked = acknowledged(journal)
    known = {claim.id: claim for standing in final.standings.values() for claim in standing.claims}
    known |= {id: claim for id, claim in final.looked_up.items() if claim is not None}
    yield from same_answers(journal)
    yield from whole_answers(journal)
    yield from kept(journal, acked, known)
    yield from whole_bundles(acked, known)
    yield from made_once(journal, final, acked, known)
    yield from replaced_once(known)


def same_answers(journal: Journal) -> Iterator[Finding]:
    """The same key and body got the same bytes each time."""
    for asked in journal.asked:
        for nr, told in enumerate(asked.answers[1:], 2):
            if told != asked.answers[0]:
                first = asked.answers[0]
                yield Finding(
                    SAME,
                    f"{asked.key}: first {first.status} {first.body[:200]!r}, answer {nr} was"
                    f" {told.status} {told.body[:200]!r}",
                )


def whole_answers(journal: Journal) -> Iterator[Finding]:
    """Each 201 holds what was asked for: a claim for each item, in one bundle that no other call was given."""
    bundles: dict[str, str] = {}
    for asked in journal.asked:
        if (bundle := _bundle(asked)) is None:
            continue
        bundle_id, claims = bundle
        if len(claims) != len(asked.items) or {claim.bundle_id for claim in claims} != {bundle_id}:
            shown = f"{asked.key} asked for {len(asked.items)} things and was answered with {asked.answers[0].body!r}"
            yield Finding(WHOLE, shown)
            continue
        for item, claim in zip(asked.items, claims, strict=True):
            if wrong := _amiss(item, claim, asked.participant):
                yield Finding(WHOLE, f"{asked.key}: claim {claim.id} has another {wrong} than was asked for")
        first = bundles.setdefault(bundle_id, asked.key)
        if first != asked.key:
            yield Finding(ONCE, f"{first} and {asked.key} were both answered with bundle {bundle_id}")


def _amiss(item: dict[str, Any], claim: Claim, participant: str | None) -> str | None:
    """Which part of a claim isn't what the item asked for. One that names nobody must be anonymous, any other may."""
    find = item.get("find", {})
    asked = {
        "participant": claim.participant if claim.anonymous else participant,
        "state": "held",
        "units": find.get("units", item.get("units", 1)),
        "opening_id": item.get("opening_id", claim.opening_id),
        "category": find.get("category", claim.category),
        "unit": find.get("unit", claim.unit),
    }
    return next((name for name, value in asked.items() if getattr(claim, name) != value), None)


def kept(journal: Journal, acked: dict[str, Claim], known: dict[str, Claim]) -> Iterator[Finding]:
    """Every acknowledged claim is still there, as it was or further on in its life."""
    for claim in acked.values():
        if claim.id not in known:
            yield Finding(KEPT, f"claim {claim.id} on opening {claim.opening_id} was acknowledged, and is gone")
    for claim in (*acked.values(), *journal.seen):
        if (now := known.get(claim.id)) is not None and (wrong := _undone(claim, now)):
            yield Finding(KEPT, f"claim {claim.id} was answered as {claim}, and {wrong}: {now}")
    for claim in known.values():
        if claim.confirmed_at is not None and claim.confirmed_at >= claim.hold_until:
            yield Finding(NO_LAG, f"claim {claim.id} was confirmed after its hold had lapsed: {claim}")


def _undone(before: Claim, now: Claim) -> str | None:
    """What of an acknowledged answer no longer holds."""
    if before.identity != now.identity:
        return "its opening, units, bundle, participant or time has changed"
    if not may_become(before.state, now.state):
        return f"it can't have become {now.state}"
    if now.hold_until < before.hold_until:
        return "its hold was cut short"
    for name in ("confirmed_at", "arrived_at", "ended_at"):
        stamp = getattr(before, name)
        if stamp is not None and stamp != getattr(now, name):
            return f"its {name} has changed"
    return None


def whole_bundles(acked: dict[str, Claim], known: dict[str, Claim]) -> Iterator[Finding]:
    """No bundle is there in part."""
    bundles: dict[str, list[Claim]] = defaultdict(list)
    for claim in acked.values():
        if claim.replaces_id is None:
            bundles[claim.bundle_id].append(claim)
    for bundle_id, claims in bundles.items():
        there = [claim for claim in claims if claim.id in known]
        if there and len(there) < len(claims):
            yield Finding(WHOLE, f"of bundle {bundle_id} only {len(there)} of {len(claims)} claims are there")


def made_once(journal: Journal, final: Final, acked: dict[str, Claim], known: dict[str, Claim]) -> Iterator[Finding]:
    """No claim for one of our people exists that no answer acknowledged, and none is listed twice.

    Others may be using the market too: a claim for somebody else's participant is none of ours to judge.
    """
    for claim in known.values():
        if claim.id not in acked and claim.replaces_id is None and claim.participant in journal.participants:
            yield Finding(ONCE, f"claim {claim.id} exists, but no call was answered with it: {claim}")
    times = Counter(claim.id for standing in final.standings.values() for claim in standing.claims)
    for claim_id, count in times.items():
        if count > 1:
            yield Finding(ONCE, f"claim {claim_id} is listed {count} times")


def replaced_once(known: dict[str, Claim]) -> Iterator[Finding]:
    """A claim in place of another belongs to one that was declined, and is the only one in its place."""
    replacing: dict[str, list[Claim]] = defaultdict(list)
    for claim in known.values():
        if claim.replaces_id is not None:
            replacing[claim.replaces_id].append(claim)
    for claim_id, claims in replacing.items():
        if len(claims) > 1:
            yield Finding(ONCE, f"declined claim {claim_id} was replaced {len(claims)} times")
        if (declined := known.get(claim_id)) is None:
            continue
        for claim in claims:
            same = (claim.bundle_id, claim.participant, claim.units)
            if declined.state != "declined" or same != (declined.bundle_id, declined.participant, declined.units):
                yield Finding(ONCE, f"claim {claim.id} can't stand in for {claim_id}: {claim} for {declined}")
