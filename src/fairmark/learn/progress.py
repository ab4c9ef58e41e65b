"""Show how far a search is: a bar on a terminal, a line a batch elsewhere."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fairmark.terminal import say

if TYPE_CHECKING:
    from fairmark.learn.search import Trial


@dataclass
class Progress:
    """A search's progress on the error stream, which no output file ever holds."""

    total: int
    goal: str
    bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, desc="tune", unit="trial", file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, trials: "Sequence[Trial]") -> None:
        """Show the trials so far, and the best of them that keeps the policy's limits."""
        kept = [trial for trial in trials if trial.outcome.feasible]
        best = max(kept, key=lambda trial: trial.outcome.quality, default=None)
        words = f"best {self.goal} {best.outcome.quality:.4f}" if best else "none within the limits yet"
        if self.bar is None:
            say(f"tune: {len(trials)} of {self.total} trials, {words}", error=True)
        else:
            self.bar.update(len(trials) - self.bar.n)
            self.bar.set_postfix_str(words)
