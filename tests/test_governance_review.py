"""A review says what a commit moves, judges both sides by their own policy, and lets no foreign text act."""

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from fairmark.errors import StateError, UsageError
from fairmark.governance.review import MEASUREMENTS, review

pytest_plugins = ("release_fixtures",)

DAY = dt.date(2026, 11, 28)


def _git(root: Path, *words: str) -> None:
    own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *own, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repo(working: Path) -> Path:
    """Return a repository with params and measurements, all committed."""
    return working


def _said(root: Path, base: str = "HEAD") -> str:
    return "\n".join(review(root, base, DAY).lines())


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_what_did_not_move_is_said_to_be_unchanged(repo: Path) -> None:
    said = _said(repo)

    assert "### Between groups: 0 changed" in said
    assert "### All rows: 0 changed" in said
    assert "### Policy: 0 changed" in said


def test_each_side_is_judged_by_its_own_policy(repo: Path) -> None:
    _edit(repo / "params.yaml", "at_least: 0.6", "at_least: 0.95")
    _git(repo, "commit", "-qam", "an AUC that this model does not reach")
    _edit(repo / "params.yaml", "at_least: 0.95", "at_least: 0.6")

    said = review(repo, "HEAD", DAY)

    assert (said.base.state, said.head.state) == ("fail", "pass")
    assert any("auc-floor" in line and "fail -&#62; pass" in line for line in said.lines())
    assert [(each.way, each.where) for each in said.policy] == [
        ("loosened", "policy.limits.auc-floor.at_least")
    ]


def test_a_measure_that_moved_is_shown_with_both_intervals(repo: Path) -> None:
    found = json.loads((repo / MEASUREMENTS).read_text())
    entry = found["overall"]["roc_auc"]
    before = f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"
    entry |= {"value": 0.9, "low": 0.89, "high": 0.91}
    (repo / MEASUREMENTS).write_text(json.dumps(found))

    assert f"| ROC AUC | {before} | 0.900 (0.890 to 0.910) | APART |" in _said(repo)


@pytest.mark.parametrize("file", ["params.yaml", MEASUREMENTS])
def test_a_base_without_measurements_is_no_unchanged_one(repo: Path, file: str) -> None:
    _git(repo, "rm", "-q", "--cached", file)
    _git(repo, "commit", "-qm", "without")

    said = _said(repo)

    assert f"not judged&#58; no {file} there" in said
    assert said.startswith("## Verdict: pass")


def test_a_base_of_another_shape_is_named(repo: Path) -> None:
    (repo / MEASUREMENTS).write_text("[]")
    _git(repo, "commit", "-qam", "other")
    _git(repo, "checkout", "-q", "HEAD~", "--", MEASUREMENTS)

    assert "not judged, of another shape" in _said(repo)


@pytest.mark.parametrize("content", ["{", "[]", "\ufeff{}"])
def test_a_change_without_measurements_is_refused(repo: Path, content: str) -> None:
    (repo / MEASUREMENTS).write_text(content)

    with pytest.raises(StateError, match="must be what `dvc repro` made"):
        review(repo, "HEAD", DAY)


def test_a_base_that_is_no_commit_is_refused(repo: Path) -> None:
    with pytest.raises(UsageError, match="must be a commit that is here"):
        review(repo, "--output=x", DAY)


def test_nothing_of_a_change_acts_in_a_comment(repo: Path) -> None:
    evil = "x | <img src=a> [a](http://b.example) @team #1 https://b.example `c` **d**\u202e"
    params = yaml.safe_load((repo / "params.yaml").read_text())
    params["policy"]["protected_at_prediction"] = [evil]
    (repo / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True))

    said = _said(repo)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(said)
    inner = {child.type for token in tokens for child in token.children or ()}

    assert "img src" in said
    assert inner == {"text"}
    assert not {token.type for token in tokens} & {"html_block", "code_block", "fence"}
    assert "@team" not in said
    assert "http://" not in said
    assert "\u202e" not in said
