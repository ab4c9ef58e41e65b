"""A stranger's check of a release: nothing true is doubted, and nothing changed goes unseen."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import release_attacks
import yaml
from maker_and_forger import FORGER, MINE, forge, stated
from release_folder import git

from fairmark.errors import FairmarkError, UsageError
from fairmark.files import sha256
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import judge
from fairmark.params.read import read_params
from fairmark.release import layout
from fairmark.release.layout import GATHERED, SEALS
from fairmark.release.seal import seal_release
from fairmark.release.statement import Statement, release_digest
from fairmark.signing.dsse import Envelope, seal
from fairmark.signing.git_tags import tag_release
from fairmark.signing.model_signature import write_model_seal
from fairmark.verify.verify import CHECKS, Fact, exit_code, verify

pytest_plugins = ("release_fixtures",)


def wrong(folder: Path, clone: Path | None = None) -> set[str]:
    """Return the names of the facts that are wrong, whoever signed."""
    return {fact.name for fact in verify(folder, clone) if fact.held is False}


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def restate(folder: Path) -> None:
    """Name the files of `folder` anew and sign them, as a forger without the key and the tag would."""
    statement = stated(folder)
    for subject in statement["subject"]:
        subject["digest"]["sha256"] = sha256(folder / subject["name"])
    made = {source: name for name, source in GATHERED.items()}
    for entry in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
        source = entry.get("annotations", {}).get("output", entry["name"])
        copy = folder / (made.get(source, "absent") + entry["name"].removeprefix(source))
        if copy.is_file():
            entry["digest"]["sha256"] = sha256(copy)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    external = statement["predicate"]["buildDefinition"]["externalParameters"]
    external |= {"policy": params.pop("policy"), "params": params}
    with suppress(FairmarkError, LookupError, TypeError, AttributeError):  # what the forger broke too far
        seal_release(folder, Statement.from_json(statement, "forged"), FORGER)


def external(statement: Any) -> Any:
    return statement["predicate"]["buildDefinition"]["externalParameters"]


def test_an_untouched_release_holds_in_every_claim(small_release: Path) -> None:
    facts = verify(small_release, small_release.parents[1], MINE.public)

    seals = [f"seal {name}" for name in SEALS]
    assert [fact.name for fact in facts] == [*CHECKS, *seals, "commit", "tag", "tag seal"]
    assert [fact for fact in facts if fact.asked and not fact.held] == []
    assert exit_code(facts) == 0


def test_a_release_of_a_pipeline_without_a_reference_is_told_and_not_called_a_forgery(
    small_release: Path,
) -> None:
    source = GATHERED["reference.json"]
    (small_release / "reference.json").unlink()
    release_attacks.edit_yaml(
        small_release / "dvc.lock", lambda lock: _forget(lock["stages"]["evaluate"]["outs"], source)
    )
    statement = stated(small_release)
    _forget(statement["subject"], "reference.json")
    _forget(statement["predicate"]["buildDefinition"]["resolvedDependencies"], source)
    release_attacks.sign(small_release, statement, FORGER)
    release_attacks.restate(small_release, FORGER)

    facts = {fact.name: fact for fact in verify(small_release, key=FORGER.public)}
    assert facts["reference"].line().startswith("ok    reference: none: the fairmark that made the release")
    assert [fact.line() for fact in facts.values() if fact.asked and not fact.held] == []


def _forget(entries: list[Any], name: str) -> None:
    entries[:] = [each for each in entries if each.get("name", each.get("path")) != name]


def test_without_a_clone_the_commit_and_the_tag_are_not_asked(small_release: Path) -> None:
    facts = verify(small_release, None, MINE.public)

    assert exit_code(facts) == 0
    assert [fact.name for fact in facts if not fact.asked] == ["commit", "tag", "tag seal"]


def test_without_a_key_the_seals_cannot_be_told(small_release: Path) -> None:
    facts = verify(small_release, small_release.parents[1])

    untold = {fact.name: fact.text for fact in facts if fact.held is None}
    assert set(untold) == {*(f"seal {name}" for name in SEALS), "tag seal"}
    assert f"signed as by key {MINE.public.keyid[:16]}…: give its public key" in untold["seal statement.json"]
    assert exit_code(facts) == 5


def test_a_release_of_anothers_key_is_wrong_under_the_key_given(small_release: Path) -> None:
    facts = {fact.name: fact for fact in verify(small_release, small_release.parents[1], FORGER.public)}

    wrong_ones = {name for name, fact in facts.items() if fact.held is False}
    assert wrong_ones == {*(f"seal {name}" for name in SEALS), "tag seal"}
    assert f"got key {MINE.public.keyid[:16]}…" in facts["seal statement.json"].text


def test_a_release_of_anothers_key_cannot_be_told_by_ones_own(small_release: Path) -> None:
    facts = verify(small_release, None, FORGER.public, yours=True)

    assert exit_code(facts) == 5
    own = verify(small_release, None, MINE.public, yours=True)
    assert exit_code(own) == 0
    assert "your own key" in next(fact.text for fact in own if fact.name == "seal statement.json")


def test_a_forger_who_signs_everything_again_is_an_unknown_key(small_release: Path) -> None:
    restate(small_release)

    assert exit_code(verify(small_release)) == 5  # whole in itself: only the key tells
    facts = verify(small_release, None, MINE.public)
    assert {fact.name for fact in facts if fact.held is False} == {f"seal {name}" for name in SEALS}


def test_a_second_signature_beside_the_keys_is_refused(small_release: Path) -> None:
    envelope = Envelope.read(small_release / "statement.json")
    both = [*envelope.signatures, *seal(stated(small_release), FORGER).signatures]
    both.sort(key=lambda each: each.keyid)
    replace(envelope, signatures=tuple(both)).write(small_release / "statement.json")

    facts = verify(small_release, None, MINE.public)
    assert {fact.name for fact in facts if fact.held is False} == {"seal statement.json"}


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("statement.json", "files"),
        ("verdict.intoto.json", "stated verdict"),
        ("sbom.intoto.json", "stated bill"),
        ("model.sig", "stated model"),
    ],
)
def test_a_seal_of_the_right_key_that_says_something_else_is_wrong(
    small_release: Path, name: str, seen: str
) -> None:
    if name == "model.sig":
        write_model_seal(small_release / name, small_release.parent, MINE)
    else:
        statement = Envelope.read(small_release / name).statement
        statement["subject"].pop()
        seal(statement, MINE).write(small_release / name)

    facts = {fact.name: fact.held for fact in verify(small_release, None, MINE.public)}
    assert facts[f"seal {name}"] is True
    assert facts[seen] is False


def test_any_changed_byte_of_any_file_is_seen(small_release: Path) -> None:
    rng = random.Random(5)  # noqa: S311 - where to look, not a secret
    for path in sorted(path for path in small_release.rglob("*") if path.is_file()):
        before = path.read_bytes()
        place = rng.randrange(len(before))
        path.write_bytes(
            before[:place] + bytes([before[place] ^ 1 << rng.randrange(8)]) + before[place + 1 :]
        )
        seen = exit_code(verify(small_release, small_release.parents[1], MINE.public))
        path.write_bytes(before)

        assert seen == 4, (path.name, place)


def test_a_file_too_many_too_few_or_renamed_is_seen(small_release: Path) -> None:
    (small_release / "model" / "extra.json").write_text("{}")
    assert "files" in wrong(small_release)
    (small_release / "model" / "extra.json").rename(small_release / "extra.json")
    assert "files" in wrong(small_release)
    (small_release / "extra.json").unlink()
    (small_release / "report.html").rename(small_release / "Report.html")
    assert "files" in wrong(small_release)
    (small_release / "Report.html").unlink()
    assert "files" in wrong(small_release)


def test_a_folder_that_is_no_release_is_told_without_words_of_python(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cases.csv").write_text("age\n7\n")

    texts = [fact.text for fact in verify(tmp_path / "data") if fact.held is False]
    assert "statement.json: must exist, got no such file" in texts
    assert not [text for text in texts if "Error" in text or "Errno" in text]


@pytest.mark.parametrize("odd", ["link", "folder link", "pipe", "empty folder", "odd name", "hidden"])
def test_an_entry_that_is_no_plain_file_is_refused_and_nothing_is_read(small_release: Path, odd: str) -> None:
    place = small_release / "model" / "zz"
    match odd:
        case "link":
            place.symlink_to("/dev/zero")
        case "folder link":
            place.symlink_to(small_release.parent)
        case "pipe":
            os.mkfifo(place)
        case "empty folder":
            place.mkdir()
        case "odd name":
            (small_release / "model" / "a\x1b[31m\n").write_text("")
        case "hidden":
            (small_release / ".hidden").write_text("")

    facts = verify(small_release, small_release.parents[1])

    assert [(fact.name, fact.held) for fact in facts] == [("files", False)]
    assert facts[0].text.isprintable()
    assert exit_code(facts) == 4


def test_a_model_replaced_by_a_link_to_itself_is_refused(small_release: Path) -> None:
    (small_release / "model").rename(small_release.parent / "elsewhere")
    (small_release / "model").symlink_to(small_release.parent / "elsewhere")

    assert wrong(small_release) == {"files"}


def test_more_than_a_release_can_hold_is_refused_before_it_is_read(
    small_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (small_release / "report.html").open("wb") as stream:
        stream.truncate(layout.MOST_BYTES)  # takes no room on the disk
    assert wrong(small_release) == {"files"}
    (small_release / "report.html").unlink()

    monkeypatch.setattr(layout, "MOST_FILES", 5)
    assert wrong(small_release) == {"files"}


def rounded(value: Any) -> None:
    value["overall"]["roc_auc"]["value"] += 0.05


def other_threshold(value: Any) -> None:
    value["threshold"] = 0.4


def other_goal(value: Any) -> None:
    value["model"]["goal"] = {"measure": "f1"}


def milder(value: Any) -> None:
    value["outcome"], value["findings"] = "pass", []


def older_numpy(value: Any) -> None:
    next(part for part in value["components"] if part["name"] == "numpy")["version"] = "1.0"


def no_numpy(value: Any) -> None:
    value["components"] = [part for part in value["components"] if part["name"] != "numpy"]


def stowaway(value: Any) -> None:
    value["components"].append(
        {"type": "library", "bom-ref": "x", "name": "stowaway", "version": "1", "scope": "required"}
    )


def second_numpy(value: Any) -> None:
    part = next(part for part in value["components"] if part["name"] == "numpy")
    value["components"].insert(0, part | {"version": "1.0", "bom-ref": "numpy==1.0"})


def other_commit(value: Any) -> None:
    value["metadata"]["component"]["pedigree"]["commits"][0]["uid"] = "0" * 40


def other_data(value: Any) -> None:
    part = next(part for part in value["components"] if part["type"] == "data")
    part["hashes"] = [{"alg": "SHA-256", "content": "0" * 64}]


@pytest.mark.parametrize(
    ("name", "change", "seen"),
    [
        ("metrics.json", lambda value: value.update(roc_auc=0.99), {"outputs", "metrics"}),
        (
            "metrics.json",
            lambda v: v["fairness"]["sex"].update(selection_rate_ratio=2.0),
            {"outputs", "metrics"},
        ),
        ("measurements.json", rounded, {"outputs", "verdict", "metrics", "card", "bill"}),
        ("measurements.json", other_goal, {"outputs", "model", "verdict"}),
        (
            "model/model.json",
            other_threshold,
            {"metrics", "outputs", "model", "reference", "verdict", "bill"},
        ),
        ("verdict.json", milder, {"verdict", "stated verdict", "bill"}),
        ("sbom.cdx.json", older_numpy, {"bill"}),
        ("sbom.cdx.json", no_numpy, {"bill"}),
        ("sbom.cdx.json", stowaway, {"bill"}),
        ("sbom.cdx.json", second_numpy, {"bill"}),
        ("sbom.cdx.json", other_commit, {"bill"}),
        ("sbom.cdx.json", other_data, {"bill"}),
    ],
)
def test_a_forger_who_restates_the_files_is_caught_by_what_they_say(
    small_release: Path, name: str, change: Callable[[Any], Any], seen: set[str]
) -> None:
    edit_json(small_release / name, change)
    restate(small_release)

    found = wrong(small_release)
    assert not found & {"statement", "files", "digests", "inputs"}
    assert found == seen
    assert "tag" in wrong(small_release, small_release.parents[1])


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_loosened_policy_is_caught_by_the_pipeline_and_the_verdict(small_release: Path) -> None:
    replaced(small_release / "params.yaml", "at_least: 0.8", "at_least: 0.5")
    found = wrong(small_release)
    assert found >= {"digests", "inputs", "params", "pipeline", "verdict", "bill"}
    restate(small_release)
    assert wrong(small_release) == {"pipeline", "verdict", "bill"}
    restate(small_release)

    caught = {"pipeline", "verdict", "bill"}
    assert wrong(small_release) == caught
    assert wrong(small_release, small_release.parents[1]) == caught | {"commit", "tag"}


def test_an_honest_verdict_that_is_no_pass_is_no_release(small_release: Path) -> None:
    replaced(small_release / "params.yaml", "at_least: 0.6", "at_least: 0.99")
    params = read_params(small_release / "params.yaml")
    measured = Measurements.read(small_release / "measurements.json")
    judge(measured, params.policy, None).write(small_release / "verdict.json")
    restate(small_release)

    facts = {fact.name: fact for fact in verify(small_release)}
    assert facts["verdict"].held is False
    assert "must be a pass" in facts["verdict"].text


@pytest.mark.parametrize(
    ("row", "forged"),
    [
        ("| ROC AUC ", "| ROC AUC | 0.999 (0.998 to 1.000) | |"),
        ("| Brier score ", ""),
        ("| Female | 4000 ", "| Female | 4000 | 0.999 |"),
        ("| Selection rate ratio ", "| Selection rate ratio | 1.000 | |"),
        ("### By sex", "### By age"),
    ],
)
def test_a_card_with_a_better_number_is_caught(small_release: Path, row: str, forged: str) -> None:
    card = small_release / "model-card.md"
    line = next(line for line in card.read_text().splitlines() if line.startswith(row))
    replaced(card, line, forged)
    restate(small_release)

    assert wrong(small_release) == {"outputs", "card"}


def test_other_data_in_data_dvc_is_caught(small_release: Path) -> None:
    recorded = yaml.safe_load((small_release / "data.dvc").read_text())["outs"][0]["md5"]
    for name in ("data.dvc", "dvc.lock"):
        replaced(small_release / name, recorded, "0" * 32 + ".dir")
    restate(small_release)

    assert wrong(small_release) == {"data"}


def test_a_data_sheet_that_is_not_the_datas_is_caught(small_release: Path) -> None:
    (small_release / "DATASHEET.md").write_text("All is well")
    restate(small_release)

    assert wrong(small_release) == {"outputs"}


def test_a_stage_that_ran_without_its_params_is_caught(small_release: Path) -> None:
    lock = yaml.safe_load((small_release / "dvc.lock").read_text())
    lock["stages"]["train"]["params"] = {"params.yaml": {}}
    (small_release / "dvc.lock").write_text(yaml.safe_dump(lock))
    restate(small_release)

    assert wrong(small_release) == {"pipeline"}


def test_the_statement_of_another_release_is_caught(small_release: Path) -> None:
    forge(
        small_release,
        lambda value: value["predicate"]["buildDefinition"]["externalParameters"].update(version="v0.2.0"),
    )

    facts = {fact.name: fact for fact in verify(small_release, small_release.parents[1])}
    assert facts["tag"].held is None
    git(small_release.parents[1], "tag", "-a", "-m", "x", "loans@v0.2.0")
    assert "tag" in wrong(small_release, small_release.parents[1])


def test_a_dirty_tree_is_told(small_release: Path) -> None:
    forge(
        small_release,
        lambda value: value["predicate"]["buildDefinition"]["internalParameters"].update(cleanTree=False),
    )

    assert wrong(small_release) == {"clean tree"}


def test_a_statement_that_hides_how_protected_attributes_were_used_is_caught(small_release: Path) -> None:
    def blind(value: Any) -> None:
        found = value["predicate"]["buildDefinition"]["internalParameters"]["protectedAttributes"]
        assert found["choice"] != []
        found["choice"] = []

    forge(small_release, blind)

    assert wrong(small_release) == {"verdict"}


def test_a_statement_that_is_silent_on_protected_attributes_is_caught(small_release: Path) -> None:
    forge(
        small_release,
        lambda value: value["predicate"]["buildDefinition"]["internalParameters"].pop("protectedAttributes"),
    )

    assert wrong(small_release) == {"verdict"}


def test_params_that_call_the_search_blind_where_the_model_says_nothing_of_it_are_caught(
    small_release: Path,
) -> None:
    params = yaml.safe_load((small_release / "params.yaml").read_text())
    params["tune"]["blind"] = "choice"
    (small_release / "params.yaml").write_text(yaml.safe_dump(params))
    restate(small_release)

    assert "verdict" in wrong(small_release)


def test_an_output_that_the_statement_names_otherwise_is_caught(small_release: Path) -> None:
    def other(value: Any) -> None:
        listed = value["predicate"]["buildDefinition"]["resolvedDependencies"]
        entry = next(e for e in listed if e["name"] == "artifacts/train/model/model.json")
        entry["digest"]["sha256"] = "0" * 64

    forge(small_release, other)

    assert wrong(small_release) == {"outputs"}


def test_code_that_is_not_the_commits_is_caught_by_the_clone(small_release: Path) -> None:
    def more(value: Any) -> None:
        listed = value["predicate"]["buildDefinition"]["resolvedDependencies"]
        listed.append({"name": "src/good.py", "digest": {"sha256": "0" * 64}})

    forge(small_release, more, MINE)

    facts = {fact.name: fact for fact in verify(small_release, small_release.parents[1], MINE.public)}
    assert facts["seal statement.json"].held
    assert facts["commit"].held is False
    assert "got unlike files src/good.py" in facts["commit"].text


def test_code_of_the_commit_that_is_not_stated_is_caught_by_the_clone(small_release: Path) -> None:
    root = small_release.parents[1]
    (root / "src").mkdir()
    (root / "src" / "hidden.py").write_text("x")
    git(root, "add", "src")
    git(root, "commit", "-q", "-m", "More code")
    commit = git(root, "rev-parse", "HEAD").strip()

    def moved(value: Any) -> None:
        value["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"] = commit

    forge(small_release, moved, MINE)

    facts = {fact.name: fact for fact in verify(small_release, root, MINE.public)}
    assert "got unlike files src/hidden.py" in facts["commit"].text


def test_a_file_stated_twice_is_refused(small_release: Path) -> None:
    forge(small_release, lambda value: value["subject"].insert(0, value["subject"][0]))

    assert wrong(small_release) == {"statement"}


def test_a_clone_without_the_commit_or_the_tag_cannot_tell(small_release: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "empty")

    facts = verify(small_release, tmp_path / "empty", MINE.public)

    untold = {fact.name for fact in facts if fact.held is None and fact.asked}
    assert untold == {"commit", "tag", "tag seal"}
    assert exit_code(facts) == 5


def test_a_tag_on_another_commit_is_caught(small_release: Path) -> None:
    root = small_release.parents[1]
    git(root, "commit", "-q", "--allow-empty", "-m", "Later")
    git(root, "tag", "-d", "loans@v0.1.0")
    tag_release(root, "loans", "v0.1.0", "Moved", release_digest(small_release), key=MINE)

    assert wrong(small_release, root) == {"tag"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        '{"subject": [{"name": "../../etc/passwd", "digest": {"sha256": ""}}]}',
        '{"_type": 1e999}',
        '{"predicate": {"buildDefinition": {"externalParameters": 7}}}',
        '{"subject": 7, "predicate": null}',
    ],
)
def test_a_hostile_statement_is_wrong_and_ends_nothing(small_release: Path, text: str) -> None:
    (small_release / "statement.json").write_text(text)

    assert "statement" in wrong(small_release, small_release.parents[1])


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "model//a", "a\\b", "model/./a", "-rf", ".git", "ü"])
def test_a_subject_with_an_odd_name_is_refused(small_release: Path, name: str) -> None:
    forge(
        small_release, lambda value: value["subject"].append({"name": name, "digest": {"sha256": "0" * 64}})
    )

    assert {"statement", "files"} <= wrong(small_release)


@pytest.mark.parametrize("commit", ["HEAD", "--help", "a" * 39, "A" * 40])
def test_a_commit_that_is_no_full_hash_is_refused(small_release: Path, commit: str) -> None:
    def renamed(value: Any) -> None:
        value["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"] = commit

    forge(small_release, renamed)

    assert {"statement", "commit"} <= wrong(small_release, small_release.parents[1])


@pytest.mark.parametrize("name", ["--upload-pack=x", "Loans", "loans@v0.1.0^{}", "a b", ""])
def test_a_name_that_is_no_releases_is_refused(small_release: Path, name: str) -> None:
    forge(
        small_release,
        lambda value: value["predicate"]["buildDefinition"]["externalParameters"].update(name=name),
    )

    assert {"statement", "params"} <= wrong(small_release)


@pytest.mark.parametrize(
    "name",
    ["measurements.json", "verdict.json", "sbom.cdx.json", "metrics.json", "schema.json", "model/model.json"],
)
@pytest.mark.parametrize("text", ["[" * 50_000, "{}", '{"a": ' * 60 + "1" + "}" * 60, "7"])
def test_hostile_json_inside_is_wrong_and_ends_nothing(small_release: Path, name: str, text: str) -> None:
    (small_release / name).write_text(text)
    restate(small_release)

    assert exit_code(verify(small_release)) == 4


@pytest.mark.parametrize("name", ["params.yaml", "dvc.lock", "data.dvc"])
@pytest.mark.parametrize(
    "text", ["- " * 50_000 + "a", "!!python/object/apply:os.system ['touch hit']", "a: &a [*a]"]
)
def test_hostile_yaml_inside_is_wrong_and_runs_nothing(
    small_release: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_release.parent)
    (small_release / name).write_text(text)

    assert exit_code(verify(small_release)) == 4
    assert not (small_release.parent / "hit").exists()


def test_what_a_stranger_wrote_cannot_steer_the_terminal_or_fill_it(small_release: Path) -> None:
    evil = "\x1b[31mred\u202e\n" + "x" * 10_000

    def renamed(value: Any) -> None:
        for key in ("fairness", "disparities", "groups"):
            if key in value:
                value[key] = {evil: value[key]["sex"]}

    edit_json(small_release / "metrics.json", renamed)
    edit_json(small_release / "measurements.json", renamed)
    restate(small_release)

    facts = {fact.name: fact for fact in verify(small_release)}
    assert facts["metrics"].held
    assert all(fact.text.isprintable() for fact in facts.values())
    assert max(len(fact.text) for fact in facts.values()) <= 301


def test_a_newer_kind_of_release_cannot_be_told(small_release: Path) -> None:
    forge(
        small_release,
        lambda value: value["predicate"]["buildDefinition"].update(buildType="urn:fairmark:release:2"),
    )

    facts = verify(small_release)
    assert facts[0].held is None
    assert "use a newer fairmark" in facts[0].text
    assert exit_code(facts) == 5


def test_a_release_that_is_no_folder_is_used_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be a release folder"):
        verify(tmp_path / "absent")


def test_an_empty_folder_is_wrong(tmp_path: Path) -> None:
    assert exit_code(verify(tmp_path)) == 4


def test_it_needs_nothing_beside_the_folder(small_release: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(small_release, tmp_path / "renamed"))
    shutil.rmtree(small_release.parents[1])

    assert exit_code(verify(alone, None, MINE.public)) == 0


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ([Fact("a", True, "")], 0),
        ([Fact("a", True, ""), Fact("b", None, "", asked=False)], 0),
        ([Fact("a", True, ""), Fact("b", None, "")], 5),
        ([Fact("a", None, ""), Fact("b", False, "")], 4),
        ([], 5),
    ],
)
def test_exit_codes_tell_wrong_from_cannot_tell(facts: list[Fact], code: int) -> None:
    assert exit_code(facts) == code


def test_it_imports_nothing_heavy() -> None:
    script = "import sys, fairmark.verify.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    heavy = {"pandas", "numpy", "scipy", "mlflow", "lightgbm", "sklearn", "git", "dvc", "prefect"}
    assert not heavy & set(loaded.stdout.split())


def test_checking_the_seals_imports_no_signing_library(small_release: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from fairmark.signing.key_store import own_public
        from fairmark.verify.verify import verify
        facts = verify(Path(sys.argv[1]), None, own_public())
        assert all(fact.held for fact in facts if fact.name.startswith("seal "))
        print(*sys.modules)"""
    words = [sys.executable, "-c", script, str(small_release)]
    loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()

    assert not {"model_signing", "sigstore", "securesystemslib", "in_toto_attestation"} & set(loaded)


def test_it_takes_less_than_a_second(small_release: Path) -> None:
    before = time.process_time()
    verify(small_release)

    assert time.process_time() - before < 1


def test_an_error_of_our_own_is_no_forgery(small_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> str:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(CHECKS, "card", broken)

    facts = {fact.name: fact for fact in verify(small_release, None, MINE.public)}
    assert facts["card"].held is None
    assert "ZeroDivisionError" in facts["card"].text
    assert exit_code(list(facts.values())) == 5


def test_a_key_that_a_file_lacks_is_the_files_fault(small_release: Path) -> None:
    edit_json(small_release / "schema.json", lambda value: value.pop("features"))
    restate(small_release)

    facts = {fact.name: fact for fact in verify(small_release)}
    assert facts["data card"].held is False
    assert "schema.json: features: must be given, got nothing" in facts["data card"].text


def test_nothing_of_a_release_that_another_signed_is_parsed(small_release: Path) -> None:
    facts = {fact.name: fact for fact in verify(small_release, None, FORGER.public)}

    assert [name for name in CHECKS if facts[name].held is not None] == ["statement", "files", "digests"]
    assert "not read" in facts["verdict"].text


def test_bytes_that_are_not_those_stated_are_not_parsed(small_release: Path) -> None:
    (small_release / "measurements.json").write_text("[" * 5)

    facts = {fact.name: fact for fact in verify(small_release, None, MINE.public)}
    assert facts["metrics"].held is False
    assert "not read" in facts["metrics"].text
