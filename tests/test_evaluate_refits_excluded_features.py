"""Forbidden columns are given back for a look, one by one and together; protected ones never are."""

from dataclasses import replace

import numpy as np
import schemas
from schemas import changed
from scorecard_table import CHOSEN, POLICY, TRAIN, parts

from fairmark.data.split import Parts
from fairmark.evaluate.documents import ExcludedFeatures, ReIncludedFeatures
from fairmark.evaluate.refits import MOST_ALONE, Fits, excluded_features, with_excluded

FITS = Fits(TRAIN, POLICY)


def _with_forbidden(names: list[str], rows: int = 900) -> Parts:
    """The made table with columns that tell the label, each forbidden."""
    made = parts(rows)
    rng = np.random.default_rng(1)
    columns = {
        f"withheld:{name}": made.table["_label"].astype(float) + rng.normal(0, 0.6, rows) for name in names
    }
    described = [schemas.withheld(name, "numeric", why="forbidden") for name in names]
    schema = changed(made.schema, withheld=(*made.schema.withheld, *described))
    return replace(made, schema=schema, evidence=made.evidence.assign(**columns))


def _looked_at(made: Parts) -> ExcludedFeatures:
    return excluded_features(made, FITS.model(made, CHOSEN), FITS)


def test_a_column_that_tells_the_label_is_seen_to_raise_quality() -> None:
    found = _looked_at(_with_forbidden(["hint"]))

    assert [entry.columns for entry in found.re_included] == [["hint"]]
    hinted = found.re_included[0]
    assert isinstance(hinted, ReIncludedFeatures)
    assert (hinted.roc_auc or 0) > (found.without.roc_auc or 1) + 0.02


def test_several_columns_come_back_alone_and_together() -> None:
    found = _looked_at(_with_forbidden(["a", "b"]))

    assert [entry.columns for entry in found.re_included] == [["a"], ["b"], ["a", "b"]]


def test_a_protected_column_is_never_given_back() -> None:
    found = _looked_at(parts())

    assert found.re_included == []


def test_columns_beyond_the_most_are_named() -> None:
    names = [f"c{k}" for k in range(MOST_ALONE + 2)]

    found = _looked_at(_with_forbidden(names, rows=300))

    assert found.not_looked_at == names[MOST_ALONE:]
    assert len(found.re_included) == MOST_ALONE + 1


def test_the_parts_themselves_stay_without_the_column() -> None:
    made = _with_forbidden(["hint"])

    wider = with_excluded(made, ["hint"])

    assert "hint" in wider.table
    assert "hint" not in made.table
    assert made.schema.feature_names.count("hint") == 0


def test_test_rows_change_nothing() -> None:
    made = _with_forbidden(["hint"])
    test = made.belongs == "test"
    other = replace(made, table=made.table.assign(_label=made.table["_label"].mask(test, 0).astype("int8")))

    assert _looked_at(other) == _looked_at(made)
