"""Which way a policy moved: every change of it told as loosened, tightened or neutral.

A table says of each number and each list which way is looser. What stands in no table, and what has no
direction, counts as loosened: somebody should look at it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from fairmark.params.policy import Findings

Entry = Mapping[str, object]
"""One limit, waiver or exception, as YAML gives it."""
Way = Literal["loosened", "tightened", "neutral"]
LOOSENED: Way = "loosened"
TIGHTENED: Way = "tightened"
NEUTRAL: Way = "neutral"

SERVED = ("serve", "watch")
SECTIONS = ("policy", "release", "privacy", *SERVED)

UNSET_IS_LOOSE = {
    *(f"policy.findings.{name}" for name in Findings.model_fields),
    "policy.alternatives.gain",
    "serve.canary.group_margin",
    "serve.canary.outcomes_from",
}
"""Numbers whose null lets everything through."""
LOOSER_UP = {
    "policy.level",
    "policy.budget.first",
    "privacy.decisions_shown",
    "privacy.retention.data_days",
    "serve.oversight.review_days",
    "serve.oversight.contest_days",
    *(f"serve.limits.{name}" for name in ("body_bytes", "rows", "depth", "number_length", "requests")),
    "serve.journal.segment",
    "serve.journal.days",
    *(f"serve.canary.{name}" for name in ("level", "harm", "quality_margin", "fault_rate", "latency_ms")),
    "serve.canary.silent_minutes",
    *(f"watch.{name}" for name in ("run_length", "least_rows", "harm", "window_days", "outcome_days")),
    "watch.cool_down_days",
    "watch.open_candidates",
    *UNSET_IS_LOOSE,
}
"""More is looser."""
LOOSER_DOWN = {
    "policy.constant_answer.at_least",
    "policy.alternatives.loss",
    "policy.min_group_rows",
    "release.approvals.plain",
    "release.approvals.waived",
    "privacy.smallest_leaf",
    "privacy.smallest_cell",
    "serve.oversight.refer.confidence_below",
    "serve.oversight.sparse_rows",
    "serve.oversight.overturn_days",
    "serve.reasons",
    "serve.limits.seconds",
    *(f"serve.canary.{name}" for name in ("shadow", "least", "hold", "latency_share")),
    "watch.label_sample.share",
}
"""Less is looser."""
LOOSER_FALSE = {
    *(f"serve.oversight.refer.{name}" for name in ("adverse", "unknown_category", "out_of_range", "sparse")),
    "serve.canary.wait_for_outcomes",
}
"""Switches: no is looser."""
LOOSER_LONG = {"policy.protected_at_prediction"}
"""Lists of what is allowed: an entry more is looser."""
LOOSER_SHORT = {
    "release.licences.forbidden",
    "privacy.personal",
    "policy.constant_answer.measures",
    *(f"watch.alarms.{name}" for name in ("inputs", "scores", "fairness", "quality", "operation")),
}
"""Lists of what is refused or guarded: an entry less is looser."""
LOOSER_WORD = {
    "policy.correction": "intersection-union",
    "policy.bounds.losses": "gaffke",
    "policy.bounds.auc": "placements",
    "policy.bounds.rates": "gaffke",
    "release.licences.unknown": "allow",
    "watch.labels": "all",
}
"""Of two words, the looser one."""
MODE = "serve.oversight.mode"
MODES = ("in_the_loop", "in_command", "on_the_loop")
"""The modes of human oversight, the one that leaves the least to the model first."""
WORDS = {
    "policy.goal",
    "policy.price",
    "release.governance",
    "release.environmental_cost",
    "serve.contact",
    "watch.label_sample.how",
}
"""What is said, and decides nothing; taken away, it is missed."""
NAMED = {"policy.limits", "release.licences.exceptions"}
OVERLAYS = "policy.overlays"
WAIVING = {"policy.waivers": "waiver", "policy.overrides": "override"}


@dataclass(frozen=True)
class Change:
    """One change: where, which way, in words; and whether it waives something or names an approver.

    `heavy` changes take as many approvals as a waived verdict does.
    """

    where: str
    way: Way
    text: str
    heavy: bool = False

    def line(self) -> str:
        """Return the change as one line for a person."""
        return f"{self.way:9} {self.where}: {self.text}"


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
    """Return every change between two sets of sections, plain values as YAML gives them.

    They may be of an earlier version of fairmark, whose sections have other keys: no class reads them.
    """
    every: list[Change] = []
    for section in SECTIONS:
        every += _mapping(section, before.get(section), after.get(section))
    return every


def _mapping(where: str, old: object, new: object) -> Iterator[Change]:
    if not isinstance(old, Mapping | None) or not isinstance(new, Mapping | None):
        yield from _value(where, old, new)
        return
    old, new = old or {}, new or {}
    for key in dict.fromkeys([*old, *new]):
        place = f"{where}.{key}"
        if place == OVERLAYS and _are_entries(old.get(key)) and _are_entries(new.get(key)):
            yield from _overlays(old, new)
        elif place in WORDS:
            yield from _wording(place, old.get(key), new.get(key))
        elif place in NAMED | WAIVING.keys() and _are_entries(old.get(key)) and _are_entries(new.get(key)):
            before, after = _entries(old.get(key)), _entries(new.get(key))
            if place in NAMED:
                yield from _named(place, before, after, limits=place == "policy.limits")
            else:
                yield from _waiving(place, WAIVING[place], before, after)
        elif isinstance(old.get(key), Mapping) or isinstance(new.get(key), Mapping):
            yield from _mapping(place, old.get(key), new.get(key))
        else:
            yield from _value(place, old.get(key), new.get(key), first=key not in old)


def _value(where: str, old: object, new: object, *, first: bool = False) -> Iterator[Change]:
    if old == new:
        return
    if where in LOOSER_LONG | LOOSER_SHORT and isinstance(old, list | None) and isinstance(new, list | None):
        yield from _list(where, _texts(old), _texts(new))
        return
    text = f"{_short(old)} to {_short(new)}"
    if first:
        yield Change(where, NEUTRAL, f"set for the first time, to {_short(new)}")
    elif where in LOOSER_WORD:
        yield Change(where, LOOSENED if new == LOOSER_WORD[where] else TIGHTENED, text)
    elif (way := _switched(where, old, new)) is not None:
        yield Change(where, way, text)
    elif where in UNSET_IS_LOOSE and None in (old, new):
        yield Change(where, LOOSENED if new is None else TIGHTENED, text)
    elif where == "policy.constant_answer.not_required" and None in (old, new):
        yield Change(where, TIGHTENED if new is None else LOOSENED, text)
    elif where in LOOSER_UP | LOOSER_DOWN and _is_number(old) and _is_number(new):
        looser = new > old if where in LOOSER_UP else new < old
        yield Change(where, LOOSENED if looser else TIGHTENED, text)
    elif where in ("privacy.retention.releases_days", "privacy.retention.trail_days"):
        # Longer keeps what is personal in them, shorter loses evidence: neither way is the safe one.
        yield Change(where, LOOSENED, text)
    else:
        # Fail closed: a key that nobody has sorted needs the approvals of a loosening.
        yield Change(where, LOOSENED, f"{text} (its direction is not known)")


def _switched(where: str, old: object, new: object) -> Way | None:
    """Return the way of a switch or of the mode of oversight; None for what is neither."""
    if where in LOOSER_FALSE and isinstance(old, bool) and isinstance(new, bool):
        return TIGHTENED if new else LOOSENED
    if where == MODE and old in MODES and new in MODES:
        return LOOSENED if MODES.index(new) > MODES.index(old) else TIGHTENED
    return None


def _wording(where: str, old: object, new: object) -> Iterator[Change]:
    if old != new:
        gone = new is None and old is not None
        yield Change(where, LOOSENED if gone else NEUTRAL, "taken away" if gone else "said otherwise")


def _list(where: str, old: set[str], new: set[str]) -> Iterator[Change]:
    for entry in sorted(old - new):
        yield Change(where, LOOSENED if where in LOOSER_SHORT else TIGHTENED, f"{entry} is taken out")
    for entry in sorted(new - old):
        yield Change(where, LOOSENED if where in LOOSER_LONG else TIGHTENED, f"{entry} is put in")


def _named(where: str, old: Sequence[Entry], new: Sequence[Entry], *, limits: bool) -> Iterator[Change]:
    """Compare two lists of named entries: limits, or the licence exceptions."""
    was, now = ({str(each["name"]): each for each in entries} for entries in (old, new))
    for name in sorted(set(was) - set(now)):
        yield Change(f"{where}.{name}", LOOSENED if limits else TIGHTENED, "taken out")
    for name in sorted(set(now) - set(was)):
        yield Change(f"{where}.{name}", _added(now[name]) if limits else LOOSENED, "put in")
    for name in sorted(set(was) & set(now)):
        if limits:
            yield from _limit(f"{where}.{name}", was[name], now[name])
        elif was[name] != now[name]:
            yield Change(f"{where}.{name}", NEUTRAL, "another reason")


def _overlays(old: Entry, new: Entry) -> Iterator[Change]:
    """Compare the overlays of two policies: what each asks with the limits that it has not of its own."""
    was, now = ({str(each["name"]): each for each in _entries(of.get("overlays"))} for of in (old, new))
    for name in sorted(was.keys() - now.keys()):
        yield Change(f"{OVERLAYS}.{name}", LOOSENED, "taken out")
    for name in sorted(now.keys() - was.keys()):
        yield Change(f"{OVERLAYS}.{name}", TIGHTENED, "put in")
        for key, kind in WAIVING.items():
            own = key.removeprefix("policy.")
            yield from _waiving(f"{OVERLAYS}.{name}.{own}", kind, [], _entries(now[name].get(own)))
    for name in sorted(was.keys() & now.keys()):
        yield from _overlay(f"{OVERLAYS}.{name}", (old, was[name]), (new, now[name]))


def _overlay(where: str, before: tuple[Entry, Entry], after: tuple[Entry, Entry]) -> Iterator[Change]:
    (old_policy, old), (policy, new) = before, after
    for key in dict.fromkeys([*old, *new]):
        place, was, now = f"{where}.{key}", old.get(key), new.get(key)
        if key == "limits":
            own = {str(one["name"]) for each in (was, now) for one in _entries(each)}
            yield from _named(place, _under(old_policy, was, own), _under(policy, now, own), limits=True)
        elif f"policy.{key}" in WAIVING:
            yield from _waiving(place, WAIVING[f"policy.{key}"], _entries(was), _entries(now))
        elif was == now:
            continue
        elif key == "must_pass":
            yield Change(place, TIGHTENED if now is True else LOOSENED, f"{_short(was)} to {_short(now)}")
        elif key == "jurisdiction":
            yield Change(place, NEUTRAL, "said otherwise")
        elif key == "stages":
            gone = _texts(was) - _texts(now)
            yield Change(place, LOOSENED if gone else TIGHTENED, f"{_short(was)} to {_short(now)}")
        elif key == "level" and _is_number(was) and _is_number(now):
            yield Change(place, LOOSENED if now > was else TIGHTENED, f"{_short(was)} to {_short(now)}")
        else:
            yield Change(place, LOOSENED, f"{_short(was)} to {_short(now)}")


def _under(policy: Entry, limits: object, names: set[str]) -> list[Entry]:
    """Return what an overlay asks by these names: its own limit, or else that of the default policy."""
    every = {str(each["name"]): each for each in _entries(policy.get("limits"))}
    every |= {str(each["name"]): each for each in _entries(limits)}
    return [each for name, each in every.items() if name in names]


def _added(limit: Entry) -> Way:
    return TIGHTENED if limit.get("gate") is True else NEUTRAL


def _limit(where: str, old: Entry, new: Entry) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        text = f"{_short(was)} to {_short(now)}"
        place = f"{where}.{key}"
        if key == "reason":
            yield Change(place, NEUTRAL, "another reason")
        elif key == "law":
            yield _law(place, was, now)
        elif key == "gate":
            yield Change(place, TIGHTENED if now is True else LOOSENED, text)
        elif key in ("at_least", "at_most") and _is_number(was) and _is_number(now):
            yield Change(place, LOOSENED if (now > was) == (key == "at_most") else TIGHTENED, text)
        else:
            yield Change(place, LOOSENED, f"{text} (another limit under the same name)")


def _law(where: str, old: object, new: object) -> Change:
    """Return the change of what a limit cites: another day corrects it, a longer term is looser."""
    was, now = (each.get("term_days") if isinstance(each, Mapping) else None for each in (old, new))
    gone = new is None or (was is not None and now is None)
    longer = _is_number(was) and _is_number(now) and now > was
    text = "taken away" if gone else "a longer term" if longer else "cited otherwise"
    return Change(where, LOOSENED if gone or longer else NEUTRAL, text)


def _waiving(where: str, kind: str, old: Sequence[Entry], new: Sequence[Entry]) -> Iterator[Change]:
    """Compare waivers or overrides: looser is what no earlier one covers in limit, groups and days."""
    for each in new:
        if each in old:
            continue
        # What an earlier one covers waives nothing new, unless another person stands for it.
        within = [one for one in old if _covers(one, each)]
        if any(one.get("decided_by") == each.get("decided_by") for one in within):
            yield Change(
                where, TIGHTENED, f"{kind} of {_scope(each)} reaches less far, or gives another reason"
            )
        elif within:
            yield Change(
                where, LOOSENED, f"{kind} of {_scope(each)} is another person's decision", heavy=True
            )
        elif any(_same_scope(one, each) for one in old):
            yield Change(where, LOOSENED, f"{kind} of {_scope(each)} is extended", heavy=True)
        else:
            yield Change(where, LOOSENED, f"{kind} of {_scope(each)} is added", heavy=True)
    for one in old:
        if one not in new and not any(_covers(one, each) or _same_scope(one, each) for each in new):
            yield Change(where, TIGHTENED, f"{kind} of {_scope(one)} is taken out")


def _covers(old: Entry, new: Entry) -> bool:
    groups = old.get("groups") is None or (
        new.get("groups") is not None and _texts(new["groups"]) <= _texts(old["groups"])
    )
    days = _day(old, "decided") <= _day(new, "decided") and _day(new, "expires") <= _day(old, "expires")
    bounded = old.get("up_to") in (None, new.get("up_to"))
    due = old.get("due") is None or (new.get("due") is not None and _day(new, "due") <= _day(old, "due"))
    return old.get("limit") == new.get("limit") and groups and days and bounded and due


def _same_scope(old: Entry, new: Entry) -> bool:
    return old.get("limit") == new.get("limit") and old.get("groups") == new.get("groups")


def _scope(each: Entry) -> str:
    named = each.get("groups")
    groups = f" ({', '.join(map(str, named))})" if isinstance(named, list) and named else ""
    return f"{each.get('limit')}{groups} by {each.get('decided_by')} until {each.get('expires')}"


def _day(each: Entry, key: str) -> dt.date:
    return dt.date.fromisoformat(str(each[key]))


def _are_entries(value: object) -> bool:
    """Return whether a value is a list of mappings, or not given; a change of any other is not known."""
    return value is None or (isinstance(value, list) and all(isinstance(each, Mapping) for each in value))


def _entries(value: object) -> list[Entry]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> set[str]:
    return set(map(str, value)) if isinstance(value, list) else set()


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
