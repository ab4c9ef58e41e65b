"""Gather from the stages each sign that test rows tell too much, or of others, for `judge.findings`."""

from collections.abc import Mapping, Sequence

from fairmark.data.summaries import Clusters, DataAudit, Distance, PrepareSummary, SplitSummary
from fairmark.evaluate.documents import Leakage
from fairmark.judge.findings import Shown, Strongest
from fairmark.params.policy import LATER

MOST = 20
"""Columns, or pairs of them, that are kept of a sign: those that show it most."""

MORE = 0.01
"""By how much a pair must know more than the better of its columns, to be a sign of its own."""

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


def signs(
    audit: DataAudit,
    prepared: PrepareSummary,
    split: SplitSummary,
    leakage: Leakage,
) -> dict[str, Strongest]:
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
        The signs of leakage on test rows.
    """
    files, valid, test = prepared.files.all, split.shift.valid, split.shift.test
    same = len(files) > 1 and files[0].sha256 == files[1].sha256
    shared, lead, dates = leakage.duplicates, leakage.concentration, leakage.look_ahead.dates or {}
    # What repeats by chance repeats as often among validation rows: the excess over it is the sign.
    beyond = max(0.0, shared.train.same_label - shared.valid_in_train.same_label)
    repeated = sum(entry.duplicates for entry in files) / max(1, sum(entry.rows for entry in files))
    late = {name: each.share for name, each in dates.items() if each.share is not None}
    return {
        "column_auc": _most(_columns(audit, leakage), "no feature could be measured alone"),
        "pair_auc": _most(_pairs(audit, leakage), ""),
        # A test file that is the train file is known by its bytes, however often rows repeat by chance.
        "shared_rows": _most([((), 1.0 if same else beyond)], ""),
        "repeated_rows": _most([((), repeated)], ""),
        "late_dates": _most(
            [((name,), share) for name, share in late.items()],
            leakage.look_ahead.why or "no feature is a date",
        ),
        "one_feature": _most(
            [((lead.feature,), lead.share)] if lead.feature is not None and lead.share is not None else [],
            "no feature moves the score",
        ),
        "persons": _most(_persons(audit.clusters), ""),
        # Without a column of persons each row is somebody else's; whether that can be is asked by `persons`.
        "shared_persons": _most([((), leakage.shared_persons or 0.0)], ""),
        "repeated_valid": _most([((), shared.valid_in_train.same_label)], ""),
        "part_label": _most([((), _dependence(split))], ""),
        "label_shift": _most(
            [((part,), _beyond(split, split.shift.later[part].label)) for part in LATER], ""
        ),
        "group_shift": _most(_shifts(split, valid.groups, test.groups), "no attribute"),
        "feature_shift": _most(_shifts(split, valid.features, test.features), "no feature"),
    }


def _persons(clusters: Clusters | None) -> list[tuple[tuple[str, ...], float]]:
    if clusters is None:
        return [((), 0.0)]
    return [(clusters.columns, clusters.repeated - clusters.by_chance)]


def _dependence(split: SplitSummary) -> float:
    """Return 1 - p of the test of part and label.

    Parts by time may differ in their labels, which `label_shift` measures; where no rows are alike, nothing
    but the label itself could know the label, and no key holds it.
    """
    chance = split.independence.p
    return 0.0 if split.order == "time" or chance is None else 1 - chance


def _beyond(split: SplitSummary, found: Distance) -> float:
    """Return a distance where it is beyond chance, else 0."""
    return found.distance if found.p <= split.shift.chance else 0.0


def _shifts(
    split: SplitSummary, valid: Mapping[str, Distance], test: Mapping[str, Distance]
) -> list[tuple[tuple[str, ...], float]]:
    """Return the larger distance of each attribute or feature, of the validation and of the test part."""
    return [((name,), max(_beyond(split, valid[name]), _beyond(split, test[name]))) for name in test]


def _columns(audit: DataAudit, leakage: Leakage) -> list[tuple[tuple[str, ...], float]]:
    """Return the larger of both AUCs of each feature: out of fold, and on test rows."""
    return [((name,), _alone(name, audit, leakage)) for name in leakage.alone]


def _alone(name: str, audit: DataAudit, leakage: Leakage) -> float:
    known = (audit.label_power.get(name), leakage.alone.get(name))
    return max((float(value) for value in known if value is not None), default=0.5)


def _pairs(audit: DataAudit, leakage: Leakage) -> list[tuple[tuple[str, ...], float]]:
    """Return the AUC of each pair that knows more than the better of its columns does by itself."""
    found = []
    for pair in leakage.pairs:
        of, value = tuple(pair.columns), pair.auc
        if value is not None and value > max(_alone(name, audit, leakage) for name in of) + MORE:
            found.append((of, float(value)))
    return found or [((), 0.5)]


def _most(found: Sequence[tuple[tuple[str, ...], float]], why: str) -> Strongest:
    if not found:
        return Strongest(value=None, each=(), why=why)
    each = sorted(found, key=lambda one: (-one[1], one[0]))[:MOST]
    return Strongest(value=each[0][1], each=tuple(Shown(of=of, value=value) for of, value in each))
