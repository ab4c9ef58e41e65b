"""`dvc plots show` draws its charts in a browser without a network, from the template of this repository."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from browser import launched, opened

from fairmark.files import write_text

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[1]
CURVES = {
    "evaluate/plots/roc.csv": "false_positive_rate,true_positive_rate,threshold\n0,0,\n0.1,0.7,0.5\n1,1,0\n",
    "evaluate/plots/precision_recall.csv": "recall,precision,threshold\n0.5,1,0.9\n0.7,0.8,0.5\n1,0.3,0\n",
    "evaluate/plots/calibration.csv": "mean_score,positive_share\n0.1,0.12\n0.9,0.85\n",
    "explain/importance.csv": "feature,mean_abs_shap\nage,1.5\nhours & <b>,0.5\n",
}


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Yield one browser for all tests of the module."""
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page that DVC writes for this repository's pipeline and made curves."""
    folder = tmp_path_factory.mktemp("plots")
    for name in (".dvc/config", ".dvc/plots.html", "dvc.yaml", "params.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name, text in CURVES.items():
        write_text(folder / "artifacts" / name, text)
    write_text(folder / "artifacts" / "tune" / "tuned.yaml", "chosen: {}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(
        [sys.executable, "-m", "dvc", "plots", "show"], cwd=folder, check=True, capture_output=True
    )
    return folder / "dvc_plots" / "index.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_the_page_asks_for_nothing_and_fits(
    browser: "Browser", shown: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    with opened(browser, shown, scheme, width) as tab:
        assert tab.requests == [shown.as_uri()]
        assert tab.complaints == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_each_chart_shows_the_rows_of_its_file(browser: "Browser", shown: Path) -> None:
    with opened(browser, shown, "light", 1366) as tab:
        line, recall, dots = (tab.page.locator("body > div").nth(place) for place in range(3))

        assert line.locator("path").get_attribute("d") == "M56.0 276.0L97.0 88.4L466.0 8.0"
        assert [recall.locator("path").count(), dots.locator("path").count()] == [1, 0]
        assert [recall.locator("circle").count(), dots.locator("circle").count()] == [3, 2]


def test_bars_are_as_long_as_their_numbers_and_bear_their_names(browser: "Browser", shown: Path) -> None:
    with opened(browser, shown, "light", 1366) as tab:
        widths = [float(it.get_attribute("width") or 0) for it in tab.page.locator("rect").all()]
        texts = tab.page.locator("body > div").nth(3).locator("svg text").all_text_contents()

        assert widths[0] == pytest.approx(3 * widths[1])
        assert texts == ["age", "1.5", "hours & <b>", "0.5"]


def test_a_chart_that_the_page_cannot_draw_is_a_table(browser: "Browser", shown: Path) -> None:
    with opened(browser, shown, "light", 1366) as tab:
        tab.page.evaluate(
            """document.body.insertAdjacentHTML("beforeend", "<div id=heat></div>");
            vegaEmbed("#heat", {data: {values: [{a: "x", b: 2}]}, mark: "rect", title: "Heat"})"""
        )

        assert tab.page.locator("#heat td").all_inner_texts() == ["x", "2"]
