"""Each fault that a service must survive is made on purpose, survived, and told."""

import json
import os
from pathlib import Path

import pytest
from served_release import ROW, small_scorer

from fairmark.cli.main import main
from fairmark.serve import drill
from fairmark.serve.drill import sample_row
from fairmark.serve.scorer import Scorer

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scorer(released: Path) -> Scorer:
    return small_scorer(released)


def test_every_drill_passes_on_a_sound_service_and_is_written_down(released: Path, tmp_path: Path) -> None:
    release, written = released / "releases" / "loans-v0.1.0", tmp_path / "drills.json"
    key, row = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem", tmp_path / "row.json"
    row.write_text(json.dumps(ROW))
    words = [
        str(release),
        "--fallback",
        str(release),
        "--key",
        str(key),
        "--row",
        str(row),
        "-o",
        str(written),
    ]

    assert main(["drill", *words]) == 0
    found = json.loads(written.read_text())
    assert found["passed"] is True
    assert len(found["drills"]) == len(drill.DRILLS) == 5
    assert all(each["took_s"] > 0 for each in found["drills"])
    assert [each["told"][-1] for each in found["drills"]] == [
        *4 * ["the operator, by the log"],
        "the supervisor, by the end of the process",
    ]


def test_a_drill_that_is_not_survived_is_told(
    released: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = drill.Drilled("a made fault", "200", "500", passed=False, took_s=0.1, told=())
    monkeypatch.setattr(drill, "DRILLS", [lambda _: wrong])
    release, key = released / "releases" / "loans-v0.1.0", Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"

    assert main(["drill", str(release), "--fallback", str(release), "--key", str(key)]) == 1
    assert "WRONG a made fault: 500" in capsys.readouterr().out


def test_a_row_that_is_made_is_one_that_the_release_takes(scorer: Scorer) -> None:
    row = sample_row(scorer)

    assert row.keys() == ROW.keys()
    assert 0 <= scorer.model.score(scorer.model.read(row)) <= 1
