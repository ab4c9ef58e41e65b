"""What a search comes to: its frontier, the trial that is chosen, and the table of all trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fairmark.learn.search import Trial
from fairmark.params import Policy, Tune


@dataclass(frozen=True)
class Result:
    """All trials of a search, and which of them stand out."""

    tune: Tune
    policy: Policy
    goal: str
    trials: Sequence[Trial]

    @property
    def done(self) -> list[Trial]:
        """The trials that came to something."""
        return [trial for trial in self.trials if trial.outcome.failure is None]

    @property
    def feasible(self) -> list[Trial]:
        """The trials that keep every gated limit on validation rows, with the margin."""
        return [trial for trial in self.done if trial.outcome.feasible]

    @property
    def best(self) -> Trial:
        """The best in quality of the feasible trials; without any, the one with the least violation."""
        if self.feasible:
            return max(self.feasible, key=lambda t: (t.outcome.quality, -t.number))
        return min(self.done, key=lambda t: (t.outcome.violation, -t.outcome.quality, t.number))

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
        measured = outcome.failure is None
        row: dict[str, Any] = {"number": trial.number, "role": trial.role, "family": chosen.family}
        row |= {"balance": chosen.balance, "reweighing": chosen.reweighing}
        row |= {f"{chosen.family}.{name}": value for name, value in chosen.settings.items()}
        strengths = {(step.attribute, step.constraint): step.strength for step in chosen.mitigation}
        for step in self.tune.mitigation:
            named = f"strength.{step.attribute}.{step.constraint}"
            row[named] = strengths.get((step.attribute, step.constraint), 0.0)
        row |= {"state": "complete" if measured else "failed", "failure": outcome.failure}
        row |= {"quality": outcome.quality if measured else None}
        row |= {"fairness": trial.fairness(self.policy) if measured else None}
        row |= {"violation": outcome.violation if measured else None, "feasible": outcome.feasible}
        row |= {name: outcome.overall.get(name) for name in ("roc_auc", "accuracy", "selection_rate")}
        row |= {f"limit.{limit.name}": outcome.measures.get(limit.name) for limit in self.policy.limits}
        row |= {"threshold": outcome.threshold if measured else None, "rounds": outcome.rounds}
        return row | {
            "size_bytes": outcome.size_bytes if measured else None,
            "frontier": trial in self.frontier,
            "chosen": trial is self.best,
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
        return frame.astype({"rounds": "Int64", "size_bytes": "Int64"})

    def note(self) -> str:
        """Return what was chosen, and why, in words."""
        best, known = self.best, f"{len(self.done)} trials"
        if self.feasible:
            return (
                f"Trial {best.number} has the best {self.goal} of the {len(self.feasible)} of {known} that "
                f"keep every gated limit on validation rows, those on groups with a margin of "
                f"{self.tune.margin:g}."
            )
        short = {name: slack for name, slack in best.outcome.slacks.items() if slack < 0}
        worst = ", ".join(f"{name} by {-slack:.3g}" for name, slack in sorted(short.items()))
        return (
            f"None of {known} keeps every gated limit on validation rows, those on groups with a margin of "
            f"{self.tune.margin:g}. Trial {best.number} is the nearest: it misses {worst}."
        )

    def summary(self) -> dict[str, Any]:
        """Return the summary of the search, ready for JSON."""
        baseline, unmitigated = self.of("baseline"), self.of("unmitigated")
        unknown = {limit.name for limit in self.policy.limits} - set(self.best.outcome.measures)
        return {
            "trials": len(self.trials),
            "failed": len(self.trials) - len(self.done),
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
            "note": self.note(),
        }
