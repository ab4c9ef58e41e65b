"""A seeded search in fixed batches: the same trials in the same order, wherever and however often it runs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fairmark.errors import StateError
from fairmark.learn.pruning import Mark, bars
from fairmark.learn.record import Record
from fairmark.learn.space import Point, Space, suggest
from fairmark.learn.trial import Ask, Outcome, fairness
from fairmark.sections.learning import Chosen, Tune
from fairmark.sections.policy import Policy

if TYPE_CHECKING:
    import optuna

Role = Literal["baseline", "unmitigated", "searched", "finalist"]


@dataclass(frozen=True)
class Trial:
    """A numbered trial, what was chosen in it, and what it came to."""

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
        The space, sampler and budget; the limits that trials are held against.
    attempt
        Runs one trial: an `Ask` as JSON in, an `Outcome` as JSON out. It travels to the workers.
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
    record: Record
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
                self._tell(study, trial, Trial(-1, "searched", chosen, outcome))
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

    def _tell(self, study: "optuna.Study", trial: Any, done: Trial) -> None:
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
        self, choices: Sequence[Chosen], reached: list[Mark] | None
    ) -> list[tuple[Chosen, Outcome]]:
        """Return each choice with its outcome, in order; what the record holds is not run again.

        `reached` is what earlier trials had reached at the rungs; None: these are not given up.
        """
        looked_at = reached if self.tune.pruning is not None else None
        texts = [Ask(chosen=chosen, bars=looked_at).model_dump_json() for chosen in choices]
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
