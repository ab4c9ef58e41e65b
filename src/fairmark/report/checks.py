"""The evidence beside the measurements: learning, features, slices, stress, abstaining, leakage."""

from collections.abc import Mapping
from typing import Any

from fairmark.report import check_text, thresholds
from fairmark.report.charts.strips import axis, unit, whisker
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Table, listed, number
from fairmark.report.learning import learning, probe, slices
from fairmark.report.stress import disturbed, nudged, stress, stressed, stressed_each, stressed_one


def checks_view(facts: Facts) -> Mapping[str, Any]:
    """Return every check as pictures, tables and sentences."""
    whole = disturbed(facts)
    return {
        "learning": {
            "told": [
                check_text.learnt(facts),
                *([history] if (history := check_text.remembered(facts)) else []),
            ],
            "pictures": learning(facts),
        },
        "probe": {"told": check_text.useless(facts), "table": probe(facts)},
        "withheld": {"told": check_text.returned(facts), "table": returned(facts)},
        "slices": {"told": check_text.erring(facts), "table": slices(facts)},
        "stress": {
            "told": [
                stressed(facts, whole),
                *(said for said in (stressed_one(facts), nudged(facts)) if said is not None),
            ],
            "swapped": facts.checks["stress"]["swapped"],
            "decisions": thresholds.swapped(facts),
            "table": stress(facts, whole),
            "each": stressed_each(facts),
        },
        "abstain": {"told": check_text.abstained(facts), "table": abstain(facts)},
        "leakage": {"told": [check_text.unseen(facts), *leakage(facts)], "alone": alone(facts)},
    }


def returned(facts: Facts) -> Table | None:
    """Return what forbidden columns do when they are given back, or nothing when none is forbidden."""
    found = facts.checks["withheld"]
    if not found["given_back"]:
        return None
    names = ("ROC AUC", "Accuracy", f"Selection rate ratio by {facts.foremost}")
    columns = [Column("Given back to the model"), *(Column(name, NUMBER) for name in names)]
    entries = [("none: as it is", found["without"])]
    entries += [(listed(entry["columns"]), entry) for entry in found["given_back"]]
    rows = [
        (name, f"no model: {entry['why']}", "", "") if "why" in entry else (name, *_glance(facts, entry))
        for name, entry in entries
    ]
    left = found["not_looked_at"]
    more = f"; not looked at: {listed(left)}" if left else ""
    caption = f"Forbidden columns given back, on validation rows; none of these models is kept{more}"
    return Table(caption, columns, rows, marked=frozenset({0}))


def _glance(facts: Facts, entry: Mapping[str, Any]) -> list[str]:
    values = (entry["roc_auc"], entry["accuracy"], facts.ratio(entry))
    return [number(value, facts.decimals) for value in values]


def abstain(facts: Facts) -> Table:
    """Return error and fairness of the rows that the model decides itself, and who is sent to a human."""
    one = facts.foremost
    groups = list(facts.measurements["groups"][one])
    columns = [
        Column("Decided by the model"),
        Column("Error", NUMBER),
        Column(f"Selection rate ratio by {one}", NUMBER),
        *(Column(f"Sent, {group}", NUMBER) for group in groups),
    ]
    rows = [
        (
            number(band["decided"], facts.decimals),
            number(band["kept"]["error"], facts.decimals),
            number(facts.ratio(band["kept"]), facts.decimals),
            *(number(_share(band["sent"][one].get(group)), facts.decimals) for group in groups),
        )
        for band in facts.checks["abstain"]["bands"]
    ]
    caption = f"When the rows nearest to the threshold go to a human: test rows, and the share sent by {one}"
    return Table(caption, columns, rows)


def _share(entry: Mapping[str, Any] | None) -> float | None:
    return None if entry is None else entry["share"]


def leakage(facts: Facts) -> list[str]:
    """Return what speaks for or against the model knowing what it could not know when it decides."""
    found = facts.checks["leakage"]
    said = []
    leading = found["concentration"]
    if leading["feature"] is not None:
        share = number(leading["share"], facts.decimals)
        said.append(
            f"The feature that moves scores most, {leading['feature']}, makes {share} of all that moves them."
        )
    twins = found["twins"]
    train, expected = (number(twins[key]["share"], facts.decimals) for key in ("train", "valid_in_train"))
    said.append(
        f"{train} of the test rows have an equal row, in all features, among the train rows; of the "
        f"validation rows, which stand for chance, it is {expected}."
    )
    dates = found["later"]["dates"]
    if dates is None:
        said.append(f"Features dated after the row's own time were not looked for: {found['later']['why']}.")
    else:
        late = [name for name, entry in dates.items() if entry["share"]]
        said.append(
            f"Dated after the row's own time: {listed(late)}."
            if late
            else "No feature is dated after the row's own time."
        )
    return said


def alone(facts: Facts) -> Table:
    """Return how well each feature predicts the label by itself."""
    found = facts.checks["leakage"]["alone"]
    scale = unit(0.5, 1)
    rows = [
        (
            name,
            whisker(scale, value, 0.5, value, None) if value is not None else "",
            number(value, facts.decimals),
        )
        for name, value in sorted(found.items(), key=lambda pair: (-(pair[1] or 0), pair[0]))
    ]
    columns = [Column("Feature"), Column("From 0.5 to 1", STRIP), Column("ROC AUC alone", NUMBER)]
    return Table(
        "How well each feature alone predicts the label of test rows", columns, rows, ("", axis(scale), "")
    )
