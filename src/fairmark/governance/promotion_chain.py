"""The chain of a name's promotions: each names the one before it, over all stages; and what each stage holds.

A break tells a tag that was deleted, rewritten or forked; that the newest tags were taken away shows in the
audit trail alone (`history_check`).
"""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

from fairmark.governance.promotion_tags import ROLLBACK, Promotion, Refs
from fairmark.repo.machine import SKEW


def breaks(found: Refs) -> list[str]:
    """Return each break of the chain: a tag that is missing, rewritten, forked or out of order."""
    faults = list(found.faults)
    by_number: dict[int, list[Promotion]] = {}
    for each in found.promotions:
        by_number.setdefault(each.number, []).append(each)
    for number, same in sorted(by_number.items()):
        if len(same) > 1:
            forks = " and ".join(each.tag for each in same)
            faults.append(f"number {number}: must be one tag's, got {forks} (a fork: two went on from one)")
        for each in same:
            faults += _link(each, by_number.get(number - 1, []))
    numbers = set(range(1, max(by_number, default=0) + 1))
    faults += [
        f"number {number}: must be there, got no tag of it (deleted, or not fetched)"
        for number in sorted(numbers - set(by_number))
    ]
    return faults


def backwards(promotions: Sequence[Promotion]) -> list[str]:
    """Return each promotion whose own clock is before that of the one it follows."""
    return [
        f"{after.tag} says {after.seen.when:%Y-%m-%d %H:%M:%S}, before {before.tag}, which it follows"
        for before, after in pairwise(promotions)
        if after.seen.when < before.seen.when
    ]


def ahead(promotions: Sequence[Promotion], now: dt.datetime) -> list[str]:
    """Return each promotion that is dated after `now`: none could follow it until then."""
    return [
        f"{each.tag}: must be of a day that has come, got {each.seen.when:%Y-%m-%d %H:%M:%S} at "
        f"{now:%Y-%m-%d %H:%M:%S} (set this clock; or, if that one was wrong, take back this tag and those "
        f"after it, here and on every remote, and promote again: git tag -d '{each.tag}')"
        for each in promotions
        if each.seen.when > now + SKEW
    ]


def now_in(promotions: Sequence[Promotion], stage: str) -> Promotion | None:
    """Return the last promotion to a stage: it says what is there."""
    return next((each for each in reversed(promotions) if each.stage == stage), None)


def stages(promotions: Sequence[Promotion]) -> dict[str, Promotion]:
    """Return what is in each stage, by the stage's name."""
    return dict(sorted({each.stage: each for each in promotions}.items()))


def before_present(promotions: Sequence[Promotion], stage: str) -> list[str]:
    """Return the versions that a stage would go back to, the nearest last, without the present one.

    A rollback takes away what it went back over: after v1, v2, v3 and a rollback to v2 the next one goes to
    v1, not to the v3 that was left.
    """
    kept: list[str] = []
    for each in promotions:
        if each.stage != stage:
            continue
        if each.action == ROLLBACK and each.version in kept:
            kept = kept[: kept.index(each.version)]
        kept = [version for version in kept if version != each.version] + [each.version]
    return kept[:-1]


def _link(each: Promotion, before: Sequence[Promotion]) -> list[str]:
    if each.number == 1:
        return [] if each.previous is None else [f"{each.tag}: must follow none, got one after another"]
    if each.previous is None:
        return [f"{each.tag}: must name the tag before it, got none"]
    name, hash_ = each.previous
    same = next((one for one in before if one.tag == name), None)
    if same is None:
        return [
            f"{each.tag}: must follow number {each.number - 1}, got one after {name} (deleted or reordered)"
        ]
    if same.seen.hash != hash_:
        return [f"{each.tag}: must follow {name} as it was ({hash_[:12]}), got one rewritten since"]
    return []
