"""A seeded search in fixed batches: the same trials in the same order, wherever and however often it runs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fairmark.errors import StateError
from fairmark.learn.record import Record
from fairmark.learn.space import Point, Space, suggest
from fairmark.learn.trial import Outcome
from fairmark.params import Chosen, Policy, Tune

if TYPE_CHECKING:
    import optuna

Role = Literal["baseline", "unmitigated", "searched"]


@dataclass(frozen=True)
class Trial:
    """A numbered trial, what was chosen in it, and what it came to."""

    number: int
    role: Role
    chosen: Chosen
    outcome: Outcome

    def fairness(self, policy: Policy) -> float:
        """Return the least slack of the gated limits on groups; 0 without such a limit."""
        names = [limit.name for limit in policy.limits if limit.attribute is not None and limit.gate]
        return min((self.outcome.slacks[name] for name in names if name in self.outcome.slacks), default=0.0)


@dataclass(frozen=True)
class Search:
    """A search over `tune`'s space.

    Parameters
    ----------
    tune, policy
        The space, sampler and budget; the limits that trials are held against.
    attempt
        Runs one trial: a `Chosen` as JSON in, an `Outcome` as JSON out. It travels to the workers.
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
        """Return all trials: the plain ones first, then the searched ones.

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
                zip(roles, self._outcomes(plain), strict=False)
            )
        ]
        self.report(trials)
        for batch in self._batches(space, self.tune.trials - len(trials)):
            first = len(trials)
            trials += [Trial(first + k, "searched", *pair) for k, pair in enumerate(batch)]
            self.report(trials)
        return trials

    def _batches(self, space: Space, budget: int) -> Iterator[list[tuple[Chosen, Outcome]]]:
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
            told = self._outcomes([space.chosen(point, self.tune.margin) for _, point in asked])
            for (trial, _), (chosen, outcome) in zip(asked, told, strict=True):
                self._tell(study, trial, Trial(-1, "searched", chosen, outcome))
            yield told

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
        trial.set_constraint("violation", done.outcome.violation)
        study.tell(trial, [done.outcome.quality, done.fairness(self.policy)])

    def _outcomes(self, choices: Sequence[Chosen]) -> list[tuple[Chosen, Outcome]]:
        """Return each choice with its outcome, in order; what the record holds is not run again."""
        texts = [chosen.model_dump_json() for chosen in choices]
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
