"""Hyperparameter search in seeded, fixed batches, and its results: the Pareto front and the chosen trial.

The same trials run in the same order, wherever and however often the search runs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairmark.errors import StateError
from fairmark.learn.bracket import Bracket
from fairmark.learn.policy_limits import EVENTS
from fairmark.learn.space import Aim, Point, Space, Value, distribution, holds, single, suggest
from fairmark.learn.summaries import BracketRow, Cell, Role, SearchSummary, TrialRow
from fairmark.learn.trial import IntermediateValue, Outcome, TrialRequest, bars, fairness
from fairmark.learn.workers import Checkpoint
from fairmark.params.learn import Assurance, Chosen, Tune
from fairmark.params.policy import Policy
from fairmark.stats.measures import TILES

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """A numbered trial, its hyperparameters, and its results."""

    number: int
    role: Role
    chosen: Chosen
    outcome: Outcome

    def fairness(self, policy: Policy) -> float:
        """Return the least slack of the gated limits on groups; 0 without such a limit."""
        return fairness(policy, self.outcome.slacks)


def ranked(trials: Sequence[Trial], tie: float = 0.0, price: float = math.inf) -> list[Trial]:
    """Return the trials that ran to their end, the best first.

    Those that are of use, then the others; among them those that keep every gated limit by quality, then the
    others by their gain less `price` for each unit of what is missing, which is a point of the convex hull of
    their Pareto front; of equals the nearer, then the earlier one. With an infinite price it is the nearest.
    First of all stands, of the trials that are as near to the limits as the best and within `tie` standard
    errors of its quality, the one of the best AUC (the one standard error rule of Breiman et al. 1984,
    section 3.4.3, with ranking in the place of size).
    """
    done = [trial for trial in trials if trial.outcome.failure is None and not trial.outcome.pruned]

    def place(trial: Trial) -> tuple[float, ...]:
        found = trial.outcome
        missed = found.violation > 0
        worth = found.worth(price) if missed and math.isfinite(price) else 0.0
        return (bool(found.useless), missed, -worth, found.violation, -found.quality, trial.number)

    order = sorted(done, key=place)
    if not order or not tie:
        return order
    top = order[0].outcome
    # Trials within `tie` standard errors can't be told apart by quality; among them the AUC says which ranks
    # better, whatever the threshold.
    alike = [
        each
        for each in order
        if (bool(each.outcome.useless), each.outcome.violation) == (bool(top.useless), top.violation)
        and each.outcome.quality >= top.quality - tie * top.error
    ]
    first = max(alike, key=lambda t: (t.outcome.area, t.outcome.quality, -t.number))
    return [first, *(each for each in order if each is not first)]


UNEVEN = 1 / 3
"""Share of the rarer label below which another measure than accuracy is proposed, where nothing is of use."""


def lead(best: Trial, plain: Trial, price: float) -> float:
    """Return how much better a trial is than a plain model, in gain or in AUC, whichever is more.

    Outside the limits the gain is taken less the price of the violation. Infinite where only the first is of
    use, or within the limits.
    """
    one, two = best.outcome, plain.outcome
    if (bool(one.useless), one.violation > 0) != (bool(two.useless), two.violation > 0):
        return math.inf
    return max(one.worth(price) - two.worth(price), one.area - two.area)


def is_ahead(best: Trial, plain: Trial, least: float, price: float) -> bool:
    """Return whether a trial is better than a plain model by `least`, and by more than a standard error.

    In gain or in AUC, as `lead` has it. The difference of two results on the same rows has the variance
    2 (1 - r) of one of them, r their correlation, which is less than one's own from r = 1/2 on; results of
    two models of the same rows correlate by more.
    """
    one, two = best.outcome, plain.outcome
    if math.isinf(lead(best, plain, price)):
        return True
    gained = one.worth(price) - two.worth(price)
    # Of an AUC that is 1 no error is known, as of any result without spread: then `least` decides.
    return gained > max(least, one.gain_error) or one.area - two.area > max(least, one.area_error)


def _is_as_good(plain: Trial, first: Trial) -> bool:
    """Return whether a plain logistic regression ranks rows within a standard error of the first plain model.

    The one standard error rule (Breiman et al. 1984, section 3.4.3): of models that can't be told apart the
    smallest. Few rows can't tell trees from a line, and then the line does better on rows to come.
    """
    one, two = plain.outcome, first.outcome
    alike = (bool(one.useless), one.violation) == (bool(two.useless), two.violation)
    return plain.chosen.family == "logistic" and alike and two.area - one.area <= two.area_error


@dataclass(frozen=True)
class Search:
    """A search over `tune`'s space.

    Parameters
    ----------
    tune, policy
        The space, sampler and budget; the limits that trials are measured by.
    attempt
        Runs one trial: an `TrialRequest` as JSON in, an `Outcome` as JSON out. It travels to the workers.
    executor
        Where trials run. Each batch is asked for before any of it is known, and told in the order asked, so
        the number of workers changes nothing.
    record
        Trials that an earlier run of the same search has finished.
    report
        Called with the trials so far, after each batch.
    aim
        What every trial shares; by default the margin of `tune` alone.
    rows
        Train rows, by whose number leaves are limited.
    """

    tune: Tune
    policy: Policy
    attempt: Callable[[str], str]
    executor: Executor
    record: Checkpoint
    report: Callable[[Sequence[Trial]], None]
    aim: Aim | None = None
    rows: int | None = None
    brackets: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict, init=False)
    """The range of each strength that is `auto`, by family and place among mitigations; filled by `run`."""

    @property
    def _aim(self) -> Aim:
        return self.aim or Aim(self.tune.margin)

    def run(self) -> list[Trial]:
        """Return all trials: the plain ones first, then the searched ones, then the finalists.

        Raises
        ------
        ParamsError
            When the space holds nothing.
        StateError
            When a worker died.
        """
        space = Space(self.tune, rows=self.rows)
        space.check()
        plain = space.plain(self._aim)[: self.tune.trials]
        outcomes = self._outcomes([chosen for _, chosen in plain], [])
        trials = [
            Trial(number, role, chosen, outcome)  # type: ignore[arg-type]
            for number, ((role, _), (chosen, outcome)) in enumerate(zip(plain, outcomes, strict=True))
        ]
        self.report(trials)
        # Before the sampler, which then tries no strengths at which limits are out of reach, or kept long
        # since.
        if space.bracketed:
            bracket = Bracket(space, self.policy, self.tune.trials - len(trials))
            for points in bracket.batches():
                tried = self._outcomes(
                    [space.chosen(point, self._aim) for point in points], self._reached(trials)
                )
                first = len(trials)
                self._add(trials, "searched", tried)
                bracket.tell(points, trials[first:])
            self.brackets.update(bracket.found())
            space = replace(space, brackets=self.brackets, only=bracket.families)
        elif self.tune.mitigation and self._least_lead is not None:
            # What the best trial is compared with: a plain model held to the limits by its threshold alone.
            held = [space.chosen(space.none(family), self._aim) for family in space.families]
            self._add(trials, "searched", self._outcomes(held[: self.tune.trials - len(trials)], []))
        known = trials[len(plain) :]
        for batch in self._batches(space, self.tune.trials - len(trials), trials, known):
            self._add(trials, "searched", batch)
        for batch in self._finals(space, trials):
            self._add(trials, "finalist", batch)
        return trials

    @staticmethod
    def _reached(trials: Sequence[Trial]) -> list[IntermediateValue]:
        return bars(mark for trial in trials for mark in trial.outcome.rungs)

    def _add(self, trials: list[Trial], role: Role, batch: Sequence[tuple[Chosen, Outcome]]) -> None:
        first = len(trials)
        trials += [Trial(first + k, role, *pair) for k, pair in enumerate(batch)]
        self.report(trials)

    def _batches(
        self, space: Space, budget: int, trials: Sequence[Trial], known: Sequence[Trial]
    ) -> Iterator[list[tuple[Chosen, Outcome]]]:
        """Yield each batch; `trials` grows by it before the next one is asked for."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Two goals without a weight between them: what fairness is worth in quality is not the sampler's to
        # say.
        study = optuna.create_study(directions=["maximize", "maximize"], sampler=self._sampler(0))
        for trial in known:
            self._remember(study, space, trial)
        planned = self._plan(space, budget)
        for point in planned:
            study.enqueue_trial(dict(point))
        budget = len(planned) if self.tune.sampler == "grid" else budget
        for batch, start in enumerate(range(0, budget, self.tune.batch)):
            # A sampler of its own for each batch, so that its draws hang on the trials told before alone.
            study.sampler = self._sampler(batch)
            asked = [self._ask(study, space) for _ in range(min(self.tune.batch, budget - start))]
            reached = self._reached(trials)
            told = self._outcomes([space.chosen(point, self._aim) for _, point in asked], reached)
            for (trial, _), (chosen, outcome) in zip(asked, told, strict=True):
                self.tell(study, trial, Trial(-1, "searched", chosen, outcome))
            yield told

    def _remember(self, study: "optuna.Study", space: Space, done: Trial) -> None:
        """Tell the sampler of a trial that it has not asked for, where its strengths lie within the space.

        Of the settings it learns those that the trial had: a plain model leaves most to its library, and a
        value drawn in the place of one of these would be given the blame or the praise for another.
        """
        import optuna

        point: dict[str, Value] = {"family": done.chosen.family}
        point |= {"balance": done.chosen.balance, "reweighing": done.chosen.reweighing}
        point |= {f"{done.chosen.family}.{name}": value for name, value in done.chosen.settings.items()}
        for n, step in enumerate(self.tune.mitigation):
            own = (each.strength for each in done.chosen.mitigation if each.attribute == step.attribute
                   and each.constraint == step.constraint)  # fmt: skip
            point[f"strength.{n}"] = next(own, 0.0)
        outcome = done.outcome
        if outcome.failure is not None or outcome.pruned or done.chosen.family not in space.families:
            return
        asked = {name: each for name, each in space.sampled(done.chosen.family).items() if not single(each)}
        known = {name: each for name, each in asked.items() if name in point and holds(each, point[name])}
        # A setting may be left out, a strength may not: it is what moves both goals.
        if any(name.startswith("strength.") for name in set(asked) - set(known)):
            return
        told = optuna.trial.create_trial(
            params={name: point[name] for name in known},
            distributions={name: distribution(each) for name, each in known.items()},
            values=self._values(done),
            constraints={"violation": outcome.violation},
        )
        study.add_trial(told)

    def _finals(self, space: Space, trials: Sequence[Trial]) -> Iterator[list[tuple[Chosen, Outcome]]]:
        """Yield the finalists, then the best of them at strengths nearby."""
        final = self.tune.finalists
        best = self._ranked(trials)
        if final is None or not best or self._aim.folds is not None:
            return
        folded = [trial.chosen.model_copy(update={"folds": final.folds}) for trial in best]
        texts = dict.fromkeys(chosen.model_dump_json() for chosen in folded)
        first = [Chosen.model_validate_json(text) for text in [*texts][: final.trials]]
        first += [plain for plain in self._plain_finalist(space, best, final.folds) if plain not in first]
        told = self._outcomes(first, None)
        yield told
        top = self._ranked([Trial(k, "finalist", *pair) for k, pair in enumerate(told)])
        known = {chosen.model_dump_json() for chosen in first}
        # Weaker where the limits are kept, and stronger where not: nearer to the room that they ask for.
        kept = bool(top) and top[0].outcome.violation == 0
        near = [space.nearby(top[0].chosen, each if kept else 1 / each) for each in final.near if top]
        fresh = {chosen.model_dump_json(): chosen for chosen in near}
        if more := [chosen for text, chosen in fresh.items() if text not in known]:
            yield self._outcomes(more, None)

    @property
    def _least_lead(self) -> float | None:
        return None if self.tune.useful is None else self.tune.useful.plain

    def _plain_finalist(self, space: Space, order: Sequence[Trial], folds: int) -> list[Chosen]:
        """Return the best plain model, cross-fitted, where the best trial may not be enough better."""
        plain = next((t for t in order if t.chosen.margin is not None and space.is_plain(t.chosen)), None)
        if self._least_lead is None or plain is None:
            return []
        # Within a standard error of the asked lead cross-fitted rows may say otherwise, so both are looked at
        # there.
        near = lead(order[0], plain, self.tune.price) < self._least_lead + order[0].outcome.error
        return [plain.chosen.model_copy(update={"folds": folds})] if near else []

    def _ranked(self, trials: Sequence[Trial]) -> list[Trial]:
        return ranked(trials, self.tune.tie, self.tune.price)

    def _plan(self, space: Space, budget: int) -> list[Point]:
        """Return the points to begin with: the whole grid, or a ladder of mitigation in mid-space."""
        if self.tune.sampler == "grid":
            return list(space.grid(self.tune.seed, budget))
        return space.ladder()[: budget // 2] if self.tune.sampler == "tpe" else []

    def _sampler(self, batch: int) -> "optuna.samplers.BaseSampler":
        import optuna

        # A thousand batches have seeds of their own before those of the next seed begin.
        seed = (self.tune.seed * 1000 + batch) % 2**32
        if self.tune.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        # Two batches at random first: of fewer trials its densities would be guesses.
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=2 * self.tune.batch)

    @staticmethod
    def _ask(study: "optuna.Study", space: Space) -> tuple["optuna.Trial", Point]:
        trial = study.ask()
        families = space.families
        family = trial.suggest_categorical("family", families) if len(families) > 1 else families[0]
        dimensions = space.dimensions(family)
        return trial, {"family": family} | {name: suggest(trial, name, d) for name, d in dimensions.items()}

    def tell(self, study: "optuna.Study", trial: Any, done: Trial) -> None:
        """Tell Optuna's sampler how a trial ended: failed, pruned, or its two goals and violation."""
        import optuna

        if done.outcome.failure is not None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        if done.outcome.pruned:
            # Optuna prunes nothing itself where there are two goals, but takes it as a bad place to look.
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
        trial.set_constraint("violation", done.outcome.violation)
        study.tell(trial, self._values(done))

    def _values(self, done: Trial) -> list[float]:
        return [done.outcome.quality, done.fairness(self.policy)]

    def _outcomes(
        self, choices: Sequence[Chosen], reached: list[IntermediateValue] | None
    ) -> list[tuple[Chosen, Outcome]]:
        """Return each choice with its outcome, in order; what the record holds is not run again.

        `reached` is what earlier trials had reached at the rungs; None: these are not pruned.
        """
        looked_at = reached if self.tune.pruning is not None else None
        texts = [TrialRequest(chosen=chosen, bars=looked_at).model_dump_json() for chosen in choices]
        fresh = [text for text in dict.fromkeys(texts) if text not in self.record.found]
        try:
            futures = [(text, self.executor.submit(self.attempt, text)) for text in fresh]
            # In the order asked, not of finishing, so that the record of a search is the same file each time.
            for text, future in futures:
                self.record.keep(text, future.result())
        except BrokenProcessPool as error:
            raise StateError(f"tune: must keep its worker processes, got one that died: {error}") from error
        return [
            (chosen, Outcome.model_validate_json(self.record.found[text]))
            for chosen, text in zip(choices, texts, strict=True)
        ]


def _missed(trial: Trial) -> str:
    """Return the gated limits that a trial misses, and by how much."""
    short = sorted((name, -slack) for name, slack in trial.outcome.slacks.items() if slack < 0)
    return ", ".join(f"{name} by {slack:.3g}" for name, slack in short)


@dataclass(frozen=True)
class SearchResults:
    """All trials of a search, and which of them stand out."""

    tune: Tune
    policy: Policy
    goal: str
    trials: Sequence[Trial]
    crossfitted: str = ""
    """Why every trial is cross-fitted, where they are."""
    brackets: Mapping[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    """The range of each bracketed strength, by family and place among mitigations."""

    @cached_property
    def done(self) -> list[Trial]:
        """The trials that ran to their end."""
        return [trial for trial in self.trials if trial.outcome.failure is None and not trial.outcome.pruned]

    @property
    def pruned(self) -> list[Trial]:
        """The trials that were pruned at a rung."""
        return [trial for trial in self.trials if trial.outcome.pruned]

    @cached_property
    def final(self) -> list[Trial]:
        """The trials that one is chosen from: the finalists, or all where no finalist is of use.

        A finalist keeps its limits on more rows than a trial, and can lose its use by that; then a trial that
        is of use on validation rows still goes before none at all.
        """
        finalists = [trial for trial in self.done if trial.role == "finalist"]
        return finalists if any(not trial.outcome.useless for trial in finalists) else self.done

    @property
    def feasible(self) -> list[Trial]:
        """Those one is chosen from that are of use and keep every gated limit on held-out rows."""
        return [trial for trial in self.final if trial.outcome.feasible]

    @property
    def useful(self) -> list[Trial]:
        """Those one may be chosen from."""
        return [trial for trial in self.final if not trial.outcome.useless]

    @cached_property
    def best(self) -> Trial:
        """The best of the feasible trials; without any, the useful one of most worth at `tune.price`.

        A plain model that is held to the same limits goes before one that is not better by `useful.plain`, or
        by no more than a standard error.
        """
        plain, asked = self.plain, None if self.tune.useful is None else self.tune.useful.plain
        if plain is None or asked is None or is_ahead(self._top, plain, asked, self.tune.price):
            return self._top
        return plain

    @cached_property
    def _top(self) -> Trial:
        return ranked(self.final, self.tune.tie, self.tune.price)[0]

    @cached_property
    def plain(self) -> Trial | None:
        """The best plain model that one may be chosen of, held to the limits by one threshold for all."""
        return self._plain_of(self.final)

    def _plain_of(self, trials: Sequence[Trial]) -> Trial | None:
        # Without limits on groups the models that look at quality alone are held to as much.
        space, groups = Space(self.tune), any(limit.gate and limit.attribute for limit in self.policy.limits)
        plain = [
            trial
            for trial in trials
            if space.is_plain(trial.chosen) and (trial.chosen.margin is not None or not groups)
        ]
        order = ranked(plain, self.tune.tie, self.tune.price)
        return next(
            (each for each in order if not groups and _is_as_good(each, order[0])), next(iter(order), None)
        )

    @cached_property
    def _beside_plain(self) -> tuple[Trial, Trial] | None:
        """The best trial and the best plain one: of those one is chosen from, or of the searched ones."""
        for trials in (self.final, [trial for trial in self.done if trial.role != "finalist"]):
            if (plain := self._plain_of(trials)) is not None:
                return ranked(trials, self.tune.tie, self.tune.price)[0], plain
        return None

    @cached_property
    def frontier(self) -> list[Trial]:
        """The Pareto front: trials that none dominates in quality and fairness, worst quality first."""
        # By falling quality: a trial is on the front when it is fairer than all before it, in one pass over
        # them.
        ranked = sorted(self.done, key=lambda t: (-t.outcome.quality, -t.fairness(self.policy), t.number))
        found: list[Trial] = []
        for trial in ranked:
            if not found or trial.fairness(self.policy) > found[-1].fairness(self.policy):
                found.append(trial)
        return found[::-1]

    def of(self, role: str) -> Trial | None:
        """Return the trial of a role that only one trial has, or None."""
        return next((trial for trial in self.done if trial.role == role), None)

    def row(self, trial: Trial) -> TrialRow:
        """Return a trial as one row of the table."""
        outcome, chosen = trial.outcome, trial.chosen
        measured = trial in self.done
        row: dict[str, Cell] = {"number": trial.number, "role": trial.role, "family": chosen.family}
        row |= {"balance": chosen.balance, "reweighing": chosen.reweighing}
        row |= {f"{chosen.family}.{name}": value for name, value in chosen.settings.items()}
        strengths = {(step.attribute, step.constraint): step.strength for step in chosen.mitigation}
        for step in self.tune.mitigation:
            named = f"strength.{step.attribute}.{step.constraint}"
            row[named] = strengths.get((step.attribute, step.constraint), 0.0)
        row |= {} if self.tune.finalists is None and self.tune.crossfit is None else {"folds": chosen.folds}
        row |= {"state": "pruned" if outcome.pruned else "complete" if measured else "failed"}
        row |= {"failure": outcome.failure}
        row |= {"quality": outcome.quality if measured else None}
        row |= {"fairness": trial.fairness(self.policy) if measured and self._has_fairness(trial) else None}
        row |= {"violation": outcome.violation if measured else None, "feasible": outcome.feasible}
        if self.tune.useful is not None:
            row |= (
                {"useful": not outcome.useless, "gain": outcome.gain}
                if measured
                else {"useful": None, "gain": None}
            )
        row |= {name: outcome.overall.get(name) for name in TILES}
        row |= {f"limit.{limit.name}": outcome.measures.get(limit.name) for limit in self.policy.limits}
        row |= {"threshold": outcome.threshold if measured else None, "rounds": outcome.rounds}
        row |= {"size_bytes": outcome.size_bytes if measured else None, **self._rungs(trial)}
        return TrialRow.model_validate(
            row | {"frontier": trial in self.frontier, "chosen": trial is self.best}
        )

    def _has_fairness(self, trial: Trial) -> bool:
        """Return whether a gated limit on groups was measured, or there is none."""
        on_groups = {limit.name for limit in self.policy.limits if limit.gate and limit.attribute is not None}
        known = on_groups & set(trial.outcome.measures)
        return not known or bool(known & set(trial.outcome.slacks))

    def _rungs(self, trial: Trial) -> dict[str, Cell]:
        """Return what a trial had reached at each rung; nothing where trials are not pruned."""
        marks = {mark.rounds: mark for mark in trial.outcome.rungs}
        rungs = self.tune.pruning.rungs if self.tune.pruning is not None else []
        return {
            f"rung_{rounds}_{name}": getattr(marks[rounds], name) if rounds in marks else None
            for rounds in sorted(set(rungs))
            for name in ("quality", "fairness")
        }

    def table(self) -> pd.DataFrame:
        """Return one row a trial."""
        rows = [self.row(trial).cells() for trial in self.trials]
        families = sorted(
            {f"{family}.{name}" for family, known in self.tune.families.items() for name in known}
            | {
                name
                for row in rows
                for name in row
                if name.startswith(("additive.", "boosted.", "logistic."))
            }
        )
        names = [name for name in rows[0] if "." not in name or name.startswith(("strength.", "limit."))]
        after = names.index("reweighing") + 1
        frame = pd.DataFrame(rows, columns=[*names[:after], *families, *names[after:]])
        whole = ["rounds", "size_bytes", *(["folds"] if "folds" in frame else [])]
        return frame.astype(dict.fromkeys(whole, "Int64"))

    @property
    def not_measured(self) -> list[str]:
        """The gated limits on groups that the held-out rows were too few for; they steered nothing."""
        outcome = self.best.outcome
        return [
            limit.name
            for limit in self.policy.limits
            if limit.gate and limit.name in outcome.measures and limit.name not in outcome.slacks
        ]

    def note(self) -> str:
        """Return what was chosen, and why, in words; what could not be measured comes first."""
        said = [self._unmeasured(), self._chosen(), self._over_plain(), self._over_time(), self._folds()]
        return " ".join(filter(None, said))

    def _over_time(self) -> str:
        """Return how far limits on groups hold over time, where held-out rows follow each other in it."""
        lines = []
        for name, found in self.best.outcome.over_time.items():
            known = [value for value in found.stretches if value is not None]
            if not known:
                continue
            whole, last = self.best.outcome.measures.get(name), found.stretches[-1]
            spread = f"{min(known):.3g} to {max(known):.3g}"
            line = (
                f"Over time {name} is {spread} in {len(found.stretches)} stretches, each scored by a model "
                f"of earlier rows, {'unknown' if last is None else f'{last:.3g}'} in the latest"
            )
            line += "" if whole is None else f", and {whole:.3g} in all of them together"
            if found.missed:
                line += (
                    f": the rows show it missed in {found.missed}, a drift that no margin from the number of "
                    "rows covers, so that later rows may miss it too"
                )
            lines.append(f"{line}.")
        return " ".join(lines)

    def _over_plain(self) -> str:
        """Return how the chosen trial stands beside plain models held to the same limits, if asked."""
        asked = None if self.tune.useful is None else self.tune.useful.plain
        if asked is None or self._beside_plain is None:
            return ""
        top, plain = self._beside_plain
        if plain is top:
            return ""
        ahead = lead(top, plain, self.tune.price)
        what = f"a plain model with one threshold for all (trial {plain.number}, {plain.chosen.family})"
        if ahead < asked:
            return (
                f"Trial {top.number} is no more than {ahead:.2g} better than {what}, less than {asked:g} "
                f"(tune.useful.plain), and trial {plain.number} is taken."
            )
        if not is_ahead(top, plain, asked, self.tune.price):
            return (
                f"Trial {top.number} is {ahead:.2g} better than {what}, which is within a standard error of "
                f"so few rows, and trial {plain.number} is taken."
            )
        if math.isinf(ahead):
            return f"Within the same limits {what} is of no use, or does not keep them."
        best = "It" if top is self._top else f"Before it was cross-fitted it (trial {top.number})"
        return f"{best} is {ahead:.2g} better than {what} held to the same limits."

    def _folds(self) -> str:
        return f"Every trial is cross-fitted, because {self.crossfitted}." if self.crossfitted else ""

    def _unmeasured(self) -> str:
        if not self.not_measured:
            return ""
        return (
            f"Not measured by the search: {', '.join(self.not_measured)}, because too few groups have "
            f"{self.policy.min_group_rows:,} held-out rows (policy.min_group_rows), or {EVENTS} of the label "
            "that is read. The trial was chosen by the other limits and by quality; the verdict alone looks "
            "at these."
        )

    @property
    def _margin(self) -> str:
        """What is said of the margin."""
        margin = self.tune.margin
        if isinstance(margin, Assurance):
            return (
                f"those on groups with the margin by which the gate's bound clears them with chance "
                f"{margin.chance:g} on as many test rows as there are"
            )
        return f"those on groups with a margin of {margin:g}"

    def _chosen(self) -> str:
        best_of_few = self._top.role == "finalist"
        folded = self._top.chosen.folds is not None
        held = "train and validation rows held out in turn" if folded else "validation rows"
        best, known = self._top, f"{len(self.final)} {'finalists' if best_of_few else 'trials'}"
        if self.feasible:
            every = "every gated limit that was measured" if self.not_measured else "every gated limit"
            top = max(trial.outcome.quality for trial in self.feasible)
            of = f"the {len(self.feasible)} of {known} that keep {every} on {held}, {self._margin}"
            if best.outcome.quality < top:
                return (
                    f"Trial {best.number} has the best AUC of those within {self.tune.tie:g} standard errors "
                    f"of the best {self.goal.replace('_', ' ')} ({top:.4g}) of {of}."
                )
            return f"Trial {best.number} has the best {self.goal} of {of}."
        of_use = " of those that are of use" if len(self.useful) < len(self.final) else ""
        nearest = ranked(self.final)[0]
        none = f"None of {known} keeps every gated limit on {held}, {self._margin}. "
        if nearest.outcome.violation >= best.outcome.violation:
            return f"{none}Trial {best.number} is the nearest{of_use}: it misses {_missed(best)}."
        cost = best.outcome.quality - nearest.outcome.quality
        return (
            f"{none}Trial {best.number} is worth most{of_use}, where one unit nearer may cost "
            f"{self.tune.price:g} of the {self.goal.replace('_', ' ')} (tune.price): it misses "
            f"{_missed(best)}. The nearest, trial {nearest.number}, misses {_missed(nearest)}, and costs "
            f"{cost:.3g} more."
        )

    def report(self, positives: float) -> list[str]:
        """Return, where no trial is of use, what there is instead and what can be done.

        Of all trials, not of the finalists alone: these may be one, which can't say what a limit costs.

        Parameters
        ----------
        positives
            Share of train rows with a positive label.
        """
        nearest = max(self.done, key=lambda t: (t.outcome.gain or 0.0, -t.number))
        fair = min(self.done, key=lambda t: (t.outcome.violation, -(t.outcome.gain or 0.0), t.number))
        lines = [
            f"tune: must find decisions of use (tune.useful), got none in {len(self.done)} trials: no model",
            f"nearest to being of use: {self._told(nearest)}",
            f"nearest to the limits: {self._told(fair)}",
        ]
        top = max(trial.outcome.quality for trial in self.done)
        for limit in self.policy.limits:
            kept = [t for t in self.done if t.outcome.slacks.get(limit.name, -1.0) >= 0]
            if not limit.gate or limit.name not in self.done[0].outcome.slacks:
                continue
            best = max((t.outcome.quality for t in kept), default=None)
            cost = (
                "no trial keeps it"
                if best is None
                else f"costs {top - best:.3g} of {self.goal.replace('_', ' ')}"
            )
            lines.append(f"{limit.name}: {cost}")
        # Of an even label one answer to all is right for a half, and hard to beat for nobody.
        if min(positives, 1 - positives) < UNEVEN and self.goal in {"accuracy", "f1"}:
            answer = "no" if positives < UNEVEN else "yes"
            lines.append(
                f'{positives:.3g} of the train rows are positive, so that "{answer}" to everybody is hard to '
                f"beat by {self.goal}: train.threshold: {{maximise: balanced_accuracy, by: null}} asks for "
                "both labels alike"
            )
        return [*lines, f"what can be done: {'; '.join(self._ways(nearest))}"]

    def _ways(self, nearest: Trial) -> list[str]:
        """Return what a person can change so that there is a model, where not one is of use."""
        useful, found = self.tune.useful, nearest.outcome
        ways = []
        if (
            useful is not None
            and (found.gain or 0.0) >= useful.margin
            and "may be chance" in found.useless[0]
        ):
            ways.append("get more rows: that the best decisions are of use may be chance in these")
        elif useful is not None and (found.gain or 0.0) >= useful.margin:
            least, most = useful.selected
            ways.append(
                f"let another share be selected than {least:g} to {most:g} (tune.useful.selected), or say "
                "what decisions are worth (train.threshold.maximise), which moves it"
            )
        else:
            # Trials of every kind are no better than one answer to all, those without limits among them: no
            # limit is to blame.
            ways.append(
                f"give features that say more of the label, or more rows (an AUC of {found.area:.3f}, "
                "where 0.5 is chance, is the best of what these say)"
            )
            ways.append(
                "say what decisions are worth (train.threshold.maximise): another measure, a profit, or a "
                "capacity may be served by the same ranking"
            )
        if useful is not None and (found.gain or 0.0) > 0:
            ways.append(f"take less for of use (tune.useful.margin, now {useful.margin:g})")
        return ways

    @staticmethod
    def _told(trial: Trial) -> str:
        outcome = trial.outcome
        short = [f"{name} by {-slack:.3g}" for name, slack in sorted(outcome.slacks.items()) if slack < 0]
        missed = f", misses {', '.join(short)}" if short else ", keeps every limit"
        return (
            f"trial {trial.number} ({trial.chosen.family}), AUC {outcome.area:.3f}, quality "
            f"{outcome.quality:.4g}{missed}; {'; '.join(outcome.useless)}"
        )

    def _more(self) -> dict[str, Any]:
        """Return what the summary says where params ask for it."""
        more: dict[str, Any] = {}
        if self.tune.pruning is not None:
            more["pruned"] = len(self.pruned)
        if isinstance(self.tune.margin, Assurance):
            more["assurance"] = self.tune.margin
            more["expected"] = self.best.outcome.bounds
            more["margins"] = self._margins()
        if self.best.outcome.over_time:
            more["over_time"] = self.best.outcome.over_time
        if self.brackets:
            more["brackets"] = [
                BracketRow(
                    family=family,  # type: ignore[arg-type]
                    attribute=self.tune.mitigation[n].attribute,
                    constraint=self.tune.mitigation[n].constraint,
                    low=low,
                    high=high,
                )
                for (family, n), (low, high) in sorted(self.brackets.items())
            ]
        if self.tune.useful is not None:
            more["useful"] = len(self.useful)
            more["of_use"] = self.tune.useful
            pair = self._beside_plain
            ahead = math.inf if pair is None else lead(*pair, self.tune.price)
            more["over_plain"] = (
                ahead if math.isfinite(ahead) and self.tune.useful.plain is not None else None
            )
        if self.best.chosen.maximise is not None:
            more["maximise"] = self.best.chosen.maximise
        return more

    def _margins(self) -> dict[str, float]:
        """Return what a value's room to its limit has more than its slack, of gated limits on groups."""
        outcome, found = self.best.outcome, {}
        for limit in self.policy.limits:
            value, slack = outcome.measures.get(limit.name), outcome.slacks.get(limit.name)
            if limit.attribute is None or value is None or slack is None:
                continue
            room = value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
            found[limit.name] = room - slack
        return found

    def summary(self) -> SearchSummary:
        """Return the summary of the search."""
        baseline, unmitigated = self.of("baseline"), self.of("unmitigated")
        unknown = {limit.name for limit in self.policy.limits} - set(self.best.outcome.measures)
        best = self.row(self.best)
        return SearchSummary(
            trials=len(self.trials),
            failed=len(self.trials) - len(self.done) - len(self.pruned),
            feasible=len(self.feasible),
            goal=self.goal,
            margin=None if isinstance(self.tune.margin, Assurance) else self.tune.margin,
            chosen=self.best.number,
            best=best,
            nearest=None if self.feasible else best,
            baseline=self.row(baseline) if baseline else None,
            unmitigated=self.row(unmitigated) if unmitigated else None,
            frontier=[self.row(trial) for trial in self.frontier],
            not_searched=sorted(unknown),
            not_measured=self.not_measured,
            note=self.note(),
            **self._more(),
        )
