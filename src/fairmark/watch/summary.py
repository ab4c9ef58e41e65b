"""The summary of what was counted: rates and disparities by group with bounds, limits, drift, and alarms."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from fairmark.data.reference import Reference
from fairmark.stats import confidence_sequence
from fairmark.stats.arrays import Floats
from fairmark.stats.e_process import Prior
from fairmark.watch.change import Past, raised_alarm
from fairmark.watch.detector import delay, detect, to_largest
from fairmark.watch.documents import (
    DelayState,
    Disparity,
    DriftState,
    GroupRate,
    LimitState,
    LookState,
    StreamState,
    Watched,
    WatchSummary,
    iso,
)
from fairmark.watch.evidence import LimitStream, Stream, limit_streams, margin_of, streams
from fairmark.watch.identified import estimated_rates, known_rates
from fairmark.watch.windows import ALL, DELAY_DAYS, LATENCY_MS, Counted, Counts


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
    raised = [raised_alarm(k, found.alarms, looks, by_name, of, past) for k in range(len(found.alarms))]
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
