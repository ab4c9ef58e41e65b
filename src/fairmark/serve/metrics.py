"""What the service counts, for Prometheus: decisions, cases, faults and times, each under a stated name.

`docs/serving.md` lists them; alerts and the dashboard name no other.
"""

from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from functools import cache
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from fairmark.journal.entry import Arm, Entry
from fairmark.serve.canary.state import SERVICE, CanaryState, Phase
from fairmark.serve.decision import Detail
from fairmark.serve.scorer import Scorer

CONTENT_TYPE = CONTENT_TYPE_LATEST
TIMES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
SCORES = tuple(tenth / 10 for tenth in range(1, 11))


class Metrics:
    """The counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which no alert reads
        self.registry = known = CollectorRegistry()
        self.decisions = Counter(
            "fairmark_decisions", "Decisions answered.", ("arm", "decision"), registry=known
        )
        self.shadows = Counter("fairmark_shadows", "Rows scored by a shadow.", ("decision",), registry=known)
        self.referrals = Counter(
            "fairmark_referrals", "Cases for a person, by why.", ("why",), registry=known
        )
        self.flags = Counter("fairmark_flags", "Unusual values.", ("flag",), registry=known)
        self.failures = Counter(
            "fairmark_arm_failures", "Arms that could not answer.", ("arm", "error"), registry=known
        )
        self.responses = Counter(
            "fairmark_responses", "Answers by HTTP status.", ("route", "status"), registry=known
        )
        self.seconds = Histogram(
            "fairmark_response_seconds",
            "From the head of a request to its answer, the journal's write among it.",
            ("route",),
            buckets=TIMES,
            registry=known,
        )
        self.scores = Histogram("fairmark_score", "Calibrated scores.", buckets=SCORES, registry=known)
        self.unwritten = Counter(
            "fairmark_journal_unavailable", "Requests that the journal could not take.", registry=known
        )
        self.share = Gauge(
            "fairmark_canary_share", "Share of people that the challenger answers.", registry=known
        )
        self.phase = Gauge("fairmark_canary_phase", "1 for the phase it is in.", ("phase",), registry=known)
        self.unattended = Gauge(
            "fairmark_canary_unattended", "1 for a canary that was halted as nobody looked.", registry=known
        )
        self.release = Gauge(
            "fairmark_release_info", "1 for each release that is loaded.",
            ("arm", "name", "version", "digest"), registry=known,
        )  # fmt: skip
        self.champion = Gauge("fairmark_champion_loaded", "1 when the champion is loaded.", registry=known)
        self.open = Gauge("fairmark_service_open", "1 when decisions are answered.", registry=known)
        self.cases = Gauge("fairmark_open_cases", "Cases that wait for a person.", ("kind",), registry=known)
        self.overdue = Gauge(
            "fairmark_overdue_cases", "Cases past their due time.", ("kind",), registry=known
        )
        self._decided = {
            (arm, str(decision)): self.decisions.labels(arm, str(decision))
            for arm in ("champion", "challenger", "fallback", "none")
            for decision in (0, 1, "person")
        }
        # Who looks a child up by its label each time pays for it more than for the count.
        self._why = cache(self.referrals.labels)
        self._flag = cache(self.flags.labels)
        self._answered: dict[tuple[str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}

    def loaded(self, releases: Mapping[Arm, Scorer]) -> None:
        """Note which releases are loaded."""
        self.champion.set("champion" in releases)
        for arm, scorer in releases.items():
            self.release.labels(arm, scorer.name, scorer.version, scorer.digest).set(1)

    def canary(self, state: CanaryState) -> None:
        """Note the state of the canary."""
        self.share.set(1.0 if state.phase == "promoted" else state.share)
        for phase in get_args(Phase):
            self.phase.labels(phase).set(phase == state.phase)
        self.unattended.set(state.phase == "halted" and state.by == SERVICE)

    def decided(self, entries: Sequence[Entry], details: Sequence[Detail]) -> None:
        """Count decisions that were answered, each with its body."""
        for (arm, decision), count in Counts((each.arm, each.decision) for each in entries).items():
            self._decided[arm, "person" if decision is None else str(decision)].inc(count)
        for entry in entries:
            if entry.score is not None:
                self.scores.observe(entry.score)
        for why, count in Counts(why for each in details for why in each.referred).items():
            self._why(why).inc(count)
        for flag, count in Counts(flag.flag for each in details for flag in each.flags).items():
            self._flag(flag).inc(count)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one HTTP answer, and how long it took."""
        counter = self._answered.get((route, status))
        if counter is None:
            counter = self._answered[route, status] = self.responses.labels(route, str(status))
        counter.inc()
        timer = self._timed.get(route)
        if timer is None:
            timer = self._timed[route] = self.seconds.labels(route)
        timer.observe(seconds)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
