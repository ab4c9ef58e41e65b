"""Signs that test rows tell too much, or of others: measured by other stages, gathered for the gate, judged.

A model that reads the answer, or rows and persons that it was learnt from, is measured too well by every
other limit; one that is measured on rows unlike those that it was learnt from is measured for others.
Each sign is a row of `signs`; the policy says above which number it must be answered (`Findings`). A sign has
an innocent explanation at times, so that it never fails a release: it leaves insufficient evidence, and a
waiver that names the columns is the answer on record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairmark.params.policy import LATER, Findings, Limit

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
    "persons": "share of rows that share their values of {of} with others, beyond chance,",
    "shared_persons": "share of test rows of a person who has train or validation rows too",
    "repeated_valid": "share of validation rows that are train rows too",
    "part_label": "one less the chance of parts and labels that go together so far",
    "label_shift": "distance of the label rate between the train part and the {of} part",
    "group_shift": "distance of {of} between the train part and a later part",
    "feature_shift": "distance of {of} between the train part and a later part",
}
BEFOREHAND = "the answer may be known beforehand"
MEANT: Mapping[str, str] = {
    **dict.fromkeys(("column_auc", "pair_auc", "shared_rows", "repeated_rows", "late_dates"), BEFOREHAND),
    **dict.fromkeys(("one_feature", "repeated_valid"), BEFOREHAND),
    "persons": "several rows may belong to one person, whom the model may know already",
    "shared_persons": "the model may know the person already",
    "part_label": "the parts know the label",
    "label_shift": "the model is measured where the label is another thing than where it was learnt",
    "group_shift": "the model is measured on others than it was learnt from",
    "feature_shift": "the model is measured on others than it was learnt from",
}
"""What a sign says, where it is above its number."""
ASKED: Mapping[str, str] = {
    "column_auc": "Ask whether it is known before the decision; if it is not, put it into prepare.drop",
    "pair_auc": "Ask whether both are known before the decision; if one is not, put it into prepare.drop",
    "shared_rows": "Measure on rows that no model has learnt from",
    "repeated_rows": "Take repeated rows out, or keep those of one person together",
    "late_dates": "Put dates that are not known at the decision into prepare.drop",
    "one_feature": "Ask whether it is known before the decision; if it is not, put it into prepare.drop",
    "persons": "Name the column that says whose a row is in prepare.person",
    "shared_persons": "Make the parts anew with prepare.person",
    "repeated_valid": "Take repeated rows out, or keep those of one person together",
    "part_label": "Name another column in prepare.row_id, or null",
    "label_shift": "Ask why; take parts that are alike (split.order hash), or rows of one time",
    "group_shift": "Ask why; take parts that are alike (split.order hash), or rows of one time",
    "feature_shift": "Ask why; take parts that are alike (split.order hash), or rows of one time",
}

STANDS_FOR: Mapping[str, str] = {
    "audit.label_power": "column_auc",
    "audit.leakage": "column_auc",
    "audit.clusters": "persons",
    "audit.questions": "persons",
    "prepare.duplicates": "repeated_rows",
    "prepare.files": "repeated_rows",
    "prepare.shared_rows": "shared_rows",
    "split.independence": "part_label",
    "split.shift.valid.label": "label_shift",
    "split.shift.test.label": "label_shift",
    "split.shift.valid.groups": "group_shift",
    "split.shift.test.groups": "group_shift",
    "split.shift.valid.features": "feature_shift",
    "split.shift.test.features": "feature_shift",
    "split.shift.findings": "label_shift",
    "checks.leakage.alone": "column_auc",
    "checks.leakage.together": "pair_auc",
    "checks.leakage.concentration": "one_feature",
    "checks.leakage.later": "late_dates",
    "checks.leakage.shared_persons": "shared_persons",
    "checks.leakage.twins.train": "shared_rows",
    "checks.leakage.twins.valid_in_train": "repeated_valid",
}
"""The sign that stands for each figure of the stages. Every other figure is listed in docs/findings.md, with
the reason why it is reported only: a test holds the two to cover all that the stages measure."""


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
            f"{where} is {self.value:.5g}, above {edge}: {MEANT[self.limit.measure]}. "
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


def signs(
    audit: Mapping[str, Any],
    prepared: Mapping[str, Any],
    split: Mapping[str, Any],
    leakage: Mapping[str, Any],
) -> Entry:
    """Return the entry "findings" of the measurements document.

    Parameters
    ----------
    audit
        What the stage `audit` wrote: how well each column alone knows the label, out of fold.
    prepared
        The summary of `prepare`: the files, and their repeated rows.
    split
        The summary of `split`: how the parts were made, and how they differ.
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
        "persons": _most(_persons(audit["clusters"]), ""),
        # Without a column of persons each row is somebody else's; whether that can be is asked by `persons`.
        "shared_persons": _most([((), leakage["shared_persons"] or 0.0)], ""),
        "repeated_valid": _most([((), twins["valid_in_train"]["same_label"])], ""),
        "part_label": _most([((), _dependence(split))], ""),
        "label_shift": _most(
            [((part,), _beyond(split, split["shift"][part]["label"])) for part in LATER], ""
        ),
        "group_shift": _most(_shifts(split, "groups"), "no attribute"),
        "feature_shift": _most(_shifts(split, "features"), "no feature"),
    }


def _persons(clusters: Mapping[str, Any] | None) -> list[tuple[tuple[str, ...], float]]:
    if clusters is None:
        return [((), 0.0)]
    return [(tuple(clusters["columns"]), clusters["repeated"] - clusters["by_chance"])]


def _dependence(split: Mapping[str, Any]) -> float:
    """Return 1 - p of the test of part and label.

    Parts by time may differ in their labels, which `label_shift` measures; where no rows are alike, nothing
    but the label itself could know the label, and no key holds it.
    """
    chance = split["independence"]["p"]
    return 0.0 if split["order"] == "time" or chance is None else 1 - float(chance)


def _beyond(split: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """Return a distance where it is beyond chance, else 0."""
    return float(found["distance"]) if found["p"] <= split["shift"]["chance"] else 0.0


def _shifts(split: Mapping[str, Any], kind: str) -> list[tuple[tuple[str, ...], float]]:
    """Return the larger distance of each attribute or feature, of the validation and of the test part."""
    valid, test = (split["shift"][part][kind] for part in ("valid", "test"))
    return [((name,), max(_beyond(split, valid[name]), _beyond(split, test[name]))) for name in test]


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
