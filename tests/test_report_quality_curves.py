"""Curves are drawn from what evaluate wrote, each group before all rows, and not at all without points."""

from dataclasses import replace

from markup import read
from stage_outputs import curves, facts

from fairmark.report.inputs import Curves
from fairmark.report.quality import by_group, calibrations, precision_recall, roc

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = curves(TEAMS)


def test_the_roc_curve_stands_where_its_points_say() -> None:
    picture = roc(facts())

    assert picture is not None
    paths = [it.attributes for it in read(picture.svg).all("path")]
    assert paths[-1] == {"d": "M40 260L96.8 96.2L324 26", "class": "curve"}


def test_the_caption_has_the_area_with_its_interval() -> None:
    area = facts().measurements.overall["roc_auc"]
    picture = roc(facts())

    assert picture is not None
    assert f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})" in picture.caption


def test_each_group_is_drawn_before_all_rows() -> None:
    found = by_group(facts(), "team")

    assert [each.caption.split(":")[0] for each in found] == ["blue", "red"]
    classes = [it.attributes["class"] for it in read(found[0].svg).all("path")]
    assert classes == ["reference", "behind", "reach", "curve"]


def test_a_group_without_rows_has_an_empty_picture_that_says_why() -> None:
    found = by_group(
        facts({"team": {"blue": 90, "red": 0}}, curves=replace(FOUND, calibration=FOUND.calibration[:2])),
        "team",
    )

    assert "error not measured: no rows; 0 rows, few" in found[1].caption


def test_no_points_are_no_picture() -> None:
    empty = facts(curves=Curves(roc=[], precision_recall=[], calibration=[]))

    assert (roc(empty), precision_recall(empty), calibrations(empty)) == (None, None, None)
