"""What a search may choose: params dimensions as points, and points as choices of a fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmark.errors import ParamsError
from fairmark.params.learn import Choice, Chosen, Dimension, FloatRange, IntRange, Step, Tune

Value = float | int | str | bool
Point = Mapping[str, Value]
"""One value for each name: `family`, `balance`, `reweighing`, `FAMILY.SETTING`, and `strength.N`."""

DIGITS = 6
"""Significant digits of a searched number: what is written down is what was tried."""


@dataclass(frozen=True)
class Space:
    """All that `tune` may choose from."""

    tune: Tune

    def check(self) -> None:
        """Refuse dimensions that hold no value.

        Raises
        ------
        ParamsError
            With one line for every dimension whose low end is above its high one, or is not above 0 on a log
            scale, and for every list with nothing to choose from.
        """
        faults = []
        for name, dimension in self._all():
            if isinstance(dimension, Choice):
                continue
            if dimension.low > dimension.high:
                faults.append(f"{name}: must have low <= high, got {dimension.low} > {dimension.high}")
            elif dimension.log and dimension.low <= 0:
                faults.append(f"{name}: must have low > 0 on a log scale, got {dimension.low}")
        needed = ("families", "balance", "reweighing")
        empty = [name for name in needed if not getattr(self.tune, name)]
        faults += [f"{name}: must hold something to choose from, got nothing" for name in empty]
        if faults:
            raise ParamsError(*(f"params.yaml: tune.{fault}" for fault in faults))

    @property
    def families(self) -> list[str]:
        """The families, sorted: the order in which params are written must change nothing."""
        return sorted(self.tune.families)

    def dimensions(self, family: str) -> dict[str, Dimension]:
        """Return every dimension that a point of this family has, beside `family`."""
        found: dict[str, Dimension] = {
            "balance": Choice(type="choice", values=list(self.tune.balance)),
            "reweighing": Choice(type="choice", values=list(self.tune.reweighing)),
        }
        settings: Mapping[str, Dimension] = self.tune.families[family]  # type: ignore[index]
        found |= {f"{family}.{name}": dimension for name, dimension in sorted(settings.items())}
        return found | {f"strength.{n}": step.strength for n, step in enumerate(self.tune.mitigation)}

    def chosen(self, point: Point, margin: float | None) -> Chosen:
        """Return the choices that a point stands for."""
        family = point["family"]
        steps = [
            Step(
                attribute=step.attribute, constraint=step.constraint, strength=_short(point[f"strength.{n}"])
            )
            for n, step in enumerate(self.tune.mitigation)
            if point[f"strength.{n}"]
        ]
        prefix = f"{family}."
        return Chosen(
            family=family,  # type: ignore[arg-type]
            settings={k.removeprefix(prefix): _short(v) for k, v in point.items() if k.startswith(prefix)},
            balance=point["balance"],  # type: ignore[arg-type]
            reweighing=bool(point["reweighing"]),
            mitigation=steps,
            margin=margin,
            folds=None,
        )

    def nearby(self, chosen: Chosen, factor: float) -> Chosen:
        """Return the choices with every strength times `factor`, held within its dimension."""
        ends = {(step.attribute, step.constraint): _ends(step.strength) for step in self.tune.mitigation}
        steps = []
        for step in chosen.mitigation:
            low, high = ends[step.attribute, step.constraint]
            strength = _short(min(max(step.strength * factor, low), high))
            steps.append(step.model_copy(update={"strength": strength}))
        return chosen.model_copy(update={"mitigation": steps})

    def plain(self) -> list[Chosen]:
        """Return what each later candidate is compared with: models whose only aim is quality.

        First the baseline, a simple model; then the strong one, which shows the price of mitigation. Settings
        are mid-space, without balance, mitigation or a margin.
        """
        families = [f for f in ("logistic", "boosted") if f in self.tune.families]
        untouched: dict[str, Value] = {"balance": "none", "reweighing": False}
        untouched |= {f"strength.{n}": 0.0 for n in range(len(self.tune.mitigation))}
        return [self.chosen({**self.middle(family), **untouched}, None) for family in families]

    def ladder(self) -> list[Point]:
        """Return points of the strongest family, mid-space but for mitigation, which rises rung by rung."""
        if not self.tune.mitigation:
            return []
        family = "boosted" if "boosted" in self.tune.families else "logistic"
        steps = [rungs(step.strength) for step in self.tune.mitigation]
        height = max(map(len, steps))
        climbs = [[step[min(k, len(step) - 1)] for step in steps] for k in range(height)]
        return [
            {**self.middle(family), **{f"strength.{n}": value for n, value in enumerate(climb)}}
            for climb in climbs
            if any(climb)
        ]

    def middle(self, family: str) -> Point:
        """Return the point in the middle of each of the family's dimensions; the first of a list."""
        return {"family": family} | {name: _middle(d) for name, d in self.dimensions(family).items()}

    def grid(self, seed: int, most: int) -> Iterator[Point]:
        """Yield the points of the whole grid in an order drawn from `seed`, `most` at most."""
        axes = {f: {n: rungs(d) for n, d in self.dimensions(f).items()} for f in self.families}
        sizes = [int(np.prod([len(axis) for axis in axes[f].values()])) for f in axes]
        ends = np.cumsum(sizes)
        drawn = np.random.default_rng([seed, 2]).choice(
            int(ends[-1]), min(most, int(ends[-1])), replace=False
        )
        for place in drawn.tolist():
            which = int(np.searchsorted(ends, place, side="right"))
            family, shape = list(axes)[which], [len(a) for a in list(axes.values())[which].values()]
            at = np.unravel_index(place - (int(ends[which]) - sizes[which]), shape)
            yield {"family": family} | {
                name: axis[int(k)] for (name, axis), k in zip(axes[family].items(), at, strict=True)
            }

    def _all(self) -> Iterator[tuple[str, Dimension]]:
        for family, settings in self.tune.families.items():
            yield from ((f"families.{family}.{name}", dimension) for name, dimension in settings.items())
        yield from (
            (f"mitigation.{n}.strength", step.strength) for n, step in enumerate(self.tune.mitigation)
        )


def rungs(dimension: Dimension) -> list[Value]:
    """Return the values of a dimension on the grid, lowest first."""
    if isinstance(dimension, Choice):
        return list(dimension.values)
    if dimension.grid == 1 or dimension.low == dimension.high:
        return [_middle(dimension)]
    space = np.geomspace if dimension.log else np.linspace
    values: list[float] = space(dimension.low, dimension.high, dimension.grid).tolist()
    if isinstance(dimension, IntRange):
        return [*sorted({round(value) for value in values})]
    return [*values]


def suggest(trial: Any, name: str, dimension: Dimension) -> Value:
    """Return the value that an Optuna trial suggests for a dimension."""
    match dimension:
        case Choice(values=[only]):
            return only
        case Choice(values=values):
            return trial.suggest_categorical(name, values)  # type: ignore[no-any-return]
        case IntRange():
            return int(trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log))
        case FloatRange():
            return float(trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log))
    raise TypeError(dimension)


def _ends(dimension: Dimension) -> tuple[float, float]:
    if isinstance(dimension, Choice):
        numbers = [float(value) for value in dimension.values]
        return min(numbers), max(numbers)
    return float(dimension.low), float(dimension.high)


def _middle(dimension: Dimension) -> Value:
    if isinstance(dimension, Choice):
        return dimension.values[0]
    low, high = dimension.low, dimension.high
    value = float(np.sqrt(low * high)) if dimension.log else (low + high) / 2
    return round(value) if isinstance(dimension, IntRange) else value


def _short(value: Value) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
