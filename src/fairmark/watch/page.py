"""The watch page: one HTML file of a release in production, which asks for nothing and runs nothing."""

import datetime as dt
from collections.abc import Mapping, Sequence

import jinja2
from markupsafe import Markup

from fairmark.report.labels import NUMBER, STRIP, Column, Table, count, interval, number
from fairmark.report.rendering import html
from fairmark.report.svg import Frame, around, axis, tag, unit, whisker
from fairmark.stats.measures import label as title
from fairmark.watch.documents import GroupRate, LookState, WatchSummary
from fairmark.watch.identified import KnownRate
from fairmark.watch.look import Desk, Promoted

CONTENTS = (
    ("state", "State"),
    ("production", "In production"),
    ("alarms", "Alarms"),
    ("limits", "Limits of the policy"),
    ("groups", "Fairness"),
    ("quality", "Quality"),
    ("drift", "Drift"),
    ("traffic", "Traffic"),
    ("people", "People"),
    ("reading", "How to read this page"),
)
OUTCOMES = {"kept": "pass", "missed": "fail", "open": "unsure", "unknown": "unsure"}
DASH = "\N{EN DASH}"
MOST = 10_000
"""Of a detector's values that are written out."""
LATEST = 60
"""Looks in a picture."""


def page(found: WatchSummary, desk: Desk) -> str:
    """Return the watch page as HTML; the same summary and desk give the same text."""
    looks = found.looks[-LATEST:]
    return html(
        "watch.html.j2",
        more=jinja2.PackageLoader("fairmark.watch"),
        contents=CONTENTS,
        it=found,
        desk=desk,
        state=state(found),
        tiles=_tiles(found, desk),
        since=_standing(desk.promotions),
        alarms=list(reversed(found.alarms))[:20],
        recorded={each.at: each for each in desk.alarms},
        limits=[(each, OUTCOMES[each.outcome], title(each.measure)) for each in found.limits],
        detector=_detector(found, looks),
        streams=_streams(found),
        harms=_harms(found),
        ratios=[_ratio(found, looks, each.attribute) for each in found.disparities],
        groups=[_groups(found.groups, each, "selected") for each in _attributes(found.groups)],
        estimated=[
            _groups(found.estimated_groups, each, "selected") for each in _attributes(found.estimated_groups)
        ],
        overrides=[_groups(found.overrides, each, "overturned") for each in _attributes(found.overrides)],
        accuracy=_accuracy(looks),
        rates=_rates(found),
        by_group=[_rates(found, each) for each in dict.fromkeys(it.attribute for it in found.rates) if each],
        estimates=_estimates(found),
        delays=_counts("Outcomes by the time until they came", "until the outcome", found.delays),
        drift=_drift(found),
        traffic=_traffic(looks),
        latency=_counts("Answers by time", "the answer took", found.latency),
        arms=_counts("Answers by who gave them", "arm", found.arms),
        cases=_cases(desk),
        rest=len(found.alarms) - 20,
    )


def _standing(promotions: Sequence[Promoted]) -> Promoted | None:
    """Return what production holds, else the last promotion that stands: a canary is in staging before."""
    standing = [each for each in promotions if each.until is None]
    return max(standing, key=lambda each: (each.stage == "production", each.since), default=None)


def state(found: WatchSummary) -> Mapping[str, str]:
    """Return the state in one line: alarmed by its last look, quiet, or waiting for its first look."""
    if not found.looks:
        text = f"No look yet: {count(found.pending)} decisions since the start."
        return {"style": "unsure", "word": "waiting", "text": text}
    if found.alarms and found.alarms[-1].at == found.looks[-1].end:
        return {"style": "fail", "word": "alarm", "text": found.alarms[-1].text}
    missed = [each.name for each in found.limits if each.outcome == "missed"]
    if missed:
        return {"style": "fail", "word": "limit missed", "text": "Shown to be missed: " + ", ".join(missed)}
    text = f"No alarm at the last of {len(found.looks)} looks."
    return {"style": "pass", "word": "quiet", "text": text}


def lines(found: WatchSummary) -> list[str]:
    """Return the state in lines for a terminal."""
    told = state(found)
    came = f"{count(found.pending)} since the last; {count(found.outcomes)} outcomes"
    people = (
        f"{count(found.referred)} referred, {count(found.overridden)} overturned, "
        f"{count(found.contests)} contested"
    )
    looks = f"{len(found.looks)} looks of {found.window_days} days"
    said = [
        f"{found.name} {found.version}: {told['word']}. {told['text']}",
        f"{count(found.decisions)} decisions in {looks}, {came}; {people}",
    ]
    said += [f"alarm {each.at[:10]} {each.of}: {each.text}" for each in found.alarms[-5:]]
    said += [f"limit {each.name} ({each.limit}): {each.outcome}, {each.text}" for each in found.limits]
    said += [
        f"selection rates by {each.attribute}: ratio {number(each.value, 3)} "
        f"({interval(each.low, each.high, 3)}), lowest {each.lowest}"
        for each in found.disparities
        if each.value is not None
    ]
    said += [
        f"{title(each.measure)}: "
        + (number(each.value, 3) if each.value is not None else each.why)
        + f" ({interval(each.low, each.high, 3)}), {count(each.rows)} rows"
        for each in found.rates
        if not each.attribute
    ]
    said += [
        f"detected {'within ' + str(each.looks) if each.looks else 'after more than 30'} looks: {each.what}"
        for each in found.harms
    ]
    return said


def _attributes(groups: Sequence[GroupRate]) -> list[str]:
    return [each for each in dict.fromkeys(it.attribute for it in groups) if each]


def _tiles(found: WatchSummary, desk: Desk) -> Sequence[Mapping[str, str]]:
    rate = found.selected / found.decisions if found.decisions else None
    overdue = sum(each.overdue for each in (*desk.cases, *desk.contests))
    waiting = f"{len(desk.cases)} cases, {len(desk.contests)} contests open"
    last = found.looks[-1].detector if found.looks else None
    entries = [
        ("Decisions", count(found.decisions), f"{count(found.pending)} since the last look"),
        (
            "Selection rate",
            number(rate, 3) if rate is not None else DASH,
            f"{count(found.selected)} selected",
        ),
        (
            "Outcomes",
            count(found.outcomes),
            "of everybody" if found.labels == "all" else "of the selected alone",
        ),
        ("Detector", _large(last) if last is not None else DASH, f"alarms at {found.run_length}"),
        ("Overdue", count(overdue), waiting),
    ]
    return [{"name": name, "value": value, "note": note} for name, value, note in entries]


def _day(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp() / 86400


def _frame(looks: Sequence[LookState], upward: tuple[float, float]) -> tuple[Frame, dict[float, str]]:
    days = [_day(each.end) for each in looks]
    start, end = min(days), max(days)
    across = (start - 1, end + 1) if start == end else (start, end)
    shown = looks[:: 1 + len(looks) // 5]
    return Frame(520, 240, across, upward), {_day(each.end): each.end[5:10] for each in shown}


def _picture(
    looks: Sequence[LookState],
    values: Sequence[tuple[float, float, float] | None],
    words: str,
    name: str,
    marks: Sequence[float] = (),
) -> Mapping[str, Markup | str] | None:
    """Return a value with its bounds at each look; None where no look has one."""
    points = [(_day(look.end), *each) for look, each in zip(looks, values, strict=True) if each is not None]
    if not points:
        return None
    everything = [value for _, *three in points for value in three] + [*marks]
    frame, days = _frame(looks, around(everything, 0, max(1.0, *everything)))
    svg = frame.picture(
        words,
        frame.axes("end of the look", name, days),
        *(frame.path([(frame.across[0], mark), (frame.across[1], mark)], "reference") for mark in marks),
        *(frame.path([(day, low), (day, high)], "reach") for day, _, low, high in points),
        frame.path([(day, value) for day, value, _, _ in points], "curve"),
        *(frame.dot((day, value), "dot") for day, value, _, _ in points),
    )
    return {"svg": svg, "caption": words}


def _detector(found: WatchSummary, looks: Sequence[LookState]) -> Mapping[str, Markup | str] | None:
    if not looks:
        return None
    most = 2.0 * found.run_length
    cut = [min(each.detector, most) for each in looks]
    words = (
        f"The e-detector at each look; it alarms at {found.run_length} (dashed) and begins anew. "
        "By chance alone it grows by 1 a look on average."
    )
    return _picture(looks, [(value, value, value) for value in cut], words, "detector", [found.run_length])


def _ratio(
    found: WatchSummary, looks: Sequence[LookState], attribute: str
) -> Mapping[str, Markup | str] | None:
    marks = [
        float(limit.limit.removeprefix("at least "))
        for limit in found.limits
        if limit.attribute == attribute and limit.measure == "selection_rate_ratio" and "least" in limit.limit
    ]
    words = (
        f"Lowest over highest selection rate by {attribute} at each look, its bounds for all looks together; "
        "dashed, the limit."
    )
    values = [each.ratios.get(attribute) for each in looks]
    return _picture(looks, values, words, f"ratio by {attribute}", marks)


def _accuracy(looks: Sequence[LookState]) -> Mapping[str, Markup | str] | None:
    words = "Accuracy of the outcomes that came in each look, with bounds that hold for all looks together."
    return _picture(looks, [each.accuracy for each in looks], words, "accuracy")


def _traffic(looks: Sequence[LookState]) -> Mapping[str, Markup | str] | None:
    if not looks:
        return None
    most = max(each.decisions for each in looks)
    frame, days = _frame(looks, (0, most * 1.1 or 1))
    floor = frame.y(0)
    wide = max(2.0, 0.6 * (frame.width - frame.left - frame.right) / max(len(looks), 6))
    bars = [
        tag(
            "rect", x=frame.x(_day(each.end)) - wide / 2, width=wide, y=frame.y(each.decisions),
            height=max(floor - frame.y(each.decisions), 0.5), class_="density",
        )
        for each in looks
    ]  # fmt: skip
    words = "Decisions in each look."
    return {
        "svg": frame.picture(words, *bars, frame.axes("end of the look", "decisions", days)),
        "caption": words,
    }


def _streams(found: WatchSummary) -> Table | None:
    if not found.looks:
        return None
    last = sorted(found.streams, key=lambda each: (-each.values[-1], each.name))
    return Table(
        "Each stream's own detector at the last look",
        [Column("stream"), Column("an alarm of it is of"), Column("value", NUMBER)],
        [(each.name, each.of, _large(each.values[-1])) for each in last],
    )


def _large(value: float) -> str:
    return number(value, 2) if value < MOST else f"above {count(MOST)}"


def _harms(found: WatchSummary) -> Table:
    def said(looks: int | None) -> str:
        if looks is None:
            return "more than 30 looks"
        return f"{looks} look{'s' * (looks > 1)}, {looks * found.window_days} days"

    return Table(
        f"How soon a move of {found.harm:g} is detected: the median number of looks, by simulation",
        [Column("what moves"), Column("detected within", NUMBER)],
        [(each.what, said(each.looks)) for each in found.harms],
    )


def _groups(groups: Sequence[GroupRate], attribute: str, verb: str) -> Table:
    own = [each for each in groups if each.attribute == attribute]
    scale = unit(
        0, max([each.high for each in own if each.high < 1] + [each.value or 0 for each in own] + [0.05])
    )
    rows = [
        (
            each.group,
            count(each.rows),
            number(each.value, 3) if each.value is not None else DASH,
            whisker(scale, each.value, each.low, min(each.high, scale.high), each.reference),
            interval(each.low, each.high, 3) if each.high - each.low < 1 else "none",
            number(each.reference, 3) if each.reference is not None else DASH,
        )
        for each in own
    ]
    return Table(
        f"Share {verb} by {attribute}",
        [
            Column("group"), Column("rows", NUMBER), Column("share", NUMBER),
            Column("share with its bounds, test rows dashed", STRIP), Column("bounds", NUMBER),
            Column("test rows", NUMBER),
        ],
        rows,
        ("", "", "", axis(scale), "", ""),
    )  # fmt: skip


def _rates(found: WatchSummary, attribute: str = "") -> Table:
    own = [each for each in found.rates if each.attribute == attribute]
    return Table(
        f"By {attribute}" if attribute else "Quality, as far as labels tell it",
        [
            Column("measure"), Column("value", NUMBER), Column("bounds", NUMBER),
            Column("labelled rows", NUMBER), Column("rests on"),
        ],
        [
            (
                title(each.measure) + (f", {each.group}" if attribute else ""),
                _value(each),
                interval(each.low, each.high, 3),
                count(each.rows),
                each.why if not attribute else each.basis,
            )
            for each in own
        ],
    )  # fmt: skip


def _value(each: KnownRate) -> str:
    if each.value is None:
        return "not identified" if each.basis == "worst case" else DASH
    return number(each.value, 3)


def _estimates(found: WatchSummary) -> Table:
    return Table(
        "Estimate without labels: what scores would mean, were they calibrated still. It decides nothing",
        [Column("measure"), Column("estimate", NUMBER)],
        [
            (title(each.measure), number(each.value, 3) if each.value is not None else DASH)
            for each in found.estimates
        ],
    )


def _drift(found: WatchSummary) -> Table | None:
    if not found.drift:
        return None

    def moved(now: float | None, before: float | None) -> str:
        return DASH if now is None or before is None else f"{before:.4g} to {now:.4g}"

    return Table(
        "The last look beside the release's test rows",
        [
            Column("feature"), Column("share that moved", NUMBER), Column("missing", NUMBER),
            Column("unseen", NUMBER), Column("out of range", NUMBER), Column("mean", NUMBER),
            Column("standard deviation", NUMBER),
        ],
        [
            (
                each.feature, f"{each.distance:.1%}", f"{each.missing:.1%}", f"{each.unseen:.1%}",
                f"{each.outside:.1%}", moved(each.mean, each.mean_before), moved(each.sd, each.sd_before),
            )
            for each in found.drift
        ],
    )  # fmt: skip


def _counts(caption: str, head: str, counts: Mapping[str, int]) -> Table | None:
    if not counts:
        return None
    whole = sum(counts.values())
    return Table(
        caption,
        [Column(head), Column("count", NUMBER), Column("share", NUMBER)],
        [(name, count(each), f"{each / whole:.1%}") for name, each in counts.items()],
    )


def _cases(desk: Desk) -> Table | None:
    every = sorted((*desk.cases, *desk.contests), key=lambda each: each.due)
    if not every:
        return None
    return Table(
        "Open cases and contests, the first due first",
        [Column("what"), Column("opened"), Column("due")],
        [
            (each.kind, each.opened[:10], each.due[:10] + (" (overdue)" if each.overdue else ""))
            for each in every
        ],
        marked=frozenset(k for k, each in enumerate(every) if each.overdue),
    )
