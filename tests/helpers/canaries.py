"""A canary's terms, its counts, and traffic in a journal: made by hand, of numbers that a test names."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fairmark.journal.entry import Arm, Entry, json_bytes, new_id
from fairmark.journal.memberships import Membership, MemoryMemberships
from fairmark.journal.store import MemoryJournal
from fairmark.params.policy import Limit, Waiver
from fairmark.params.serve import Canary
from fairmark.serve.canary.decision import Progress
from fairmark.serve.canary.evidence import ALL, EVERYBODY, Counts, Decisions, Terms
from fairmark.serve.canary.state import CanaryState
from fairmark.stats.arrays import Floats

CHAMPION, CHALLENGER, OTHER = (f"sha256:{digit * 64}" for digit in "abc")


def rules(**changes: Any) -> Canary:
    """Return params of a canary that is soon over."""
    known: dict[str, Any] = {
        "level": 0.05, "shadow": 200, "shares": [0.25, 0.5], "block": 50, "least": 200, "most": 20_000,
        "most_days": 30, "hold": 1000, "silent_minutes": 60, "harm": 0.15, "quality_margin": 0.05,
        "outcomes_from": None, "wait_for_outcomes": False,
        "group_margin": None, "fault_rate": 0.05, "latency_ms": 50, "latency_share": 0.95,
    }  # fmt: skip
    return Canary.model_validate(known | changes)


def limit(measure: str = "selection_rate_ratio", at: float = 0.8, **changes: Any) -> Limit:
    """Return a gated limit on the two sexes."""
    side = "at_most" if "difference" in measure else "at_least"
    known: dict[str, Any] = {
        "name": measure.replace("_", "-"), "measure": measure, "attribute": "sex", "at_least": None,
        "at_most": None, "gate": True, "reason": "A rule.",
    }  # fmt: skip
    return Limit.model_validate(known | {side: at} | changes)


def waiver(of: Limit, groups: list[str] | None = None) -> Waiver:
    """Return a named person's decision to go on without enough evidence on a limit."""
    return Waiver(
        limit=of.name,
        groups=groups,
        decided_by="A. Person",
        reason="Known.",
        decided=dt.date(2026, 1, 1),
        expires=dt.date(2027, 1, 1),
    )


def cells(rate: float, accuracy: float, rows: float = 1000) -> Floats:
    """Return a confusion matrix [label, decision] with a selection rate, right alike in both decisions."""
    right, wrong = accuracy, 1 - accuracy
    return rows * np.array([[(1 - rate) * right, rate * wrong], [(1 - rate) * wrong, rate * right]])


def terms(
    limits: Iterable[Limit] | None = None, rates: Mapping[str, float] | None = None, **changes: Any
) -> Terms:
    """Return what a canary is held to whose test rows have these selection rates."""
    groups = rates or {"Female": 0.3, "Male": 0.3}
    tables = np.stack([cells(rate, 0.9) for rate in groups.values()])
    known: dict[str, Any] = {
        "rules": rules(), "limits": (limit(),) if limits is None else tuple(limits), "waivers": (),
        "overrides": (), "labels": "all", "adverse": 0,
        "expected": {ALL: tables.sum(axis=0)[None], "sex": tables},
        "groups": {ALL: EVERYBODY, "sex": tuple(groups)},
    }  # fmt: skip
    return Terms(**(known | changes))


def counts(rates: Sequence[float] = (0.3, 0.3), looks: int = 100, rows: int = 25, **changes: Any) -> Counts:
    """Return counts with the same rows in each look, and selected as near to the rates as can be."""
    n = np.full((looks, len(rates)), float(rows))
    x = np.diff(np.round(np.arange(looks + 1)[:, None] * rows * np.asarray(rates)), axis=0)
    none = np.zeros((looks, len(rates), 3))
    whole = Decisions(EVERYBODY, n.sum(1, keepdims=True), x.sum(1, keepdims=True), none[:, :1])
    groups = ("Female", "Male") if len(rates) == 2 else tuple(f"g{k}" for k in range(len(rates)))
    known: dict[str, Any] = {
        "decisions": {ALL: whole, "sex": Decisions(groups, n, x, none)},
        "outcomes": {ALL: np.zeros((1, 1, 2, 2)), "sex": np.zeros((1, len(rates), 2, 2))},
        "arms": np.zeros((1, 2, 2, 2)),
        "operation": np.tile([float(rows * len(rates)), 0.0, 0.0], (looks, 1)),
    }
    return Counts(**(known | changes))


def state(share: float = 0.5, phase: str = "share") -> CanaryState:
    """Return a canary's state."""
    return CanaryState(phase=phase, challenger=CHALLENGER, share=share if phase == "share" else 0.0)  # type: ignore[arg-type]


def progress(**changes: Any) -> Progress:
    """Return how far a canary has come: at the last share, with enough decisions there."""
    known = {"state": state(), "at_share": 1000, "exposed": 3000, "shadowed": 200, "days": 3.0}
    return Progress(**(known | changes))  # type: ignore[arg-type]


class Traffic:
    """A service that decides by chance, at rates of a test's own, and writes what a real one writes."""

    def __init__(self, seed: int, rates: Mapping[str, float], champion: float = 0.3) -> None:
        self.rng = np.random.default_rng(seed)
        self.rates, self.champion = dict(rates), champion
        self.journal: Any = MemoryJournal()
        self.memberships: Any = MemoryMemberships()
        self.champion_digest, self.challenger_digest = CHAMPION, CHALLENGER
        self.now_us = 1_700_000_000_000_000
        self.slow = self.faults = 0.0
        self.told = True

    async def decide(self, number: int, current: CanaryState) -> list[str]:
        """Answer so many rows under a canary's state, tell their sex, and return their ids."""
        ids, entries, members = [], [], []
        for _ in range(number):
            self.now_us += 1_000_000
            sex = str(self.rng.choice(list(self.rates)))
            row = self._row(sex, current)
            entries += row
            ids.append(row[0].id)
            members.append(Membership(ids[-1], "sex", {sex: 1.0}))
        await self.journal.append(entries)
        if self.told:
            await self.memberships.add_memberships(members)
        return ids

    def _row(self, sex: str, current: CanaryState) -> list[Entry]:
        tried = current.phase == "share" and self.rng.random() < current.share
        failed = tried and self.rng.random() < self.faults
        arm: Arm = "challenger" if tried and not failed else "champion"
        this = new_id()
        entries = [
            Entry(
                kind="decision",
                at_us=self.now_us,
                id=this,
                release=self.challenger_digest if arm == "challenger" else self.champion_digest,
                arm=arm,
                decision=self._drawn(sex, arm),
                score=0.5,
                took_us=90_000 if self.rng.random() < self.slow else 900,
                body=json_bytes({"failed": ["challenger"] if failed else []}),
            )
        ]
        if current.phase == "shadow":
            decision = self._drawn(sex, "challenger")
            entries.append(
                Entry(
                    kind="shadow",
                    at_us=self.now_us,
                    about=this,
                    release=self.challenger_digest,
                    arm="shadow",
                    decision=decision,
                )
            )
        return entries

    def _drawn(self, sex: str, arm: Arm) -> int:
        rate = self.rates[sex] if arm == "challenger" else self.champion
        return int(self.rng.random() < rate)

    async def outcome(self, about: str, label: int) -> None:
        """Tell the label of a decision."""
        await self.journal.append([Entry(kind="outcome", at_us=self.now_us, about=about, decision=label)])
