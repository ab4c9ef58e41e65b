"""Each figure is a sign of the policy, or docs/findings.md says why it is reported only."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loans_table import make_second
from test_stages_data import staged

from fairmark.evaluate.leakage import STANDS_FOR
from fairmark.judge.findings import NAMES

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
REPORTED = {
    path
    for line in re.findall(r"^- (.*?): ", PAGE.split("## Reported only")[1], re.MULTILINE)
    for path in re.findall(r"`([a-z_.]+)`", line)
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the stages measured: of a made table, and the checks of the default one."""
    folder = tmp_path_factory.mktemp("figures")
    made = staged(make_second(folder), folder / "data", folder / "out")
    files = {"audit": made["audit.json"], "prepare": made["summary.json"], "split": made["split.json"]}
    files["checks"] = ROOT / "artifacts" / "evaluate" / "checks.json"
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items()}


def figures(value: Any, path: str) -> Iterator[str]:
    """Yield every figure: a key that is listed as a whole, or what stands below one that is not."""
    if path in STANDS_FOR or path in REPORTED or not isinstance(value, dict) or not value:
        yield path
        return
    for key, below in value.items():
        yield from figures(below, f"{path}.{key}" if path else key)


def test_every_measured_figure_is_a_sign_or_is_listed_with_a_reason(documents: dict[str, Any]) -> None:
    assert set(figures(documents, "")) - {*STANDS_FOR, *REPORTED} == set()


def test_a_figure_more_would_be_told(documents: dict[str, Any]) -> None:
    for name, found in documents.items():
        more = {**documents, name: {**found, "questionable": {"share": 0.9}}}
        assert set(figures(more, "")) - {*STANDS_FOR, *REPORTED} == {f"{name}.questionable.share"}


def test_no_figure_is_both_or_stands_for_no_sign() -> None:
    assert not REPORTED & set(STANDS_FOR)
    assert set(STANDS_FOR.values()) == set(NAMES)


def test_what_is_listed_is_measured(documents: dict[str, Any]) -> None:
    assert {*STANDS_FOR, *REPORTED} - set(figures(documents, "")) <= {"checks.leakage.shared_persons"}


def test_the_page_has_every_sign_with_its_default() -> None:
    policy = (
        (ROOT / "params.yaml").read_text(encoding="utf-8").split("  findings:\n")[1].split("  limits:")[0]
    )
    asked = dict(re.findall(r"^    ([a-z_]+): (\S+)$", policy, re.MULTILINE))
    rows = re.findall(r"^\| `([a-z_]+)` \| finding-([a-z-]+) \| .* \| (\S+) \| [^|]+ \|$", PAGE, re.MULTILINE)

    assert {name: value for name, _, value in rows} == asked
    assert all(limit == name.replace("_", "-") for name, limit, _ in rows)
