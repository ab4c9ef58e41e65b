"""Is this measurements document whole, and does it agree with itself? Anything else never passes.

A document is refused for a number that is missing, not finite or out of range; a value that its own cells
contradict; groups that don't add up to all rows (a group left out); and for speaking of another model,
other thresholds or other groups than the ones expected.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmark.files import steady
from fairmark.judge import findings
from fairmark.judge.constant_answer import gain
from fairmark.stats.confusion import ConfusionMatrix
from fairmark.stats.losses import WORST_LOSS
from fairmark.stats.measures import COMPARED, COUNTED, EQUALIZED_ODDS, GAINS, MEASURES, SCORED, OfScores
from fairmark.stats.rates import rate_of, value_of

CLOSE = 1e-6
"""Values are written with ten digits; what is further off was not computed from the cells beside it."""

HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Expected:
    """What a document must speak of; None leaves it open."""

    model: str | None = None
    threshold: float | None = None
    groups: Mapping[str, Sequence[str]] | None = None
    thresholds: Mapping[str, Any] | None = None
    """Those of groups' own, as model.json states them; None beside a threshold says that there are none."""


def faults(document: Any, expected: Expected) -> list[str]:
    """Return everything that is wrong with a measurements document, as `where: what must hold, got what`."""
    try:
        found = [*_numbers(document, "measurements")]
        # Comparing cells with values makes sense only of numbers.
        return found or [
            *_origin(document, expected),
            *_whole(document),
            *_parts(document, expected),
            *findings.faults(document),
        ]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        words = f"no {error}" if isinstance(error, KeyError) else str(error)
        return [f"measurements: must have the shape that `evaluate` writes, got {words}"]


def _numbers(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: must be finite, got {value}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for k, item in enumerate(value):
            yield from _numbers(item, f"{where}.{k}")


def _origin(document: Mapping[str, Any], expected: Expected) -> Iterator[str]:
    model, data = document["model"], document["data"]
    sha256, threshold = model["sha256"], model["threshold"]
    if not isinstance(sha256, str) or len(sha256) != 64 or not set(sha256) <= HEX:
        yield f"measurements.model.sha256: must be 64 hex digits, got {sha256!r}"
    if not _is_number(threshold):
        yield f"measurements.model.threshold: must be a number, got {threshold!r}"
    elif expected.threshold is not None and abs(threshold - expected.threshold) > 1e-9:
        yield f"measurements.model.threshold: must be {expected.threshold} of the model, got {threshold}"
    yield from _thresholds(document, expected)
    if expected.model is not None and sha256 != expected.model:
        yield f"measurements.model.sha256: must be {expected.model} of the model, got {sha256}"
    if data["part"] != "test":
        yield f"measurements.data.part: must be test, got {data['part']!r}"
    rows_sha256 = data["rows_sha256"]
    if not isinstance(rows_sha256, str) or len(rows_sha256) != 64 or not set(rows_sha256) <= HEX:
        yield f"measurements.data.rows_sha256: must be 64 hex digits, got {rows_sha256!r}"


def _thresholds(document: Mapping[str, Any], expected: Expected) -> Iterator[str]:
    """Find what is wrong with thresholds of groups' own."""
    where, stated = "measurements.model.thresholds", document["model"].get("thresholds")
    if stated is not None:
        names, own = set(document["groups"].get(stated["attribute"], {})), stated["groups"]
        if not all(_is_number(cut) for cut in own.values()) or not set(own) <= names or len(own) < 2:
            yield f"{where}: must be numbers for groups of {stated['attribute']}, {sorted(names)}, got {own}"
    known = expected.threshold is not None or expected.thresholds is not None
    if known and _steady(stated) != _steady(expected.thresholds):
        yield f"{where}: must be {_told(expected.thresholds)} of the model, got {_told(stated)}"


def _steady(thresholds: Mapping[str, Any] | None) -> Any:
    return None if thresholds is None else steady(dict(thresholds))


def _told(thresholds: Mapping[str, Any] | None) -> str:
    return "none" if thresholds is None else f"{thresholds['groups']} by {thresholds['attribute']}"


def _whole(document: Mapping[str, Any]) -> Iterator[str]:
    cells, data = ConfusionMatrix.from_json(document["cells"]), document["data"]
    yield from _totals(cells, data, "measurements.data")
    if cells.weighted != data["weighted"]:
        yield f"measurements.data.weighted: must agree with the cells, got {data['weighted']!r}"
    overall = document["overall"]
    yield from (found := [*_measures(cells, overall, "measurements.overall")])
    for name in GAINS if not found else ():
        yield from _entry(
            overall.get(name), gain(name, overall, cells)[0].value, f"measurements.overall.{name}"
        )


def _totals(cells: ConfusionMatrix, stated: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, total in (("rows", cells.count.sum()), ("positives", cells.count[:, 1].sum())):
        if isinstance(stated[name], bool) or stated[name] != total:
            yield f"{where}.{name}: must be the sum of its cells {total}, got {stated[name]!r}"


def _parts(document: Mapping[str, Any], expected: Expected) -> Iterator[str]:
    groups, disparities = document["groups"], document["disparities"]
    if set(groups) != set(disparities):
        yield f"measurements.disparities: must speak of {sorted(groups)}, got {sorted(disparities)}"
    if expected.groups is not None:
        yield from _known(groups, expected.groups)
    whole = ConfusionMatrix.from_json(document["cells"])
    for attribute, entries in groups.items():
        where = f"measurements.groups.{attribute}"
        cells = gathered(entries)
        if not _close(cells.total(), whole):
            yield f"{where}: must add up to the cells of all rows, got a group too few or too many"
        for k, (group, entry) in enumerate(entries.items()):
            yield from _totals(cells.group(k), entry, f"{where}.{group}")
            yield from _measures(cells.group(k), entry["measures"], f"{where}.{group}")
        spot = f"measurements.disparities.{attribute}"
        yield from _disparities(cells, list(entries), disparities.get(attribute, {}), spot)


def gathered(entries: Mapping[str, Any]) -> ConfusionMatrix:
    """Return the cells of the groups of one attribute, in the document's order.

    Raises
    ------
    ValueError, KeyError
        When there is no group, or one has no cells.
    """
    each = [ConfusionMatrix.from_json(entry["cells"]) for entry in entries.values()]
    if not each:
        raise ValueError("an attribute without groups")
    count, weight, square = (
        np.concatenate([getattr(cells, name) for cells in each]) for name in ("count", "weight", "square")
    )
    return ConfusionMatrix(count, weight, square)


def _known(groups: Mapping[str, Any], expected: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for attribute, names in expected.items():
        found = sorted(groups.get(attribute, {}))
        if found != sorted(names):
            yield f"measurements.groups.{attribute}: must be the groups {sorted(names)}, got {found}"


def _measures(cells: ConfusionMatrix, entries: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in _asked(COUNTED, entries):
        computed = float(value_of(cells, name)[0])
        yield from _entry(entries.get(name), None if math.isnan(computed) else computed, f"{where}.{name}")
    named = cells.to_json()
    both = named["tp"] + named["fn"] > 0 and named["fp"] + named["tn"] > 0
    for name in SCORED:
        there = both if name in ("roc_auc", "pr_auc") else cells.count.sum() > 0
        yield from _scored(entries.get(name), name, bool(there), f"{where}.{name}")


def _asked(names: Iterable[str], entries: Mapping[str, Any], ending: str = "") -> Iterator[str]:
    """Yield the measures that must be there, and those that joined later and are."""
    for name in names:
        if MEASURES[name].required or f"{name}{ending}" in entries:
            yield name


def _entry(entry: Any, computed: float | None, where: str, *, exactly: bool = True) -> Iterator[str]:
    """Find what is wrong with `{"value", "low", "high"}`; `computed` None wants no value, and why."""
    if not isinstance(entry, Mapping) or not {"value", "low", "high"} <= set(entry):
        yield f"{where}: must be measured, got {entry!r:.60}"
        return
    value, low, high = entry["value"], entry["low"], entry["high"]
    if computed is None:
        if value is not None or not entry.get("why"):
            yield f"{where}: must be null and say why, as its cells hold no rows for it, got {value!r}"
    elif not all(_is_number(number) for number in (value, low, high)):
        yield f"{where}: must be numbers, as its cells hold rows for it, got {value!r} in {low!r} to {high!r}"
    elif exactly and abs(value - computed) > CLOSE:
        yield f"{where}: must be {computed:.6g} by its cells, got {value}"
    elif not low - CLOSE <= value <= high + CLOSE:
        yield f"{where}: must lie within its interval {low} to {high}, got {value}"


def _scored(entry: Any, name: str, there: bool, where: str) -> Iterator[str]:
    found = [*_entry(entry, 0.0 if there else None, where, exactly=False)]
    yield from found
    if found or not there:
        return
    if not 0 <= entry["value"] <= WORST_LOSS.get(name, 1.0):
        yield f"{where}: must be in 0..{WORST_LOSS.get(name, 1.0):.4g}, got {entry['value']}"
    if name == "calibration_error":
        gaps, spreads = entry["gaps"], entry["spreads"]
        if len(gaps) != len(spreads) or min(spreads) < 0 or abs(sum(map(abs, gaps)) - entry["value"]) > CLOSE:
            yield f"{where}: must be the sum of its bins' gaps, got {entry['value']}"
        return
    formula = MEASURES[name].formula
    for needed in ("se", "df", *(formula.stored if isinstance(formula, OfScores) else ())):
        if not _is_number(entry[needed]) or (entry[needed] < 0 and needed != "skew"):
            yield f"{where}.{needed}: must be a number >= 0, got {entry[needed]!r}"


def _disparities(
    cells: ConfusionMatrix, names: Sequence[str], entries: Mapping[str, Any], where: str
) -> Iterator[str]:
    gaps = {}
    for name in _asked(COMPARED, entries, "_ratio"):
        value, _, rows = rate_of(cells, name)
        held = value[rows > 0]
        least, most = (held.min(), held.max()) if len(held) > 1 else (math.nan, math.nan)
        gaps[name] = None if math.isnan(least) else float(most - least)
        quotient = None if math.isnan(least) or most == 0 else float(least / most)
        for kind, computed in (("ratio", quotient), ("difference", gaps[name])):
            spot = f"{where}.{name}_{kind}"
            yield from _entry(entries.get(f"{name}_{kind}"), computed, spot)
            yield from _ends(entries.get(f"{name}_{kind}"), names, spot)
    odds = (gaps["true_positive_rate"], gaps["false_positive_rate"])
    worse = None if None in odds else max(gap for gap in odds if gap is not None)
    yield from _entry(entries.get(EQUALIZED_ODDS), worse, f"{where}.{EQUALIZED_ODDS}")


def _ends(entry: Any, names: Sequence[str], where: str) -> Iterator[str]:
    if isinstance(entry, Mapping) and entry.get("value") is not None:
        strangers = {entry.get("lowest"), entry.get("highest")} - set(names)
        if strangers:
            yield f"{where}: must name groups of the attribute, got {sorted(map(str, strangers))}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _close(one: ConfusionMatrix, two: ConfusionMatrix) -> bool:
    same = np.array_equal(one.count, two.count)
    return same and all(
        np.allclose(getattr(one, name), getattr(two, name), rtol=CLOSE, atol=CLOSE)
        for name in ("weight", "square")
    )
