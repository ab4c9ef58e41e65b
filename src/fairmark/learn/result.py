"""What a search comes to: its frontier, the trial that is chosen, and the table of all trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fairmark.learn.search import Trial, ranked
from fairmark.sections.learning import Tune
from fairmark.sections.policy import Policy


@dataclass(frozen=True)
class Result:
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
        """The trials that were given up at a rung."""
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
        """The trials that no other one beats in quality and fairness at once, worst quality first."""
        ranked = sorted(self.done, key=lambda t: (-t.outcome.quality, -t.fairness(self.policy), t.number))
        found: list[Trial] = []
        for trial in ranked:
            if not found or trial.fairness(self.policy) > found[-1].fairness(self.policy):
                found.append(trial)
        return found[::-1]

    def of(self, role: str) -> Trial | None:
        """Return the trial of a role that only one trial has, or None."""
        return next((trial for trial in self.done if trial.role == role), None)

    def row(self, trial: Trial) -> dict[str, Any]:
        """Return a trial as one row of the table."""
        outcome, chosen = trial.outcome, trial.chosen
        measured = trial in self.done
        row: dict[str, Any] = {"number": trial.number, "role": trial.role, "family": chosen.family}
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
        row |= {name: outcome.overall.get(name) for name in ("roc_auc", "accuracy", "selection_rate")}
        row |= {f"limit.{limit.name}": outcome.measures.get(limit.name) for limit in self.policy.limits}
        row |= {"threshold": outcome.threshold if measured else None, "rounds": outcome.rounds}
        return row | {
            "size_bytes": outcome.size_bytes if measured else None,
            **self._rungs(trial),
            "frontier": trial in self.frontier,
            "chosen": trial is self.best,
        }

    def _has_fairness(self, trial: Trial) -> bool:
        """Return whether a gated limit on groups was measured, or there is none."""
        on_groups = {limit.name for limit in self.policy.limits if limit.gate and limit.attribute is not None}
        known = on_groups & set(trial.outcome.measures)
        return not known or bool(known & set(trial.outcome.slacks))

    def _rungs(self, trial: Trial) -> dict[str, Any]:
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
        rows = [self.row(trial) for trial in self.trials]
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

    def summary(self) -> dict[str, Any]:
        """Return the summary of the search, ready for JSON."""
        baseline, unmitigated = self.of("baseline"), self.of("unmitigated")
        unknown = {limit.name for limit in self.policy.limits} - set(self.best.outcome.measures)
        return {
            "trials": len(self.trials),
            "failed": len(self.trials) - len(self.done) - len(self.pruned),
            **({} if self.tune.pruning is None else {"pruned": len(self.pruned)}),
            "feasible": len(self.feasible),
            "goal": self.goal,
            "margin": self.tune.margin,
            "chosen": self.best.number,
            "best": self.row(self.best),
            "nearest": None if self.feasible else self.row(self.best),
            "baseline": self.row(baseline) if baseline else None,
            "unmitigated": self.row(unmitigated) if unmitigated else None,
            "frontier": [self.row(trial) for trial in self.frontier],
            "not_searched": sorted(unknown),
            "not_measured": self.not_measured,
            "note": self.note(),
        }
