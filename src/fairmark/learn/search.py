"""Hyperparameter search in seeded, fixed batches.

The same trials run in the same order, wherever and however often the search runs.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fairmark.errors import StateError
from fairmark.learn.bracket import Bracket
from fairmark.learn.ranking import Trial, lead, ranked
from fairmark.learn.space import Aim, Point, Space, Value, distribution, holds, single, suggest
from fairmark.learn.summaries import Role
from fairmark.learn.trial import IntermediateValue, Outcome, TrialRequest, bars
from fairmark.learn.workers import Checkpoint
from fairmark.params.learn import Chosen, Tune
from fairmark.params.policy import Policy

if TYPE_CHECKING:
    import optuna


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
