"""Decisions of the flow `release`, as pure functions: the next version, what blocks it, what it reports."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairmark.errors import RefusedError, StateError
from fairmark.judge.finding_text import one_sided

if TYPE_CHECKING:
    from fairmark.judge.measured import Measured
    from fairmark.judge.measurements import Measurements
    from fairmark.judge.verdict import Finding, Verdict

_TAG = re.compile(r"(?P<name>.+)@v(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Goal:
    """Which version the flow is after.

    Parameters
    ----------
    version
        Such as `v0.1.0`.
    tagged
        Whether its tag stands at HEAD already.
    present
        Whether its folder is there.
    """

    version: str
    tagged: bool
    present: bool


def goal(
    asked: str | None,
    tags: Sequence[str],
    name: str,
    present: Callable[[str], bool],
    free: Callable[[], str],
) -> Goal:
    """Return the version to be made, or the one that HEAD carries already.

    Without a version asked for, the highest release of HEAD whose folder is here is the goal, else its
    highest release (to be made again), else the next free version.

    Parameters
    ----------
    asked
        The version that the user gave, or None.
    tags
        The tags at HEAD.
    name
        The name of the release.
    present
        Tells whether the folder of a version is there.
    free
        Returns the next free version.
    """
    if asked is not None:
        return Goal(asked, tagged=False, present=present(asked))
    versions = _versions(tags, name)
    here = [version for version in versions if present(version)]
    if here:
        return Goal(here[-1], tagged=True, present=True)
    if versions:
        return Goal(versions[-1], tagged=True, present=False)
    version = free()
    return Goal(version, tagged=False, present=present(version))


def latest(tags: Sequence[str], name: str) -> str | None:
    """Return the tag of the highest release of `name` among `tags`, or None."""
    versions = _versions(tags, name)
    return f"{name}@{versions[-1]}" if versions else None


def _versions(tags: Sequence[str], name: str) -> list[str]:
    """Return the versions of the releases of `name` among `tags`, rising."""
    found = [match for match in map(_TAG.fullmatch, tags) if match and match["name"] == name]
    # By numbers: v0.10.0 is above v0.9.0.
    found.sort(key=lambda match: tuple(map(int, match.groups()[1:])))
    return [match[0].partition("@")[2] for match in found]


def refuse_changed(dirty: Sequence[str]) -> None:
    """Do nothing when the retrain made what is committed.

    Raises
    ------
    StateError
        Naming the files that differ from the commit now.
    """
    if dirty:
        raise StateError(
            "results: must be those of the commit, so that the commit says what is released; got changes in "
            f"{', '.join(dirty)}; look at them (`git diff`, `dvc metrics diff`), "
            "commit them (`git add --all && git commit`) and run again"
        )


LONGEST = 12
"""How many limits a refusal names; the report has them all."""
NAMED = 5
"""How many of a limit's further comparisons are named."""


def blocking_lines(verdict: "Verdict") -> list[str]:
    """Return a line for each limit in the way: the comparison that decides it, and which are like it."""
    from fairmark.judge.verdict import in_overlay

    ours: dict[str, list[Finding]] = {}
    for policy, judged in verdict.deciding:
        for finding in judged.findings:
            if blocks(finding):
                ours.setdefault(in_overlay(policy, finding.limit), []).append(finding)
    return [_line(name, each) for name, each in ours.items()]


def _line(name: str, found: Sequence["Finding"]) -> str:
    from fairmark.judge.verdict import decisive

    first = decisive(found)
    others = [each.group or "all rows" for each in found if each is not first]
    if not others:
        return f"{name}: {first.text}"
    more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
    named = "; ".join(others[:NAMED])
    return f"{name}: {first.text} So it is, less far from the limit, of {named}{more}."


def refuse_unless_passed(verdict: "Verdict", report: str) -> None:
    """Do nothing for a verdict of `pass`.

    Raises
    ------
    RefusedError
        With a line for each limit that stands in the way: which, what was found, what to do.
    """
    if verdict.outcome != "pass":
        raise RefusedError(
            f"verdict: must be pass, got {verdict.state}",
            *verdict.lines,
            *verdict.faults,
            *blocking_lines(verdict)[:LONGEST],
            f"report: {report}",
        )


def blocks(finding: "Finding") -> bool:
    """Return whether a finding stops a release: a gate that did not pass and that nobody waived."""
    return finding.gate and finding.outcome != "pass" and finding.waived_by is None


def in_words(verdict: "Verdict") -> str:
    """Return the verdict's state and, where it stands on records of people, on which: one line."""
    return f"{verdict.state}{''.join(f'; on {each}' for each in verdict.stands_on)}"


def table(verdict: "Verdict") -> list[dict[str, object]]:
    """Return the verdict as rows for Prefect's table artifact, those that stop a release first."""
    from fairmark.judge.verdict import in_overlay

    every = [(in_overlay(name, one.limit), one) for name, of in verdict.deciding for one in of.findings]
    return [
        {
            "limit": name,
            "outcome": finding.outcome + (f", waived by {finding.waived_by}" if finding.waived_by else ""),
            "counts": "gate" if finding.gate else "reported",
            "group": " ".join(filter(None, (finding.attribute, finding.group))) or "all",
            "measure": finding.measure,
            "value": finding.value,
            "bound": finding.bound,
            "limit value": f"{finding.at.replace('_', ' ')} {finding.limit_value}",
            "rows": finding.rows,
            "found": finding.text,
        }
        # False sorts before True; the sort is stable and keeps the policy's order within both parts.
        for name, finding in sorted(every, key=lambda each: not blocks(each[1]))
    ]


def differences(released: Mapping[str, str], remade: Mapping[str, str]) -> list[str]:
    """Return a line for each output whose address is not the same in both; empty when all are.

    Parameters
    ----------
    released, remade
        Path -> address.
    """
    return [
        f"{path}: must have MD5 {released.get(path, 'none')} as released, got {remade.get(path, 'none')}"
        # Paths of both: an output that only one of them has is a difference too.
        for path in sorted({*released, *remade})
        if released.get(path) != remade.get(path)
    ]


SHOWN = ("selection_rate_ratio", "true_positive_rate_difference")
"""The two disparities that the summary shows of each attribute; the report has them all."""


def figures(measurements: "Measurements") -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary: what was measured on test rows, each with its interval."""
    overall = measurements.overall
    if said := one_sided(overall):
        yield "beware", said
    for title, measure in (("AUC", "roc_auc"), ("accuracy", "accuracy")):
        yield title, _interval(overall.get(measure))
    if "selection_rate" in overall:
        yield "selected", _interval(overall["selection_rate"])
    for attribute, disparities in measurements.disparities.items():
        shown = [f"{m.replace('_', ' ')} {_interval(disparities[m])}" for m in SHOWN if m in disparities]
        yield attribute, ", ".join(shown)


def _interval(found: "Measured | None") -> str:
    if found is None or found.value is None:
        return "not known"
    value, low, high = found.value, found.low, found.high
    return f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else "")
