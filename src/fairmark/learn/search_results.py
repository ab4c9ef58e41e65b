"""The results of a search: the trials that stand out, the Pareto front, and one row a trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from fairmark.learn.ranking import Trial, front_of, is_ahead, is_as_good, ranked, ranks_worse
from fairmark.learn.space import Space
from fairmark.learn.summaries import Cell, TrialRow
from fairmark.params.learn import Tune
from fairmark.params.policy import Policy
from fairmark.stats.measures import TILES


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

        A plain model that is held to the same limits goes before one that is not better than the best plain
        one by `useful.plain`, or by no more than a standard error; without limits on groups, also before one
        that ranks worse.
        """
        order, useful = self._plain_of(self.final), self.tune.useful
        if useful is None or useful.plain is None or not order:
            return self.top
        ahead = is_ahead(self.top, order[0], useful.plain, self.tune.price)
        return self.top if ahead and not self.ranks_worse else self.plain or order[0]

    @property
    def ranks_worse(self) -> bool:
        """Whether the best trial ranks worse than a plain model, where no limit on groups asks for that."""
        return not self._on_groups and ranks_worse(self.top, self._plain_of(self.final))

    @cached_property
    def top(self) -> Trial:
        """The best trial, plain or not."""
        return ranked(self.final, self.tune.tie, self.tune.price)[0]

    @cached_property
    def plain(self) -> Trial | None:
        """The plain model that one may be chosen of, held to the limits by one threshold for all.

        The best; or, without limits on groups, a logistic regression that ranks as well. A trial has to be
        better than the best all the same: to be better than a simpler one proves nothing.
        """
        order = self._plain_of(self.final)
        simple = (each for each in order if not self._on_groups and is_as_good(each, order[0]))
        return next(simple, next(iter(order), None))

    @property
    def _on_groups(self) -> bool:
        return any(limit.gate and limit.attribute for limit in self.policy.limits)

    def _plain_of(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return the plain models among some trials, the best first."""
        # Without limits on groups the models that look at quality alone are held to as much.
        space = Space(self.tune)
        plain = [
            trial
            for trial in trials
            if space.is_plain(trial.chosen) and (trial.chosen.margin is not None or not self._on_groups)
        ]
        return ranked(plain, self.tune.tie, self.tune.price)

    @cached_property
    def beside_plain(self) -> tuple[Trial, Trial] | None:
        """The best trial and the best plain one: of those one is chosen from, or of the searched ones."""
        for trials in (self.final, [trial for trial in self.done if trial.role != "finalist"]):
            if order := self._plain_of(trials):
                return ranked(trials, self.tune.tie, self.tune.price)[0], order[0]
        return None

    @cached_property
    def frontier(self) -> list[Trial]:
        """The Pareto front: trials that none dominates in quality and fairness, worst quality first."""
        return front_of(self.done, lambda trial: trial.fairness(self.policy))[::-1]

    def of(self, role: str) -> Trial | None:
        """Return the trial of a role that only one trial has, or None."""
        return next((trial for trial in self.done if trial.role == role), None)

    def row(self, trial: Trial) -> TrialRow:
        """Return a trial as one row of the table."""
        outcome, chosen = trial.outcome, trial.chosen
        measured = trial in self.done
        # A failed trial has choices and no results: its row keeps every column, so that the table is one.
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
