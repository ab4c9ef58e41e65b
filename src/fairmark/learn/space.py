"""What a search may choose: params dimensions as points, and points as choices of a fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fairmark.errors import ParamsError
from fairmark.params.learn import (
    Blind,
    Choice,
    Chosen,
    Dimension,
    FloatRange,
    IntRange,
    Margin,
    Maximise,
    Step,
    Tune,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str | bool
Point = Mapping[str, Value]
"""One value for each name: `family`, `balance`, `reweighing`, `FAMILY.SETTING`, and `strength.N`."""

GRID = 5
"""Values of a bracketed strength on the grid."""
DIGITS = 6
"""Significant digits of a searched number: what is written down is what was tried."""


PLAIN: Mapping[str, Mapping[str, Value]] = {
    "additive": {"learning_rate": 0.1, "min_child_samples": 20, "pairs": 10},
    "boosted": {"learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 20},
    "logistic": {"c": 1.0},
}
"""The settings that the libraries have by themselves, LightGBM's and scikit-learn's, and ten pairs."""
ROLES: Mapping[str, str] = {"boosted": "unmitigated", "logistic": "baseline"}
"""What plain models are called; an additive one is neither, where there is another."""
ROWS_A_LEAF = 20
"""Train rows that there are at least for each leaf of the largest trees that are searched."""


@dataclass(frozen=True)
class Aim:
    """What every trial of a search shares beside the space."""

    margin: Margin | None
    folds: int | None = None
    maximise: Maximise | None = None
    selected: tuple[float, float] | None = None
    price: float | None = None
    blind: Blind | None = None


@dataclass(frozen=True)
class Space:
    """All that `tune` may choose from.

    Parameters
    ----------
    brackets
        The range of each strength that is `auto`, by family and place among `tune.mitigation`.
    rows
        Train rows, by whose number leaves are limited; None does not limit them.
    only
        The families that are searched; empty for all.
    """

    tune: Tune
    brackets: Mapping[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    rows: int | None = None
    only: Sequence[str] = ()

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
        return sorted(set(self.tune.families) & set(self.only or self.tune.families))

    def dimensions(self, family: str) -> dict[str, Dimension]:
        """Return every dimension that a point of this family has, beside `family`."""
        found: dict[str, Dimension] = {
            "balance": Choice(type="choice", values=list(self.tune.balance)),
            "reweighing": Choice(type="choice", values=list(self.tune.reweighing)),
        }
        settings: Mapping[str, Dimension] = self.tune.families[family]  # type: ignore[index]
        found |= {f"{family}.{name}": self._held(name, each) for name, each in sorted(settings.items())}
        return found | {f"strength.{n}": self.strength(family, n) for n in range(len(self.tune.mitigation))}

    def sampled(self, family: str) -> dict[str, Dimension]:
        """Return every dimension that a sampler is asked for, the family among them."""
        return {"family": Choice(type="choice", values=[*self.families])} | self.dimensions(family)

    def strength(self, family: str, n: int) -> Dimension:
        """Return the range of a strength: the given one, or the bracket that was found."""
        given = self.tune.mitigation[n].strength
        if given != "auto":
            return given
        low, high = self.brackets.get((family, n), (0.0, 0.0))
        return FloatRange(type="float", low=_short(low), high=_short(high), log=False, grid=GRID)

    @property
    def bracketed(self) -> list[int]:
        """The places of the mitigations whose strength is `auto`."""
        return [n for n, step in enumerate(self.tune.mitigation) if step.strength == "auto"]

    def _held(self, name: str, dimension: Dimension) -> Dimension:
        """Return a range of leaves, or of rows a leaf, that the number of train rows can fill."""
        if (
            self.rows is None
            or name not in {"num_leaves", "min_child_samples"}
            or isinstance(dimension, Choice)
        ):
            return dimension
        # Never below the low end, which a person gave: few rows narrow a range to one value, not to none.
        most = max(dimension.low, min(dimension.high, self.rows // ROWS_A_LEAF))
        return dimension.model_copy(update={"high": most})

    def chosen(self, point: Point, aim: Aim) -> Chosen:
        """Return the choices that a point stands for."""
        family = point["family"]
        steps = [
            Step(
                attribute=step.attribute, constraint=step.constraint, strength=_short(point[f"strength.{n}"])
            )
            for n, step in enumerate(self.tune.mitigation)
            # A strength of 0 is no mitigation, and is not written down as one.
            if point[f"strength.{n}"]
        ]
        prefix = f"{family}."
        return Chosen(
            family=family,  # type: ignore[arg-type]
            settings={k.removeprefix(prefix): _short(v) for k, v in point.items() if k.startswith(prefix)},
            balance=point["balance"],  # type: ignore[arg-type]
            reweighing=bool(point["reweighing"]),
            mitigation=steps,
            margin=aim.margin,
            folds=aim.folds,
            maximise=aim.maximise,
            selected=aim.selected,
            # Without a margin no limit is looked at, and nothing has a price.
            price=aim.price if aim.margin is not None else None,
            blind=aim.blind,
        )

    def nearby(self, chosen: Chosen, factor: float) -> Chosen:
        """Return the choices with every strength times `factor`, held within its dimension; none of 0."""
        ranges = {
            (step.attribute, step.constraint): self.strength(chosen.family, n)
            for n, step in enumerate(self.tune.mitigation)
        }
        steps = []
        for step in chosen.mitigation:
            strength = _short(_within(ranges[step.attribute, step.constraint], step.strength * factor))
            steps += [step.model_copy(update={"strength": strength})] if strength else []
        return chosen.model_copy(update={"mitigation": steps})

    def plain(self, aim: Aim) -> list[tuple[str, Chosen]]:
        """Return what each later candidate is compared with, and its role: models whose only aim is quality.

        Boosted trees, which show the price of mitigation, and a logistic regression, the simple baseline, at
        the settings that their libraries have, without balance, mitigation or a margin. One family alone is
        the baseline.
        """
        only = len(self.tune.families) == 1
        roles = dict.fromkeys(self.tune.families, "baseline") if only else ROLES
        aim = replace(aim, margin=None)
        return [
            (role, self.chosen(self.none(family), aim))
            for family, role in roles.items()
            if family in self.tune.families
        ]

    def none(self, family: str) -> Point:
        """Return the family's plain point without mitigation, wherever its ranges begin."""
        return {
            **self.rung(family, 0.0),
            **{f"strength.{n}": 0.0 for n in range(len(self.tune.mitigation))},
        }

    def is_plain(self, chosen: Chosen) -> bool:
        """Return whether choices are those of a plain model, whatever its margin."""
        plain = self.chosen(self.none(chosen.family), Aim(margin=None))
        done = chosen.balance, chosen.reweighing, chosen.mitigation
        return chosen.settings == plain.settings and done == ("none", False, [])

    def rung(self, family: str, strength: float) -> Point:
        """Return the family's plain point at a strength of every mitigation; nothing else is done.

        A mitigation whose range is given keeps to it, however far the others are bracketed.
        """
        point: dict[str, Value] = {"family": family, "balance": "none", "reweighing": False}
        point |= {f"{family}.{name}": value for name, value in PLAIN[family].items()}
        given: Mapping[str, Dimension] = self.tune.families[family]  # type: ignore[index]
        # What params fix holds of the plain models too.
        point |= {
            f"{family}.{name}": each.values[0]
            for name, each in given.items()
            if isinstance(each, Choice) and single(each)
        }
        return point | {
            f"strength.{n}": strength if step.strength == "auto" else _within(step.strength, strength)
            for n, step in enumerate(self.tune.mitigation)
        }

    def ladder(self) -> list[Point]:
        """Return points of the strongest family, mid-space but for mitigation, which rises rung by rung."""
        if not self.tune.mitigation or self.bracketed:
            return []
        family = "boosted" if "boosted" in self.tune.families else "logistic"
        steps = [rungs(self.strength(family, n)) for n in range(len(self.tune.mitigation))]
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
        # By number and not as a list: a grid may have more points than memory has room for.
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
            (f"mitigation.{n}.strength", step.strength)
            for n, step in enumerate(self.tune.mitigation)
            if step.strength != "auto"
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


def distribution(dimension: Dimension) -> "BaseDistribution":
    """Return Optuna's distribution of a dimension, the one that `suggest` asks for."""
    from optuna import distributions

    match dimension:
        case Choice(values=values):
            return distributions.CategoricalDistribution(values)
        case IntRange(low=low, high=high, log=log):
            return distributions.IntDistribution(low, high, log=log)
        case FloatRange(low=low, high=high, log=log):
            return distributions.FloatDistribution(low, high, log=log)
    raise TypeError(dimension)


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


def _within(dimension: Dimension, value: float) -> float:
    """Return the value of a dimension of numbers that is nearest to this one; of two as near the lower."""
    if isinstance(dimension, Choice):
        return min((float(each) for each in dimension.values), key=lambda each: (abs(each - value), each))
    return min(max(value, float(dimension.low)), float(dimension.high))


def _middle(dimension: Dimension) -> Value:
    if isinstance(dimension, Choice):
        return dimension.values[0]
    low, high = dimension.low, dimension.high
    # On a log scale the middle is the geometric mean.
    value = float(np.sqrt(low * high)) if dimension.log else (low + high) / 2
    return round(value) if isinstance(dimension, IntRange) else value


def _short(value: Value) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def single(dimension: Dimension) -> bool:
    """Return whether a dimension is a list of one value, which no sampler is asked for."""
    return isinstance(dimension, Choice) and len(dimension.values) == 1


def holds(dimension: Dimension, value: Value) -> bool:
    """Return whether a value lies within a dimension."""
    if isinstance(dimension, Choice):
        return value in dimension.values
    return isinstance(value, int | float) and dimension.low <= value <= dimension.high
