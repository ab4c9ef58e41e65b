"""What a commit changes for whoever reviews it: verdict, limits, measures and policy, as Markdown.

Both sides are judged anew from the measurements that git holds, each by its own policy on the same day, so
that neither needs a release, DVC's cache or the raw data. What the base has in another shape is named as not
comparable, and never taken for unchanged.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError, StateError
from fairmark.files import content
from fairmark.governance.policy_base import commit_of
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Measurements, read_measurements
from fairmark.judge.policy_diff import Change, changes
from fairmark.judge.verdict import Finding, Verdict, decisive, judge
from fairmark.params.parse import typed
from fairmark.params.policy import Policy
from fairmark.repo.commit import committed_file
from fairmark.repo.untrusted import strict_json, strict_yaml, text_of
from fairmark.report.labels import count, measured, number
from fairmark.stats.measures import COMPARED, MEASURED
from fairmark.stats.measures import label as title
from fairmark.terminal import plain

PARAMS, MEASUREMENTS = "params.yaml", "artifacts/evaluate/measurements.json"
DECIMALS = 3
LONGEST = 200
"""Characters of one cell; a comment of GitHub holds 65,536."""
ABSENT = "none"

ACTED_ON = frozenset(r"\`*_[]<>#!|@&~:")
"""What Markdown, HTML or a forge (mentions, references, addresses) would act on."""


@dataclass(frozen=True)
class Side:
    """One of the two commits: its sections, and what was measured and judged there, or why not."""

    name: str
    sections: Mapping[str, Any]
    measurements: Measurements | None
    verdict: Verdict | None
    why: str

    @property
    def state(self) -> str:
        """The verdict's word, or why there is none."""
        return self.why if self.verdict is None else self.verdict.state

    def finding(self, limit: str) -> Finding | None:
        """Return the comparison that decides a limit, where there is one."""
        found = [] if self.verdict is None else [f for f in self.verdict.findings if f.limit == limit]
        return decisive(found) if found else None


@dataclass(frozen=True)
class Review:
    """Two commits side by side."""

    base: Side
    head: Side
    policy: Sequence[Change]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the review: Markdown, without what a forge would act on (mentions, HTML)."""
        yield f"## Verdict: {_cell(self.head.state)}"
        yield ""
        yield f"At {_cell(self.base.name)}: {_cell(self.base.state)}. Each side is judged by its own policy."
        for text in () if self.head.verdict is None else self.head.verdict.stands_on:
            yield f"- stands on {_cell(text)}"
        for text in () if self.head.verdict is None else self.head.verdict.lines:
            yield f"- {_cell(text)}"
        yield from _table(
            "Limits",
            ("Limit", "Requires", "Before", "Now", "Outcome"),
            [self._limit(name) for name in self._names()],
        )
        yield from _table(
            "Between groups", ("Disparity", "Before", "Now", "Intervals"), [*self._disparities()]
        )
        yield from _table("All rows", ("Measure", "Before", "Now", "Intervals"), [*self._overall()])
        looser = [(each.way, each.where, each.text) for each in self.policy]
        yield from _table("Policy", ("Way", "Where", "Change"), looser)

    def _names(self) -> list[str]:
        both = (side.verdict.limits for side in (self.head, self.base) if side.verdict is not None)
        return list(dict.fromkeys(name for limits in both for name in limits))

    def _limit(self, name: str) -> tuple[str, ...]:
        old, new = self.base.finding(name), self.head.finding(name)
        some = new or old
        sign = {"at_least": ">=", "at_most": "<="}
        required = f"{sign[some.at]} {number(some.limit_value, DECIMALS)}" if some else ABSENT
        was, now = (side.verdict.limits.get(name, ABSENT) if side.verdict else ABSENT
                    for side in (self.base, self.head))  # fmt: skip
        outcome = now if was == now else f"{was} -> {now}"
        kind = "" if some is None or some.gate else " (reported)"
        return f"{name}{kind}", required, _bound(old), _bound(new), outcome

    def _disparities(self) -> Iterator[tuple[str, ...]]:
        # Attributes of both sides: one that the change stopped measuring has to be seen as well.
        sides = [{} if s.measurements is None else s.measurements.disparities for s in (self.base, self.head)]
        for attribute in dict.fromkeys(name for side in reversed(sides) for name in side):
            for key in (f"{rate}_{kind}" for rate in COMPARED for kind in ("ratio", "difference")):
                old, new = (side.get(attribute, {}).get(key) for side in sides)
                if old != new:
                    yield _moved(f"{title(key)} by {attribute}", old, new)

    def _overall(self) -> Iterator[tuple[str, ...]]:
        sides = [{} if s.measurements is None else s.measurements.overall for s in (self.base, self.head)]
        for name in MEASURED:
            old, new = (side.get(name) for side in sides)
            if old != new:
                yield _moved(title(name), old, new)


def review(root: Path, base: str, today: dt.date) -> Review:
    """Return what the working copy changes since a commit.

    Parameters
    ----------
    base
        A revision of the repository, such as the branch that a pull request is for.
    today
        The day by which waivers of both sides stand.

    Raises
    ------
    UsageError
        When `base` is no commit of this repository.
    StateError
        When the working copy has no measurements that can be read.
    """
    commit = commit_of(root, base)
    before = _side(f"the base, {commit[:12]}", *_committed(root, commit), today)
    after = _side("this change", *_written(root), today)
    if after.measurements is None:
        raise StateError(f"{MEASUREMENTS}: must be what `dvc repro` made, got {after.why}")
    try:
        moved = changes(before.sections, after.sections)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"{before.name}: must hold a policy that can be compared, got {error}") from error
    return Review(before, after, moved)


def _committed(root: Path, commit: str) -> tuple[bytes | None, bytes | None]:
    return committed_file(root, commit, PARAMS), committed_file(root, commit, MEASUREMENTS)


def _written(root: Path) -> tuple[bytes | None, bytes | None]:
    return content(root / PARAMS), content(root / MEASUREMENTS)


def _side(name: str, params: bytes | None, found: bytes | None, today: dt.date) -> Side:
    sections: Mapping[str, Any] = {}
    measurements = None
    try:
        if params is None or found is None:
            lacking = PARAMS if params is None else MEASUREMENTS
            return Side(name, sections, None, None, f"not judged: no {lacking} there")
        sections = strict_yaml(text_of(params, PARAMS), PARAMS) or {}
        measurements = read_measurements(strict_json(text_of(found, MEASUREMENTS), MEASUREMENTS))
        policy = typed(Policy, sections.get("policy"), "policy")
    except (FairmarkError, ValueError, AttributeError) as error:
        fault = error.faults[0] if isinstance(error, FairmarkError) else str(error)
        # The policy may be readable though the measurements are not, and a looser limit must still be listed.
        kept = sections if isinstance(sections, Mapping) else {}
        return Side(name, kept, measurements, None, f"not judged, of another shape: {fault}")
    return Side(name, sections, measurements, judge(measurements, policy, today), "")


def _bound(finding: Finding | None) -> str:
    if finding is None:
        return ABSENT
    group = f" ({finding.group})" if finding.group else ""
    return f"{number(finding.value, DECIMALS)}, bound {number(finding.bound, DECIMALS)}{group}"


def _moved(name: str, old: Measured | None, new: Measured | None) -> tuple[str, ...]:
    return name, measured(old, DECIMALS), measured(new, DECIMALS), _overlap(old, new)


def _overlap(old: Measured | None, new: Measured | None) -> str:
    """Return whether two intervals have a point in common; that they do shows nothing."""
    ends = [end for each in (old, new) if each is not None for end in (each.low, each.high)]
    # One end that is missing leaves the interval open, and an open one is apart from nothing.
    if len(ends) != 4 or None in ends:
        return "not both known"
    low, high, other_low, other_high = (float(end) for end in ends if end is not None)
    return "overlap" if low <= other_high and other_low <= high else "APART"


def _table(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"### {name}: {count(len(rows))} {'rows' if name == 'Limits' else 'changed'}"
    if rows:
        yield ""
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """Return text of a stranger's commit as one cell in which nothing is Markdown, HTML or a mention."""
    shown = plain(" ".join(text.split()))
    # Cut before escaping: a cut within `&#124;` would leave half an entity in the cell.
    shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
    return "".join(f"&#{ord(each)};" if each in ACTED_ON else each for each in shown)
