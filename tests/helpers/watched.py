"""A small release that is watched: its reference by hand, and entries as the service would write them."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fairmark.data.reference import DecidedRows, FeatureReference, Reference, ScoreReference
from fairmark.journal.entry import DAY_US, Entry, json_bytes
from fairmark.journal.memberships import Membership, MemoryMemberships
from fairmark.journal.store import MemoryJournal
from fairmark.params.parse import typed
from fairmark.params.policy import Policy
from fairmark.params.watch import Watch
from fairmark.watch.documents import Watched
from fairmark.watch.source import JournalSource
from fairmark.watch.windows import Counted, Plan, count_new

RELEASE = "sha256:" + "a" * 64
START = 1_767_571_200_000_000
"""2026-01-05, a Monday."""
WEEK = 7 * DAY_US
_PARAMS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")
)


def reference() -> Reference:
    """Return a reference of 1,000 test rows: pay in four bins, job in two, women and men."""
    pay = FeatureReference(
        name="pay", kind="numeric", edges=(10.0, 20.0, 30.0), low=0.0, high=50.0, categories=None,
        cells=tuple(range(7)), train=(500, 500, 500, 500, 0, 0, 0), test=(250, 250, 250, 240, 0, 10, 0)
    )  # fmt: skip
    job = FeatureReference(
        name="job", kind="categorical", edges=None, low=None, high=None, categories=("cook", "nurse"),
        cells=tuple(range(5)), train=(1200, 800, 0, 0, 0), test=(600, 400, 0, 0, 0)
    )  # fmt: skip
    return Reference(
        model_sha256="0" * 64,
        smallest_cell=1,
        train_rows=2000,
        test_rows=1000,
        features=(pay.model_copy(update={"train": (500, 500, 500, 490, 0, 10, 0)}), job),
        merged=0,
        scores=ScoreReference(
            edges=(0.25, 0.5, 0.75), negatives=(400, 150, 50, 20), positives=(50, 80, 100, 150), mean=0.4
        ),
        decided=DecidedRows(tn=550, fp=70, fn=130, tp=250),
        groups={"sex": dict.fromkeys("FM", DecidedRows(tn=275, fp=35, fn=65, tp=125))},
    )  # fmt: skip


def watch(**changes: Any) -> Watch:
    """Return the default project's section `watch`, with changes."""
    return typed(Watch, _PARAMS["watch"] | {"least_rows": 100} | changes, "watch")


def policy(*limits: Mapping[str, Any]) -> Policy:
    """Return a policy of these limits; the four-fifths rule by sex where none is given."""
    rest = {"attribute": None, "at_least": None, "at_most": None, "gate": True, "reason": "A reason."}
    chosen = limits or (
        {"name": "four-fifths", "measure": "selection_rate_ratio", "attribute": "sex", "at_least": 0.8},
    )
    return typed(
        Policy, _PARAMS["policy"] | {"limits": [{**rest, **each} for each in chosen], "waivers": []}, "policy"
    )


def watched(**changes: Any) -> Watched:
    """Return the release, watched by changed params."""
    return Watched("loans", "v0.1.0", reference(), policy(), watch(**changes))


def decision(at_us: int, score: float, row: Mapping[str, Any] | None = None, **more: Any) -> Entry:
    """Return the entry of one decision, 1 from a score of 0.5 on."""
    known: dict[str, Any] = {
        "kind": "decision", "at_us": at_us, "release": RELEASE, "arm": "champion", "score": score,
        "decision": int(score >= 0.5), "took_us": 900,
        "personal": json_bytes({"row": row or {"pay": 15, "job": "cook"}}),
    }  # fmt: skip
    return Entry(**(known | more))


def outcome(of: Entry, label: int, at_us: int | None = None) -> Entry:
    """Return the outcome of a decision, a day later."""
    return Entry(
        kind="outcome", at_us=of.at_us + DAY_US if at_us is None else at_us, about=of.id, decision=label
    )


def counted(
    entries: Iterable[Entry], held: Iterable[Membership] = (), *, until_us: int = START + WEEK, **plan: Any
) -> Counted:
    """Return what is counted of these entries, read at once."""

    async def count() -> Counted:
        journal, memberships = MemoryJournal(), MemoryMemberships()
        await journal.append([*entries])
        await memberships.add_memberships([*held])
        return await count_new(
            JournalSource(journal), memberships, Counted(RELEASE), planned(**plan), until_us
        )

    return asyncio.run(count())


def planned(**changes: Any) -> Plan:
    """Return weekly looks of at least 100 decisions."""
    known: dict[str, Any] = {
        "release": RELEASE,
        "reference": reference(),
        "window_us": WEEK,
        "least_rows": 100,
    }
    return Plan(**(known | changes))


def traffic(weeks: int, rows: int, seed: int = 1, **shares: Any) -> tuple[list[Entry], list[Membership]]:
    """Return decisions drawn from the reference, and whose they are.

    Parameters
    ----------
    shares
        `job`: share of nurses; `women`: share of women selected; either a number, or one for each week.
    """
    rng = np.random.default_rng(seed)
    entries, held = [], []
    for week in range(weeks):
        nurse, women = (_at(shares.get(name, usual), week) for name, usual in (("job", 0.4), ("women", 0.32)))
        times = START + week * WEEK + np.sort(rng.integers(0, WEEK, rows))
        for at_us in times.tolist():
            sex = "F" if rng.random() < 0.5 else "M"
            selected = rng.random() < (women if sex == "F" else 0.32)
            job = "nurse" if rng.random() < nurse else "cook"
            pay = None if rng.random() < 0.01 else float(rng.uniform(0, 40))
            one = decision(at_us, _score(rng, selected), {"pay": pay, "job": job})
            entries.append(one)
            held.append(Membership(one.id, "sex", {sex: 1.0}))
    return entries, held


def _score(rng: np.random.Generator, selected: bool) -> float:
    """Return a score of the reference, given the decision."""
    first = rng.random() < (150 / 320 if selected else 450 / 680)
    low = (0.5 if first else 0.75) if selected else (0.0 if first else 0.25)
    return float(rng.uniform(low + 1e-6, low + 0.25))


def outcomes(entries: Iterable[Entry], share: float = 1.0, seed: int = 2) -> list[Entry]:
    """Return the outcomes of some decisions, drawn at each score as the reference has them."""
    rng, known = np.random.default_rng(seed), reference().scores
    found = []
    for each in entries:
        place = known.place(each.score or 0.0)
        if rng.random() < share:
            found.append(outcome(each, int(rng.random() < known.positives[place] / known.rows[place])))
    return found


def _at(share: Any, week: int) -> float:
    return float(share[week] if isinstance(share, list) else share)
