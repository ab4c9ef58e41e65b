"""An evaluation is released as a model is: verified before it is signed, tagged, held to every word."""

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from evaluation_release import VENDOR, attested, frame, locked, repository, run
from fixed_keys import key
from leaves import Leaf, leaves, other, resting
from made_once import made_once
from maker_and_forger import stated
from project_checkout import committed
from release_folder import git

from fairmark import api
from fairmark.cli.main import main
from fairmark.errors import RefusedError, StateError, UsageError, VerificationError
from fairmark.export.papers import report_paper
from fairmark.files import read_json, sha256, write_json, write_text
from fairmark.governance.promotions import promote
from fairmark.governance.release_index import release_index
from fairmark.params.scores import UNKNOWN
from fairmark.project import attest
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import STATEMENT
from fairmark.signing.dsse import seal
from fairmark.signing.git_tags import tag_release
from fairmark.signing.keys import SigningKey
from fairmark.verify.verify import Fact, exit_code, verify
from flows import preflight

MAKER = key("maker")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository of a project that was run and committed, never to be written to."""

    def make(folder: Path) -> None:
        frame().to_csv(folder / "vendor.csv", index=False)
        repository(run(folder / "project", folder / "vendor.csv", VENDOR), folder / "root")

    return made_once(tmp_path_factory, "evaluation-ready", make) / "root"


@pytest.fixture
def root(ready: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready, tmp_path / "root"))


@pytest.fixture(scope="module")
def released(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return such a repository with its release, never to be written to."""

    def make(folder: Path) -> None:
        attested(Path(shutil.copytree(ready, folder / "root")))

    return made_once(tmp_path_factory, "evaluation-released", make) / "root"


@pytest.fixture
def folder(released: Path, tmp_path: Path) -> Path:
    root = Path(shutil.copytree(released, tmp_path / "released"))
    return root / "releases" / "vendor-v0.1.0"


def wrong(facts: list[Fact]) -> set[str]:
    return {fact.name for fact in facts if fact.asked and fact.held is not True}


def test_verdict_statement_tag_card_page_index_and_paper_of_an_evaluation_say_one_word(folder: Path) -> None:
    root, release = folder.parents[1], ReleaseFolder(folder)
    word = release.verdict.state
    (only,) = release_index(root, dt.datetime.now(tz=dt.UTC), [MAKER.public]).releases
    (box,) = re.findall(r'<div class="verdict .*?</div>', release.text("report.html"), re.DOTALL)
    assert only.found is not None

    assert release.statement.predicate.build_definition.internal_parameters.verdict == word
    assert f": verdict {word}\n" in git(root, "cat-file", "tag", "vendor@v0.1.0")
    assert f"## Verdict: {word}\n" in release.text("evaluation-card.md")
    assert f"<span>{word.capitalize()}</span>" in box
    assert (only.found.state, only.found.stands_on) == (word, release.verdict.stands_on)
    assert f"Verdict: {word}." in [*report_paper(release).texts()]


def test_an_evaluation_holds_offline_and_against_its_clone(folder: Path) -> None:
    offline = verify(folder, None, MAKER.public)
    clone = folder.parents[1]

    assert wrong(offline) == wrong(verify(folder, clone, MAKER.public)) == set()
    assert exit_code(offline) == 0
    assert [fact.text for fact in offline if fact.name == "not known"] == [*UNKNOWN]
    assert exit_code(verify(folder, None, key("another").public)) == 4
    assert git(clone, "tag", "--list").split() == ["vendor@v0.1.0"]


def test_the_same_commit_gives_the_same_bytes_again(folder: Path) -> None:
    root = folder.parents[1]
    with pytest.raises(StateError, match="must be new, got the evaluation of this commit"):
        attested(root)
    before = {path.name: sha256(path) for path in folder.iterdir()}
    shutil.rmtree(folder)

    attested(root)

    assert {path.name: sha256(path) for path in folder.iterdir()} == before


def kinds(folder: Path) -> Iterator[Leaf]:
    """Yield one leaf of each kind that the statement has."""
    found: dict[str, Leaf] = {}
    for each in leaves(folder):
        if each.file == STATEMENT:
            found.setdefault(each.kind, each)
    yield from found.values()


def test_each_word_of_the_statement_is_held_by_a_check(folder: Path) -> None:
    clone, value, rests = folder.parents[1], stated(folder), set()
    seen = [*kinds(folder)]
    for each in seen:
        said = json.loads(json.dumps(value))
        above: Any = said
        for step in each.path[:-1]:
            above = above[step]
        above[each.path[-1]] = other(above[each.path[-1]])
        seal(said, MAKER).write(folder / STATEMENT)
        # The tag carries the statement's digest: a check must find it without that.
        if not wrong(verify(folder, clone, MAKER.public)) - {"tag"}:
            rests.add(each.kind)

    assert len(seen) > 20
    assert any("notKnown" in each.kind for each in seen)
    versions = {f"{STATEMENT}: predicate.runDetails.builder.version.{of}" for of in ("fairmark", "python")}
    assert rests - resting() == versions, "of a model the bill of materials speaks of them"


CHANGES = {
    "verdict.json": lambda value: value | {"guarantee": "none"},
    "measurements.json": lambda value: value | {"model": value["model"] | {"threshold": 0.4}},
    "metrics.json": lambda value: value | {"threshold": 0.4},
    "schema.json": lambda value: value | {"features": []},
}


def resealed(folder: Path, by: SigningKey = MAKER) -> None:
    """State the files as they are, and sign it by the maker's own key."""
    value = stated(folder)
    for each in value["subject"]:
        each["digest"]["sha256"] = sha256(folder / each["name"])
    seal(value, by).write(folder / STATEMENT)


@pytest.mark.parametrize("name", CHANGES)
def test_a_document_that_says_otherwise_is_found_though_it_is_signed(folder: Path, name: str) -> None:
    write_json(folder / name, CHANGES[name](read_json(folder / name)))
    resealed(folder)

    assert wrong(verify(folder, None, MAKER.public)) & {"verdict", "metrics", "scores", "schema", "outputs"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("by Vendor (3)", "by Somebody (3)"),
        ("- Why it decides", "- We know why it decides"),
        ("# Evaluation card", "| ROC AUC | 1.000 |\n\n# Evaluation card"),
        ("## Verdict: ", "## Verdict: better than "),
        ("| sex |", "| gender |"),
    ],
)
def test_a_card_that_says_otherwise_is_found_though_it_is_signed(folder: Path, old: str, new: str) -> None:
    card = folder / "evaluation-card.md"
    text = card.read_text(encoding="utf-8")
    assert old in text
    card.write_text(text.replace(old, new, 1), encoding="utf-8")
    resealed(folder)

    assert "card" in wrong(verify(folder, None, MAKER.public))


def signs_nothing(_: bytes) -> bytes:
    raise AssertionError("the maker's key was asked before the last check")


UNASKED = SigningKey(MAKER.public, signs_nothing)


def changed(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    write_text(root / name, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "must"),
    [
        ("scores.yaml", "threshold: 0.5", "threshold: 0.6", "scores must be what stage evaluate ran with"),
        ("params.yaml", "replicates: ", "replicates: 1", "evaluate must be what stage evaluate ran with"),
        ("params.yaml", "gate: true", "gate: false", "policy must be what stage document ran with"),
    ],
)
def test_stale_params_are_signed_by_nobody(root: Path, name: str, old: str, new: str, must: str) -> None:
    changed(root, name, old, new)
    committed(root)

    with pytest.raises(StateError, match=must):
        attest.attest(root, UNASKED)


def test_measurements_that_no_stage_makes_are_signed_by_nobody(root: Path) -> None:
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    lock["stages"]["evaluate"]["outs"] = lock["stages"]["evaluate"]["outs"][1:]
    write_text(root / "dvc.lock", yaml.safe_dump(lock))
    committed(root)

    with pytest.raises(StateError, match=r"must make artifacts/evaluate/measurements.json"):
        attest.attest(root, UNASKED)


def test_more_of_people_than_privacy_allows_is_signed_by_nobody(root: Path) -> None:
    changed(root, "params.yaml", "smallest_cell: 1", "smallest_cell: 500")
    locked(root)
    committed(root)

    with pytest.raises(RefusedError, match=r"privacy\.smallest_cell"):
        attest.attest(root, UNASKED)
    assert not [*(root / "releases").glob("*")]
    assert git(root, "tag", "--list") == ""


def test_a_card_that_does_not_hold_is_signed_by_nobody(root: Path) -> None:
    changed(root, "artifacts/document/evaluation-card.md", "by Vendor (3)", "by Somebody (4)")
    locked(root)
    committed(root)

    with pytest.raises(VerificationError, match="card: "):
        attest.attest(root, UNASKED)
    assert git(root, "tag", "--list") == ""


def test_scores_of_nobody_are_signed_by_nobody(root: Path) -> None:
    changed(root, "scores.yaml", "made_by: Vendor", "made_by: 'TODO: say who made the model, and by what'")
    locked(root)
    committed(root)

    with pytest.raises(StateError, match="made_by must say who made the model"):
        attest.attest(root, UNASKED)


@pytest.mark.parametrize("at", ["assemble", "set_tag"])
def test_a_run_that_is_stopped_is_ended_by_the_next(
    root: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(attest, at, stopped)
        with pytest.raises(KeyboardInterrupt):
            attested(root)
    assert git(root, "tag", "--list") == ""

    made = attested(root)

    assert exit_code(verify(made.folder, root, MAKER.public)) == 0


def test_a_project_without_scores_or_with_changes_is_no_evaluation(root: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="fairmark init --scores"):
        attest.attest(tmp_path, UNASKED)
    (root / "more.txt").touch()
    with pytest.raises(StateError, match="must be clean"):
        attest.attest(root, UNASKED)


def test_nothing_of_it_is_promoted_made_again_or_loaded(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder.parents[1]
    public = tmp_path / "maker.pub.pem"
    public.write_text(MAKER.public.pem)

    with pytest.raises(RefusedError, match="must hold a model to be promoted"):
        promote(root, folder, "production", "because", MAKER)
    with pytest.raises(UsageError, match="must be the release of a model"):
        api.load_release(folder, public)
    assert main(["rebuild", str(folder), "--clone", str(root), "--key", str(public)]) == 2
    assert main(["diff", str(folder), str(folder)]) == 2
    assert "got the evaluation of scores made elsewhere" in capsys.readouterr().err
    assert exit_code(api.verify(folder, public)) == 0


def test_no_flow_takes_it_for_a_model_that_can_be_made_again(folder: Path) -> None:
    root = folder.parents[1]
    with pytest.raises(StateError, match="must have a release to rebuild"):
        preflight.last(root, "vendor")

    tag_release(root, "vendor", "v0.0.9", "a model", "0" * 64, key=MAKER)
    assert preflight.last(root, "vendor") == "vendor@v0.0.9"


def test_history_tells_of_evaluations_and_of_their_signer(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, public = folder.parents[1], tmp_path / "maker.pub.pem"
    public.write_text(MAKER.public.pem)
    (root / "approvers").touch()

    assert main(["history", "--clone", str(root), "--check", "--trust", str(public)]) == 0
    shown = capsys.readouterr().out
    assert "evaluation of Vendor (3), signed by" in shown
    assert "(vendor@v0.1.0)" in shown
    assert main(["history", "--clone", str(root), "--check"]) == 4
    assert "signed by NOBODY THAT IS KNOWN" in capsys.readouterr().out


def test_it_is_released_from_a_folder_below_and_handed_on_as_an_archive(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root / "artifacts")
    code = main(["attest", "--version", "v1.0.0"])
    archive = tmp_path / "vendor.tar.gz"

    assert code in (0, 3)
    assert main(["pack", str(root / "releases" / "vendor-v1.0.0"), "--output", str(archive)]) == 0
    assert main(["verify", str(archive)]) == 0
    assert main(["verify", "vendor@v1.0.0"]) == 0
    assert main(["predicates", str(root / "releases" / "vendor-v1.0.0"), "--into", str(tmp_path / "p")]) == 0
    assert "tag vendor@v1.0.0" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "statement.checksums",
        "statement.json",
        "verdict.checksums",
        "verdict.json",
    ]
