"""Signs that the answer is known beforehand: measured by other stages, gathered for the gate, and judged.

A model that reads the answer, or rows that it was learnt from, is measured too well by every other limit.
Each sign is a row of `signs`; the policy says above which number it must be answered (`Findings`). A sign has
an innocent explanation at times, so that it never fails a release: it leaves insufficient evidence, and a
waiver that names the columns is the answer on record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairmark.sections.policy import Findings, Limit

Entry = dict[str, Any]

NAMES = tuple(Findings.model_fields)
"""Every sign, by the name that params.yaml has for it."""
MOST = 20
"""Columns, or pairs of them, that are kept of a sign: those that show it most."""

MORE = 0.01
"""By how much a pair must know more than the better of its columns, to be a sign of its own."""

SAID: Mapping[str, str] = {
    "column_auc": "ROC AUC for the label by {of} alone",
    "pair_auc": "ROC AUC for the label by {of} together",
    "shared_rows": "share of test rows that are train rows too, beyond what chance explains,",
    "repeated_rows": "share of rows that repeat an earlier row of their file",
    "late_dates": "share of rows where {of} lies after the row's own time",
    "one_feature": "share of all that moves scores which comes from {of}",
}
ASKED: Mapping[str, str] = {
    "column_auc": "Ask whether it is known before the decision; if it is not, put it into prepare.drop",
    "pair_auc": "Ask whether both are known before the decision; if one is not, put it into prepare.drop",
    "shared_rows": "Measure on rows that no model has learnt from",
    "repeated_rows": "Take repeated rows out, or keep those of one person together",
    "late_dates": "Put dates that are not known at the decision into prepare.drop",
    "one_feature": "Ask whether it is known before the decision; if it is not, put it into prepare.drop",
}


@dataclass(frozen=True)
class Sign:
    """One sign of one limit: of which columns, and how strong."""

    limit: Limit
    of: tuple[str, ...]
    value: float | None
    why: str

    @property
    def shown(self) -> bool:
        """Whether it is above the policy's number; None can't be known, which is no answer either."""
        return self.value is None or self.value > float(self.limit.at_most or 0.0)

    def text(self) -> str:
        """Return what was found, and what to do about it."""
        of = " and ".join(self.of)
        where = SAID[self.limit.measure].format(of=of or "a column")
        where = where[0].upper() + where[1:]
        if self.value is None:
            name = f"policy.findings.{self.limit.measure}"
            return f"{where} can't be told: {self.why}. Set {name} to null, or answer it by a waiver."
        edge = f"{float(self.limit.at_most or 0.0):.5g}"
        if not self.shown and not self.of and self.limit.measure == "pair_auc":
            return "No two features together know more of the label than the better of them alone."
        if not self.shown:
            return f"{where} is {self.value:.5g}, not above {edge}."
        groups = f", groups [{', '.join(self.of)}]" if self.of else ""
        return (
            f"{where} is {self.value:.5g}, above {edge}: the answer may be known beforehand. "
            f"{ASKED[self.limit.measure]}; or answer it in policy.waivers (limit {self.limit.name}{groups})."
        )


def planned(limit: Limit, document: Mapping[str, Any]) -> list[Sign]:
    """Return every sign above the limit, the strongest first; without any, the strongest one."""
    entry = document["findings"][limit.measure]
    if entry["value"] is None:
        return [Sign(limit, (), None, str(entry["why"]))]
    each = [Sign(limit, tuple(one["of"]), float(one["value"]), "") for one in entry["each"]]
    return [one for one in each if one.shown] or each[:1]


def faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the findings of a measurements document."""
    found = document["findings"]
    if set(found) != set(NAMES):
        yield f"measurements.findings: must be {sorted(NAMES)}, got {sorted(found)}"
        return
    for name, entry in found.items():
        where, value = f"measurements.findings.{name}", entry["value"]
        if value is None:
            if not entry.get("why"):
                yield f"{where}: must say why it is null, got nothing"
            continue
        values = [one["value"] for one in entry["each"]]
        if not values or any(isinstance(one, bool) or not 0 <= one <= 1 for one in values):
            yield f"{where}: must be shares in 0..1, got {values}"
        elif value != values[0] or values != sorted(values, reverse=True):
            yield f"{where}: must be the largest of its parts, which fall, got {value}"


# ------------------------------------------------------------------ gathered from the stages


def signs(audit: Mapping[str, Any], prepared: Mapping[str, Any], leakage: Mapping[str, Any]) -> Entry:
    """Return the entry "findings" of the measurements document.

    Parameters
    ----------
    audit
        What the stage `audit` wrote: how well each column alone knows the label, out of fold.
    prepared
        The summary of `prepare`: the files, and their repeated rows.
    leakage
        What `judge.leakage` says on test rows.
    """
    files = [entry for entry in prepared["files"].values() if entry]
    same = len(files) > 1 and files[0]["sha256"] == files[1]["sha256"]
    twins, lead, dates = leakage["twins"], leakage["concentration"], leakage["later"]["dates"]
    beyond = max(0.0, twins["train"]["same_label"] - twins["valid_in_train"]["same_label"])
    repeated = sum(entry["duplicates"] for entry in files) / max(1, sum(entry["rows"] for entry in files))
    late = {name: each["share"] for name, each in (dates or {}).items() if each["share"] is not None}
    return {
        "column_auc": _most(_columns(audit, leakage), "no feature could be measured alone"),
        "pair_auc": _most(_pairs(audit, leakage), ""),
        # A test file that is the train file is known by its bytes, however often rows repeat by chance.
        "shared_rows": _most([((), 1.0 if same else beyond)], ""),
        "repeated_rows": _most([((), repeated)], ""),
        "late_dates": _most(
            [((name,), share) for name, share in late.items()],
            leakage["later"].get("why") or "no feature is a date",
        ),
        "one_feature": _most(
            [((lead["feature"],), lead["share"])] if lead["feature"] is not None else [],
            "no feature moves the score",
        ),
    }


def _columns(audit: Mapping[str, Any], leakage: Mapping[str, Any]) -> list[tuple[tuple[str, ...], float]]:
    """Return the larger of both AUCs of each feature: out of fold, and on test rows."""
    return [((name,), _alone(name, audit, leakage)) for name in leakage["alone"]]


def _alone(name: str, audit: Mapping[str, Any], leakage: Mapping[str, Any]) -> float:
    known = (audit["label_power"].get(name), leakage["alone"].get(name))
    return max((float(value) for value in known if value is not None), default=0.5)


def _pairs(audit: Mapping[str, Any], leakage: Mapping[str, Any]) -> list[tuple[tuple[str, ...], float]]:
    """Return the AUC of each pair that knows more than the better of its columns does by itself."""
    found = []
    for pair in leakage["together"]:
        of, value = tuple(pair["columns"]), pair["auc"]
        if value is not None and value > max(_alone(name, audit, leakage) for name in of) + MORE:
            found.append((of, float(value)))
    return found or [((), 0.5)]


def _most(found: Sequence[tuple[tuple[str, ...], float]], why: str) -> Entry:
    if not found:
        return {"value": None, "each": [], "why": why}
    each = sorted(found, key=lambda one: (-one[1], one[0]))[:MOST]
    return {"value": each[0][1], "each": [{"of": list(of), "value": value} for of, value in each]}
