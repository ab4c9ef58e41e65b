"""Hyperparameter search in seeded, fixed batches, and its results: the Pareto front and the chosen trial.

The same trials run in the same order, wherever and however often the search runs.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairmark.errors import StateError
from fairmark.learn.checkpoint import Checkpoint
from fairmark.learn.space import Point, Space, suggest
from fairmark.learn.summaries import Cell, Role, SearchSummary, TrialRow
from fairmark.learn.trial import IntermediateValue, Outcome, TrialRequest, bars, fairness
from fairmark.params.learn import Chosen, Tune
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


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that ran to their end, the best first.

    Those that keep every gated limit by quality, then the others by how little is missing; of equals the
    earlier one.
    """
    done = [trial for trial in trials if trial.outcome.failure is None and not trial.outcome.pruned]
    return sorted(done, key=lambda t: (t.outcome.violation, -t.outcome.quality, t.number))


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
    """

    tune: Tune
    policy: Policy
    attempt: Callable[[str], str]
    executor: Executor
    record: Checkpoint
    report: Callable[[Sequence[Trial]], None]

    def run(self) -> list[Trial]:
        """Return all trials: the plain ones first, then the searched ones, then the finalists.

        Raises
        ------
        ParamsError
            When the space holds nothing.
        StateError
            When a worker died.
        """
        space = Space(self.tune)
        space.check()
        roles: list[Role] = ["baseline", "unmitigated"]
        plain = space.plain()[: self.tune.trials]
        trials = [
            Trial(number, role, chosen, outcome)
            for number, (role, (chosen, outcome)) in enumerate(
                zip(roles, self._outcomes(plain, []), strict=False)
            )
        ]
        self.report(trials)
        for batch in self._batches(space, self.tune.trials - len(trials), trials):
            self._add(trials, "searched", batch)
        for batch in self._finals(trials):
            self._add(trials, "finalist", batch)
        return trials

    def _add(self, trials: list[Trial], role: Role, batch: Sequence[tuple[Chosen, Outcome]]) -> None:
        first = len(trials)
        trials += [Trial(first + k, role, *pair) for k, pair in enumerate(batch)]
        self.report(trials)

    def _batches(
        self, space: Space, budget: int, trials: Sequence[Trial]
    ) -> Iterator[list[tuple[Chosen, Outcome]]]:
        """Yield each batch; `trials` grows by it before the next one is asked for."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(directions=["maximize", "maximize"], sampler=self._sampler(0))
        planned = self._plan(space, budget)
        for point in planned:
            study.enqueue_trial(dict(point))
        budget = len(planned) if self.tune.sampler == "grid" else budget
        for batch, start in enumerate(range(0, budget, self.tune.batch)):
            # A sampler of its own for each batch, so that its draws hang on the trials told before alone.
            study.sampler = self._sampler(batch)
            asked = [self._ask(study, space) for _ in range(min(self.tune.batch, budget - start))]
            reached = bars(mark for trial in trials for mark in trial.outcome.rungs)
            told = self._outcomes([space.chosen(point, self.tune.margin) for _, point in asked], reached)
            for (trial, _), (chosen, outcome) in zip(asked, told, strict=True):
                self.tell(study, trial, Trial(-1, "searched", chosen, outcome))
            yield told

    def _finals(self, trials: Sequence[Trial]) -> Iterator[list[tuple[Chosen, Outcome]]]:
        """Yield the finalists, then the best of them at strengths nearby."""
        final = self.tune.finalists
        best = ranked(trials)
        if final is None or not best:
            return
        folded = [trial.chosen.model_copy(update={"folds": final.folds}) for trial in best]
        texts = dict.fromkeys(chosen.model_dump_json() for chosen in folded)
        first = [Chosen.model_validate_json(text) for text in [*texts][: final.trials]]
        told = self._outcomes(first, None)
        yield told
        top = ranked([Trial(k, "finalist", *pair) for k, pair in enumerate(told)])
        known = {chosen.model_dump_json() for chosen in first}
        near = [Space(self.tune).nearby(top[0].chosen, factor) for factor in final.near] if top else []
        fresh = {chosen.model_dump_json(): chosen for chosen in near}
        if more := [chosen for text, chosen in fresh.items() if text not in known]:
            yield self._outcomes(more, None)

    def _plan(self, space: Space, budget: int) -> list[Point]:
        """Return the points to begin with: the whole grid, or a ladder of mitigation in mid-space."""
        if self.tune.sampler == "grid":
            return list(space.grid(self.tune.seed, budget))
        return space.ladder()[: budget // 2] if self.tune.sampler == "tpe" else []

    def _sampler(self, batch: int) -> "optuna.samplers.BaseSampler":
        import optuna

        seed = (self.tune.seed * 1000 + batch) % 2**32
        if self.tune.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
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
        study.tell(trial, [done.outcome.quality, done.fairness(self.policy)])

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
            for text, future in futures:
                self.record.keep(text, future.result())
        except BrokenProcessPool as error:
            raise StateError(f"tune: must keep its worker processes, got one that died: {error}") from error
        return [
            (chosen, Outcome.model_validate_json(self.record.found[text]))
            for chosen, text in zip(choices, texts, strict=True)
        ]


@dataclass(frozen=True)
class SearchResults:
    """All trials of a search, and which of them stand out."""

    tune: Tune
    policy: Policy
    goal: str
    trials: Sequence[Trial]

    @property
    def done(self) -> list[Trial]:
        """The trials that ran to their end."""
        return [trial for trial in self.trials if trial.outcome.failure is None and not trial.outcome.pruned]

    @property
    def pruned(self) -> list[Trial]:
        """The trials that were pruned at a rung."""
        return [trial for trial in self.trials if trial.outcome.pruned]

    @property
    def final(self) -> list[Trial]:
        """The trials that one is chosen from: the finalists, where there are any."""
        return [trial for trial in self.done if trial.role == "finalist"] or self.done

    @property
    def feasible(self) -> list[Trial]:
        """Those one is chosen from that keep every gated limit on held-out rows, with the margin."""
        return [trial for trial in self.final if trial.outcome.feasible]

    @property
    def best(self) -> Trial:
        """The best in quality of the feasible trials; without any, the one with the least violation."""
        return ranked(self.final)[0]

    @property
    def frontier(self) -> list[Trial]:
        """The Pareto front: trials that none dominates in quality and fairness, worst quality first."""
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
        row |= {} if self.tune.finalists is None else {"folds": chosen.folds}
        row |= {"state": "pruned" if outcome.pruned else "complete" if measured else "failed"}
        row |= {"failure": outcome.failure}
        row |= {"quality": outcome.quality if measured else None}
        row |= {"fairness": trial.fairness(self.policy) if measured and self._has_fairness(trial) else None}
        row |= {"violation": outcome.violation if measured else None, "feasible": outcome.feasible}
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
            f"{family}.{name}" for family, known in self.tune.families.items() for name in known
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
        return " ".join(filter(None, [self._unmeasured(), self._chosen()]))

    def _unmeasured(self) -> str:
        if not self.not_measured:
            return ""
        return (
            f"Not measured by the search: {', '.join(self.not_measured)}, because too few groups have "
            f"{self.policy.min_group_rows:,} held-out rows (policy.min_group_rows). The trial was chosen by "
            "the other limits and by quality; the verdict alone looks at these."
        )

    def _chosen(self) -> str:
        best_of_few = self.best.role == "finalist"
        held = "train and validation rows held out in turn" if best_of_few else "validation rows"
        best, known = self.best, f"{len(self.final)} {'finalists' if best_of_few else 'trials'}"
        if self.feasible:
            every = "every gated limit that was measured" if self.not_measured else "every gated limit"
            return (
                f"Trial {best.number} has the best {self.goal} of the {len(self.feasible)} of {known} that "
                f"keep {every} on {held}, those on groups with a margin of {self.tune.margin:g}."
            )
        short = {name: slack for name, slack in best.outcome.slacks.items() if slack < 0}
        worst = ", ".join(f"{name} by {-slack:.3g}" for name, slack in sorted(short.items()))
        return (
            f"None of {known} keeps every gated limit on {held}, those on groups with a margin of "
            f"{self.tune.margin:g}. Trial {best.number} is the nearest: it misses {worst}."
        )

    def summary(self) -> SearchSummary:
        """Return the summary of the search."""
        baseline, unmitigated = self.of("baseline"), self.of("unmitigated")
        unknown = {limit.name for limit in self.policy.limits} - set(self.best.outcome.measures)
        best = self.row(self.best)
        return SearchSummary(
            trials=len(self.trials),
            failed=len(self.trials) - len(self.done) - len(self.pruned),
            **({} if self.tune.pruning is None else {"pruned": len(self.pruned)}),
            feasible=len(self.feasible),
            goal=self.goal,
            margin=self.tune.margin,
            chosen=self.best.number,
            best=best,
            nearest=None if self.feasible else best,
            baseline=self.row(baseline) if baseline else None,
            unmitigated=self.row(unmitigated) if unmitigated else None,
            frontier=[self.row(trial) for trial in self.frontier],
            not_searched=sorted(unknown),
            not_measured=self.not_measured,
            note=self.note(),
        )
