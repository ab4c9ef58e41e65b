"""The kind of change that an alarm is of: what moved, since when, and whether it was there before."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fairmark.data.reference import Reference
from fairmark.params.watch import Watch
from fairmark.stats.arrays import Floats
from fairmark.stats.e_process import against_reference
from fairmark.watch.detector import Alarm, Carried
from fairmark.watch.documents import Change, Moved, RaisedAlarm, Watched, iso
from fairmark.watch.evidence import RELATION, LimitStream, Stream
from fairmark.watch.windows import Counts

LEADING = 0.1
"""Share of the detector from which a stream is named as one that carries a change."""


class ReportedChange(NamedTuple):
    """A change of one stream that was stated: the look at which it began, and those that stated it last."""

    onset: int
    since: int
    look: int


Past = dict[str, list[ReportedChange]]
"""Changes of each stream by its name, in order."""
REMEMBERED = 12
"""Of the newest changes of a stream so many are looked at for one that comes again."""
SHOWN = float(np.log(20))
"""Evidence from which two stretches are said to differ."""


def raised_alarm(
    at: int,
    alarms: Sequence[Alarm],
    looks: Sequence[Counts],
    by_name: Mapping[str, Stream | LimitStream],
    of: Watched,
    past: Past,
) -> RaisedAlarm:
    """Return an alarm as it is stated: its kind of change, what carries it, and since when.

    `past` holds the changes that earlier alarms of the same looks stated, and is added to.
    """
    alarm = alarms[at]
    # A stream that would have raised the alarm alone is named whatever its share, and always one.
    leading = [each for each in alarm.carried if each.share >= LEADING or each.alone] or alarm.carried[:1]
    moved = tuple(_moved(each, by_name[each.name], looks, alarm.look, past, of) for each in leading)
    change = change_of(alarm, by_name)
    names = ", ".join(each.stream for each in moved[:4])
    names += f" and {len(moved) - 4} more" if len(moved) > 4 else ""
    text = f"{change}: {names}, most likely since {moved[0].since[:10]}"
    if moved[0].goes_on_since:
        text = f"{change} goes on: {names}, most likely since {moved[0].goes_on_since[:10]}"
    elif moved[0].return_of:
        text += f"; alike again to {moved[0].return_of[:10]}, and gone in between"
    if change == "covariate shift" and of.watch.labels == "all" and not _labelled(by_name, alarm)[1]:
        text += "; outcomes that could tell a shift of labels have not come"
    text += f" (alarm {at + 1})" if at else ""
    return RaisedAlarm(
        at=iso(looks[alarm.look].end_us), of=alarm.of, kinds=tuple(alarm.kinds), change=change,
        value=alarm.value, moved=moved, text=text,
    )  # fmt: skip


def change_of(alarm: Alarm, by_name: Mapping[str, Stream | LimitStream]) -> Change:
    """Return which part of the joint distribution moved, by the streams that show it alone, or the first.

    Where labels show a change it is named by what stayed as it was (`_labelled`); by concept shift where
    nothing did, or where labels of the selected alone show it. Then comes a limit that is missed, then
    inputs; decisions and scores move with each of them, and are told where nothing else does, as they do
    before outcomes come.
    """
    shown = {each.part for each in alarm.carried if each.alone} or {alarm.carried[0].part}
    if shown & {"relation", "labels", "reverse"}:
        against, _ = _labelled(by_name, alarm)
        named: Change = "concept shift"
        if against and min(against.values()) < SHOWN:
            named = min(against, key=lambda each: against[each])
        if named != "covariate shift" or not shown & {"inputs", "limit"}:
            return named
    order: tuple[tuple[str, Change], ...] = (
        ("limit", "limit"),
        ("inputs", "covariate shift"),
        ("decisions", "decisions"),
        ("operation", "operation"),
    )
    return next((change for part, change in order if part in shown), "covariate shift")


def _labelled(
    by_name: Mapping[str, Stream | LimitStream], alarm: Alarm
) -> tuple[Mapping[Change, float], bool]:
    """Return how much is to be said against each reading of an alarm, and whether outcomes could say it.

    A change is covariate shift where the label at a score stayed as it was, prior probability shift where the
    score at a label did, and concept shift where the scores did: each is held against the rows whose outcome
    came since, as the logarithm of an e-value. Without labels of everybody the second can't be stated.
    """
    relation = by_name[RELATION]
    since = min(each.since for each in alarm.carried)
    assert isinstance(relation, Stream)  # noqa: S101 - as `streams` makes it
    seen, known = relation.counts[since : alarm.look + 1].sum(axis=0), relation.reference
    if "score at the label" not in by_name:
        return {}, bool(seen.any())
    against: dict[Change, float] = {
        "covariate shift": float(against_reference(seen, known).sum()),
        "prior probability shift": float(against_reference(seen.T, known.T).sum()),
        "concept shift": float(against_reference(seen.sum(axis=1), known.sum(axis=1))),
    }
    return against, bool(seen.any())


def _moved(
    each: Carried,
    stream: Stream | LimitStream,
    looks: Sequence[Counts],
    look: int,
    past: Past,
    of: Watched,
) -> Moved:
    cells: tuple[str, ...] = ()
    back = onset = None
    if isinstance(stream, Stream):
        segment = stream.counts[each.since : look + 1].sum(axis=0)
        cells = _moved_cells(each.name, segment, stream.reference, of.reference)
        if stream.reference.any():
            stated = past.setdefault(each.name, [])
            onset = _onset(stream, each.since, look, stated)
            back = _earlier(stream, each.since, look, stated, of.watch) if onset is None else None
            # One change that goes on stays one entry, from where it began to the look that stated it last.
            if onset is not None:
                stated.pop()
            stated.append(ReportedChange(each.since if onset is None else onset, each.since, look))
    else:
        hits, rows = (
            stream.hits[each.since : look + 1].sum(axis=0),
            stream.rows[each.since : look + 1].sum(axis=0),
        )
        pairs = zip(stream.groups, hits, rows, strict=True)
        cells = tuple(f"{group or 'all'} {x / n:.1%} of {int(n):,}" for group, x, n in pairs if n)
    return Moved(
        stream=each.name,
        share=each.share,
        since=iso(looks[each.since].start_us),
        cells=cells,
        return_of=None if back is None else iso(looks[back].start_us),
        goes_on_since=None if onset is None else iso(looks[onset].start_us),
    )


def _moved_cells(name: str, segment: Floats, known: Floats, reference: Reference) -> tuple[str, ...]:
    if not known.sum() or len(known) > 1:
        return ()
    now, then = segment[0] / max(segment[0].sum(), 1), known[0] / known[0].sum()
    feature = reference.by_name.get(name.removeprefix("feature "))
    labels = dict(feature.labels()) if feature is not None else {}
    if not labels and len(now) == 2:
        labels = {0: "0", 1: "1"}
    if name.startswith("mix of "):
        labels = dict(enumerate(reference.groups[name.removeprefix("mix of ")]))
    # Equal moves keep the order of the bins, so that the same counts give the same words.
    order = np.argsort(-np.abs(now - then), kind="stable")[:3].tolist()
    return tuple(f"{labels.get(k, f'bin {k + 1}')} {then[k]:.1%} to {now[k]:.1%}" for k in order)


def _differs(rows: Floats, known: Floats) -> bool:
    return float(against_reference(rows, known).sum()) > SHOWN


def _gone(stream: Stream, start: int, end: int, change: Floats) -> bool:
    """Return whether looks start..end-1, or the later half of them, are shown to be back from a change.

    They must be shown to differ from the change, and not from the reference: looks of which neither is shown
    are no sign that anything was back.
    """
    # All of them, and the later half: a season may fade before it is gone.
    for first in {start, (start + end) // 2}:
        between = stream.counts[first:end].sum(axis=0)
        if first < end and _differs(between, change) and not _differs(between, stream.reference):
            return True
    return False


def _onset(stream: Stream, since: int, look: int, stated: Sequence[ReportedChange]) -> int | None:
    """Return the look at which a change began that was told last and has not gone since, or None.

    After an alarm the detector begins anew, so a change that lasts is told again: not as another one.
    """
    change = stream.counts[since : look + 1].sum(axis=0)
    for last in stated[-1:]:
        then = stream.counts[last.since : last.look + 1].sum(axis=0)
        if not _differs(change, then) and not _gone(stream, last.look + 1, since, change):
            return last.onset
    return None


def _earlier(
    stream: Stream, since: int, look: int, stated: Sequence[ReportedChange], watch: Watch
) -> int | None:
    """Return the start of an earlier change that this one is alike to, and that had gone, or None.

    Of the changes that were told before, the newest; or the looks of a year ago.
    """
    length, year = look - since + 1, round(365 / watch.window_days)
    change = stream.counts[since : look + 1].sum(axis=0)
    last_year = ReportedChange(since - year, since - year, since - year + length - 1)
    for each in [*stated[: -REMEMBERED - 1 : -1], last_year]:
        then = stream.counts[max(each.since, 0) : each.look + 1].sum(axis=0)
        alike = each.since >= 0 and _differs(then, stream.reference) and not _differs(change, then)
        if alike and _gone(stream, each.look + 1, since, change):
            return each.onset
    return None
