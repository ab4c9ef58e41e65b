"""What the watch found, watch.json: the one document that lines, page, alarms and flow are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from fairmark.data.reference import Reference
from fairmark.journal.entry import moment
from fairmark.params.policy import Policy
from fairmark.params.watch import Watch
from fairmark.record import Record, utc_text
from fairmark.stats import confidence_sequence
from fairmark.stats.arrays import Floats
from fairmark.stats.e_process import Prior, against_reference
from fairmark.watch.detector import Alarm, Carried, delay, detect, to_largest
from fairmark.watch.evidence import RELATION, LimitStream, Of, Stream, limit_streams, margin_of, streams
from fairmark.watch.identified import EstimatedRate, KnownRate, estimated_rates, known_rates
from fairmark.watch.windows import ALL, DELAY_DAYS, LATENCY_MS, Counted, Counts

Change = Literal[
    "covariate shift", "prior probability shift", "concept shift", "decisions", "limit", "operation"
]
"""The part of the joint distribution that moved (Moreno-Torres et al. 2012), or what else did."""

LEADING = 0.1
"""Share of the detector from which a stream is named as one that carries a change."""


class Moved(Record):
    """A stream that carries an alarm."""

    stream: str
    share: float
    """Of the detector, 0..1."""
    since: str
    """Start of the look at which its change most likely began, ISO 8601."""
    cells: tuple[str, ...]
    """What moved most, in words, such as `Sales 11.3% to 19.0%`."""
    return_of: str | None
    """The start of an earlier change that it is alike again, and that had gone in between: a seasonal return;
    None where there is none."""
    goes_on_since: str | None = None
    """The start of a change that was told before and has not gone since; None where it is another."""


class RaisedAlarm(Record):
    """The detector reached the run length."""

    at: str
    """End of the look, ISO 8601."""
    of: Of
    """What carries most of it."""
    kinds: tuple[Of, ...]
    """All that it is of: each kind with a stream that would have raised it alone, `of` first."""
    change: Change
    value: float
    moved: tuple[Moved, ...]
    text: str


class StreamState(Record):
    """One thing that is watched, and its own detector at every look."""

    name: str
    of: Of
    values: tuple[float, ...]


class LimitState(Record):
    """A gated limit of the policy, held against what came; by always-valid bounds."""

    name: str
    measure: str
    attribute: str | None
    limit: str
    outcome: Literal["kept", "missed", "open", "unknown"]
    """kept or missed: shown at the level, at any look; open: neither; unknown: it can't be told."""
    text: str


class GroupRate(Record):
    """Decisions of one group, with bounds that hold at every look and for all groups at once."""

    attribute: str
    group: str
    rows: int
    selected: int
    value: float | None
    low: float
    high: float
    reference: float | None
    """On test rows."""


class Disparity(Record):
    """The lowest over the highest selection rate of an attribute's groups; 1 = parity."""

    attribute: str
    value: float | None
    low: float
    high: float
    lowest: str | None
    highest: str | None


class LookState(Record):
    """One look, in numbers for pictures."""

    start: str
    end: str
    decisions: int
    selection_rate: float | None
    mean_score: float | None
    referred: int
    overridden: int
    judged: int
    contests: int
    labels: int
    fallback: int
    accuracy: tuple[float, float, float] | None
    """Value, low, high; None without labels, or where it is not identified."""
    ratios: Mapping[str, tuple[float, float, float]]
    """Selection rate ratio by attribute."""
    detector: float


class DriftState(Record):
    """One feature: how far what came lies from the reference. Described, not decided by."""

    feature: str
    distance: float
    """Total variation between the last look's cells and the test rows', 0..1: the share that moved."""
    missing: float
    unseen: float
    outside: float
    """Shares of the last look's rows."""
    mean: float | None
    mean_before: float | None
    sd: float | None
    sd_before: float | None


class DelayState(Record):
    """In how many looks a stated harm is told, by simulation; None beyond 60."""

    what: str
    looks: int | None


class WatchSummary(Record):
    """watch.json."""

    release: str
    name: str
    version: str
    made: str
    window_days: int
    run_length: int
    level: float
    labels: Literal["all", "selected"]
    outcome_days: int
    decisions: int
    pending: int
    """Decisions since the last look."""
    selected: int
    referred: int
    reviews: int
    confirmed: int
    overridden: int
    contests: int
    erased: int
    arms: Mapping[str, int]
    latency: Mapping[str, int]
    """Answers by time, such as `up to 5 ms`."""
    outcomes: int
    delays: Mapping[str, int]
    """Outcomes by the days until they came."""
    looks: tuple[LookState, ...]
    watched: int
    """Streams that the detector is the mean of; `streams` holds those that rows came for."""
    streams: tuple[StreamState, ...]
    drift: tuple[DriftState, ...]
    alarms: tuple[RaisedAlarm, ...]
    limits: tuple[LimitState, ...]
    groups: tuple[GroupRate, ...]
    estimated_groups: tuple[GroupRate, ...]
    """Where only probabilities of membership are known: an estimate, which no limit is held against."""
    disparities: tuple[Disparity, ...]
    overrides: tuple[GroupRate, ...]
    """Shares of a person's decisions that overturned the model."""
    rates: tuple[KnownRate, ...]
    estimates: tuple[EstimatedRate, ...]
    harm: float
    harms: tuple[DelayState, ...]


@dataclass(frozen=True)
class Watched:
    """A release as it is watched: its name, reference, policy and how."""

    name: str
    version: str
    reference: Reference
    policy: Policy
    watch: Watch


def iso(at_us: int) -> str:
    """Return microseconds since 1970 as ISO 8601, to the second, UTC."""
    return utc_text(moment(at_us))


def summarise(counted: Counted, of: Watched, now_us: int) -> WatchSummary:
    """Return what the counts say of a release at a time; the same counts and time give the same summary."""
    looks, reference, level = counted.looks, of.reference, of.policy.level
    moving = streams(looks, reference, of.watch)
    limits, unknown = limit_streams(looks, reference, of.policy, of.watch)
    every: list[Stream | LimitStream] = [*moving, *limits]
    found = detect(every, len(looks), of.watch.run_length)
    total = counted.total or Counts(now_us, now_us)
    by_name = {each.name: each for each in every}
    past: Past = {}
    raised = [_raised(k, found.alarms, looks, by_name, of, past) for k in range(len(found.alarms))]
    groups = _group_rates(total, reference, level)
    return WatchSummary(
        release=counted.release,
        name=of.name,
        version=of.version,
        made=iso(now_us),
        window_days=of.watch.window_days,
        run_length=of.watch.run_length,
        level=level,
        labels=of.watch.labels,
        outcome_days=of.watch.outcome_days,
        decisions=total.decisions,
        pending=0 if counted.pending is None else counted.pending.decisions,
        selected=total.selected,
        referred=total.referred,
        reviews=total.reviews,
        confirmed=total.confirmed,
        overridden=total.overridden,
        contests=total.contests,
        erased=total.erased,
        arms=dict(sorted(total.arms.items())),
        latency=_binned(total.latency, LATENCY_MS, "ms"),
        outcomes=total.labels,
        delays=_binned(total.delays, DELAY_DAYS, "days"),
        looks=tuple(
            _look(each, of, len(looks), v) for each, v in zip(looks, found.values.tolist(), strict=True)
        ),
        streams=tuple(
            StreamState(name=each.name, of=each.of, values=tuple(found.streams[:, k].tolist()))
            for k, each in enumerate(every)
            if (each.counts if isinstance(each, Stream) else each.rows).any()
        ),
        drift=tuple(_drift(looks[-1], reference)) if looks else (),
        watched=len(every),
        alarms=tuple(raised),
        limits=tuple(_limit_states(of, limits, unknown, level)),
        groups=groups,
        estimated_groups=tuple(_estimated(total, reference)),
        disparities=tuple(_disparities(total, reference, level)),
        overrides=tuple(_overrides(total, level)),
        rates=tuple(known_rates(total, of.watch, level)),
        estimates=tuple(estimated_rates(total)),
        harm=of.watch.harm,
        harms=tuple(_harms(looks, of, len(every))),
    )


def _binned(counts: Sequence[int], edges: Sequence[float], unit: str) -> dict[str, int]:
    names = [*(f"up to {edge:g} {unit}" for edge in edges), f"above {edges[-1]:g} {unit}"]
    return {name: count for name, count in zip(names, counts, strict=False) if count}


def _look(look: Counts, of: Watched, looks: int, value: float) -> LookState:
    rows, selected = look.groups.get(ALL, {}).get(ALL, [0, 0])
    tail = of.policy.level / max(looks, 1)
    ratios = {}
    for attribute in of.reference.groups:
        found = _ratio(look, attribute, of.reference, tail, by_pairs=False)
        if found.value is not None:
            ratios[attribute] = (found.value, found.low, found.high)
    rate = next((each for each in known_rates(look, of.watch, tail) if each.measure == "accuracy"), None)
    scored = look.expected[0] + look.expected[2]
    return LookState(
        start=iso(look.start_us),
        end=iso(look.end_us),
        decisions=look.decisions,
        selection_rate=selected / rows if rows else None,
        mean_score=(look.expected[1] + look.expected[3]) / scored if scored else None,
        referred=look.referred,
        overridden=look.overridden,
        judged=look.confirmed + look.overridden,
        contests=look.contests,
        labels=max(look.labels, 0),
        fallback=look.arms.get("fallback", 0) + look.arms.get("none", 0),
        accuracy=None if rate is None or rate.value is None else (rate.value, rate.low, rate.high),
        ratios=ratios,
        detector=value,
    )


def _group_rates(total: Counts, reference: Reference, level: float) -> tuple[GroupRate, ...]:
    pairs = [(a, g) for a, groups in reference.groups.items() for g in groups if g in total.groups.get(a, {})]
    tail = level / max(len(pairs), 1)
    return tuple(_rate((a, g), total.groups[a][g], tail, _known_rate(reference, a, g)) for a, g in pairs)


def _rate(of: tuple[str, str], cells: Sequence[int], tail: float, reference: float | None) -> GroupRate:
    rows, hits = cells
    low, high = confidence_sequence.rate(
        np.array([hits]), np.array([rows]), tail, Prior.at([reference or 0.5])
    )
    return GroupRate(
        attribute=of[0], group=of[1], rows=rows, selected=hits, value=hits / rows if rows else None,
        low=float(low[0]), high=float(high[0]), reference=reference,
    )  # fmt: skip


def _known_rate(reference: Reference, attribute: str, group: str) -> float | None:
    known = reference.groups[attribute][group]
    return known.selected / known.rows if known.rows else None


def _estimated(total: Counts, reference: Reference) -> list[GroupRate]:
    return [
        GroupRate(
            attribute=a, group=g, rows=round(rows), selected=round(hits), value=hits / rows if rows else None,
            low=0.0, high=1.0,
            reference=_known_rate(reference, a, g) if g in reference.groups.get(a, {}) else None,
        )
        for a, groups in sorted(total.estimated.items())
        for g, (rows, hits) in sorted(groups.items())
    ]  # fmt: skip


def _overrides(total: Counts, level: float) -> list[GroupRate]:
    pairs = [(a, g) for a, groups in sorted(total.judged.items()) for g in sorted(groups)]
    return [_rate(of, total.judged[of[0]][of[1]], level / len(pairs), None) for of in pairs]


def _disparities(total: Counts, reference: Reference, level: float) -> list[Disparity]:
    present = [attribute for attribute in reference.groups if attribute in total.groups]
    return [_ratio(total, attribute, reference, level / len(present)) for attribute in present]


MOST_PAIRS = 15
"""Pairs of groups that are compared by themselves; of more, the bounds of each group's rate are."""


def _ratio(
    total: Counts, attribute: str, reference: Reference, tail: float, *, by_pairs: bool = True
) -> Disparity:
    """Return the ratio of the lowest and the highest selection rate; its bounds err with chance `tail`."""
    cells = {
        g: c for g, c in total.groups.get(attribute, {}).items() if g in reference.groups[attribute] and c[0]
    }
    if len(cells) < 2:
        return Disparity(attribute=attribute, value=None, low=0.0, high=1.0, lowest=None, highest=None)
    names = list(cells)
    hits, rows = (np.array([cells[g][k] for g in names], dtype=np.float64) for k in (1, 0))
    rates = hits / rows
    prior = Prior.at([_known_rate(reference, attribute, g) or 0.5 for g in names])
    low, high = ratio_bounds(hits, rows, tail, prior, by_pairs=by_pairs)
    lowest, highest = int(rates.argmin()), int(rates.argmax())
    value = float(rates[lowest] / rates[highest]) if rates[highest] > 0 else None
    return Disparity(
        attribute=attribute, value=value, low=low, high=high, lowest=names[lowest], highest=names[highest]
    )


def ratio_bounds(
    hits: Floats, rows: Floats, tail: float, prior: Prior, *, by_pairs: bool = True
) -> tuple[float, float]:
    """Return always-valid bounds of lowest over highest rate of some groups; they err with chance `tail`.

    The ratio is the least over ordered pairs of groups, so it lies between the least of their lower and the
    least of their upper bounds.
    """
    groups = len(hits)
    pairs = [(j, k) for j in range(groups) for k in range(j + 1, groups)]
    if by_pairs and len(pairs) <= MOST_PAIRS:
        both = []
        for j, k in pairs:
            at = [j, k]
            # Both ends of each pair may err, so that the chance is shared by twice as many.
            low, high = confidence_sequence.pair_counts(
                hits[at], rows[at], "ratio", tail / (2 * len(pairs)), prior.of(at)
            )
            both += [(low, high), (1 / high if high > 0 else np.inf, 1 / low if low > 0 else np.inf)]
        lows, highs = zip(*both, strict=True)
        return float(min(*lows, 1.0)), float(min(*highs, 1.0))
    below, above = confidence_sequence.rate(hits, rows, tail / groups, prior)
    low = float(below.min() / above.max()) if above.max() > 0 else 0.0
    high = float(above.min() / below.max()) if below.max() > 0 else 1.0
    return low, min(high, 1.0)


def _limit_states(
    of: Watched, limits: Sequence[LimitStream], unknown: Mapping[str, str], level: float
) -> list[LimitState]:
    by_name = {each.limit.name: each for each in limits}
    gated = [limit for limit in of.policy.limits if limit.gate]
    found = []
    for limit in gated:
        bound = f"at least {limit.at_least:g}" if limit.at_least is not None else f"at most {limit.at_most:g}"
        stream = by_name.get(limit.name)
        outcome: Literal["kept", "missed", "open", "unknown"] = "unknown"
        text = unknown.get(limit.name, "")
        if stream is not None:
            outcome, text = _limit_outcome(stream, level / len(gated))
        found.append(
            LimitState(
                name=limit.name, measure=limit.measure, attribute=limit.attribute, limit=bound,
                outcome=outcome, text=text,
            )
        )  # fmt: skip
    return found


def _limit_outcome(stream: LimitStream, tail: float) -> tuple[Literal["kept", "missed", "open"], str]:
    """Return whether a limit is shown to be kept or missed by all rows together, and the bounds."""
    hits, rows = stream.hits.sum(axis=0), stream.rows.sum(axis=0)
    if not rows.all():
        absent = ", ".join(name or "all" for name, n in zip(stream.groups, rows, strict=True) if not n)
        return "open", f"no rows of {absent}"
    margin = margin_of(stream.limit)
    limit = stream.limit
    if margin is None:
        below, above = confidence_sequence.rate(hits, rows, tail, stream.prior)
        value, low, high = hits[0] / rows[0], float(below[0]), float(above[0])
    elif margin.kind == "ratio":
        rates = hits / rows
        value = rates.min() / rates.max() if rates.max() > 0 else float("nan")
        low, high = ratio_bounds(hits, rows, tail, stream.prior)
    else:
        rates = hits / rows
        value = rates.max() - rates.min()
        below, above = confidence_sequence.rate(hits, rows, tail / len(hits), stream.prior)
        low, high = max(0.0, float(below.max() - above.min())), float(above.max() - below.min())
    text = f"{value:.3f} ({low:.3f} to {high:.3f}), {int(rows.sum()):,} rows"
    least, most = limit.at_least, limit.at_most
    if (least is None or low >= least) and (most is None or high <= most):
        return "kept", text
    if (least is not None and high < least) or (most is not None and low > most):
        return "missed", text
    return "open", text


def _drift(look: Counts, reference: Reference) -> list[DriftState]:
    found = []
    for feature in reference.features:
        cells = np.array(look.features.get(feature.name) or [0] * len(feature.test), dtype=np.float64)
        known = np.array(feature.test, dtype=np.float64)
        if not cells.sum() or not known.sum():
            continue
        shares = cells / cells.sum()
        n, total, squares = look.moments.get(feature.name, [0, 0.0, 0.0])
        mean = total / n if n else None
        # The sample variance of sums: n / (n - 1) of the mean square less the square of the mean.
        spread = max(squares / n - (total / n) ** 2, 0.0) * n / (n - 1) if n > 1 else None
        before = feature.test_moments
        found.append(
            DriftState(
                feature=feature.name,
                # Total variation: the share of rows that would have to be in another bin.
                distance=float(np.abs(shares - known / known.sum()).sum() / 2),
                missing=float(shares[feature.cells[feature.missing]]),
                unseen=float(shares[feature.cells[feature.unseen]]),
                outside=look.outside.get(feature.name, 0) / cells.sum(),
                mean=mean,
                mean_before=None if before is None else before.mean,
                sd=None if spread is None else float(np.sqrt(spread)),
                sd_before=None if before is None else before.sd,
            )
        )
    return sorted(found, key=lambda each: -each.distance)


def _harms(looks: Sequence[Counts], of: Watched, watched: int) -> list[DelayState]:
    """Return the delay until a move of the stated harm, of a feature and of each attribute's end groups."""
    rows = int(np.median([look.decisions for look in looks])) if looks else of.watch.least_rows
    harm, reference = of.watch.harm, of.reference
    how = {"streams": watched or len(reference.features) + 2, "run_length": of.watch.run_length}
    feature = max(reference.features, key=lambda each: len(each.test))
    found = [
        DelayState(
            what=f"{harm:g} of the mass of {feature.name} moves, at {rows:,} decisions a look",
            looks=delay(feature.test, to_largest(feature.test, harm), rows, **how),
        )
    ]
    for attribute, groups in reference.groups.items():
        ordered = sorted((known.rows, name) for name, known in groups.items() if known.rows)
        for name in dict.fromkeys(name for _, name in ordered[:1] + ordered[-1:]):
            known = groups[name]
            some = round(rows * known.rows / reference.test_rows)
            rate = known.selected / known.rows
            # Towards the middle, where a rate has room to move, and where a move is hardest to see.
            then = rate + harm if rate < 0.5 else rate - harm
            counts = [known.rows - known.selected, known.selected]
            what = (
                f"selection rate of {attribute} {name} from {rate:.3f} to {then:.3f}, at {some:,} rows a look"
            )
            found.append(DelayState(what=what, looks=delay(counts, [1 - then, then], some, **how)))
    return found


def _raised(
    at: int,
    alarms: Sequence[Alarm],
    looks: Sequence[Counts],
    by_name: Mapping[str, Stream | LimitStream],
    of: Watched,
    past: "Past",
) -> RaisedAlarm:
    alarm = alarms[at]
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


SHOWN = float(np.log(20))
"""Evidence from which two stretches are said to differ."""


def _labelled(
    by_name: Mapping[str, Stream | LimitStream], alarm: Alarm
) -> tuple[Mapping[Change, float], bool]:
    """Return how much is to be said against each reading of an alarm, and whether outcomes could say it.

    A change is covariate shift where the label at a score stayed as it was, prior probability shift where the
    score at a label did, and concept shift where the scores did: each is held against the rows whose outcome
    came since, as the logarithm of an e-value. Without labels of everybody the second can't be told.
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


def _moved(
    each: Carried,
    stream: Stream | LimitStream,
    looks: Sequence[Counts],
    look: int,
    past: "Past",
    of: Watched,
) -> Moved:
    cells: tuple[str, ...] = ()
    back = onset = None
    if isinstance(stream, Stream):
        segment = stream.counts[each.since : look + 1].sum(axis=0)
        cells = _moved_cells(each.name, segment, stream.reference, of.reference)
        if stream.reference.any():
            told = past.setdefault(each.name, [])
            onset = _onset(stream, each.since, look, told)
            back = _earlier(stream, each.since, look, told, of.watch) if onset is None else None
            if onset is not None:
                told.pop()
            told.append(Told(each.since if onset is None else onset, each.since, look))
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
    order = np.argsort(-np.abs(now - then), kind="stable")[:3].tolist()
    return tuple(f"{labels.get(k, f'bin {k + 1}')} {then[k]:.1%} to {now[k]:.1%}" for k in order)


def _differs(rows: Floats, known: Floats) -> bool:
    return float(against_reference(rows, known).sum()) > SHOWN


def _gone(stream: Stream, start: int, end: int, change: Floats) -> bool:
    """Return whether looks start..end-1, or the later half of them, are shown to be back from a change.

    They must be shown to differ from the change, and not from the reference: looks of which neither is shown
    are no sign that anything was back.
    """
    for first in {start, (start + end) // 2}:
        between = stream.counts[first:end].sum(axis=0)
        if first < end and _differs(between, change) and not _differs(between, stream.reference):
            return True
    return False


class Told(NamedTuple):
    """A change of one stream that was told: the look at which it began, and the last looks that told it."""

    onset: int
    since: int
    look: int


Past = dict[str, list[Told]]
"""Changes of each stream by its name, in order."""
REMEMBERED = 12
"""Of the newest changes of a stream so many are looked at for one that comes again."""


def _onset(stream: Stream, since: int, look: int, told: Sequence[Told]) -> int | None:
    """Return the look at which a change began that was told last and has not gone since, or None.

    After an alarm the detector begins anew, so a change that lasts is told again: not as another one.
    """
    change = stream.counts[since : look + 1].sum(axis=0)
    for last in told[-1:]:
        then = stream.counts[last.since : last.look + 1].sum(axis=0)
        if not _differs(change, then) and not _gone(stream, last.look + 1, since, change):
            return last.onset
    return None


def _earlier(stream: Stream, since: int, look: int, told: Sequence[Told], watch: Watch) -> int | None:
    """Return the start of an earlier change that this one is alike to, and that had gone, or None.

    Of the changes that were told before, the newest; or the looks of a year ago.
    """
    length, year = look - since + 1, round(365 / watch.window_days)
    change = stream.counts[since : look + 1].sum(axis=0)
    last_year = Told(since - year, since - year, since - year + length - 1)
    for each in [*told[: -REMEMBERED - 1 : -1], last_year]:
        then = stream.counts[max(each.since, 0) : each.look + 1].sum(axis=0)
        alike = each.since >= 0 and _differs(then, stream.reference) and not _differs(change, then)
        if alike and _gone(stream, each.look + 1, since, change):
            return each.onset
    return None
