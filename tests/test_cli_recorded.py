"""What scripts build on stays: options, exit codes, JSON keys, and the facts that `verify` checks."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import recordings
import yaml
from fixed_keys import pem

from fairmark.cli.main import main
from fairmark.signing.key_store import config_folder

pytest_plugins = ("release_fixtures",)

MEASUREMENTS = "artifacts/evaluate/measurements.json"


def test_options_of_each_verb_are_those_on_record(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    lines = [usage(verb, capsys) for verb in ["", *verbs(capsys)]]

    recordings.compare("options.txt", "\n".join(lines) + "\n")


def test_exit_codes_and_json_keys_are_those_on_record(
    small_release: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = small_release.parents[1]
    monkeypatch.chdir(root)
    bad = tmp_path / "bad" / small_release.name
    shutil.copytree(small_release, bad)
    (bad / "report.html").write_text("better")
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["policy"]["limits"][0]["at_least"] = 0.999
    (root / "strict.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (root / "list.json").write_text("[]")
    (root / "half.json").write_text("{")
    places = {
        "RELEASE": str(small_release),
        "BAD": str(bad),
        "NONE": str(tmp_path / "none"),
        "KEY": str(config_folder() / "key.pub.pem"),
        "OTHER": str(pem("ada", tmp_path)),
        "INTO": str(tmp_path / "into"),
    }
    text = "".join(f"{words}\n{answer(words.split(), places, capsys)}" for words in CALLS)

    recordings.compare("verbs.txt", text)


CALLS = (
    "verify RELEASE --key KEY",
    "verify RELEASE --key KEY --clone .",
    "verify RELEASE --key KEY --json",
    "verify loans@v0.1.0 --key KEY",
    "verify loans@v9.9.9 --key KEY",
    "verify BAD --key KEY",
    "verify BAD --key KEY --json",
    "verify NONE --key KEY",
    "verify RELEASE --key NONE",
    f"judge {MEASUREMENTS} params.yaml",
    f"judge {MEASUREMENTS} params.yaml --json",
    f"judge {MEASUREMENTS} params.yaml --model artifacts/train/model",
    f"judge {MEASUREMENTS} params.yaml --schema artifacts/prepare/schema.json",
    f"judge {MEASUREMENTS} strict.yaml",
    "judge list.json params.yaml",
    "judge half.json params.yaml",
    "judge NONE params.yaml",
    f"judge {MEASUREMENTS} NONE",
    "pack RELEASE -o INTO/packed.tar.gz",
    "verify INTO/packed.tar.gz --key KEY",
    "pack NONE",
    "predicates RELEASE --into INTO",
    "predicates NONE --into INTO",
    "diff RELEASE RELEASE",
    "diff RELEASE RELEASE --json",
    "diff RELEASE BAD",
    "diff RELEASE NONE",
    "policy",
    "policy --json",
    "policy --base no-such",
    "retention",
    "retention --json",
    "trail",
    "trail --json",
    "trail --check",
    "trail --check --json",
    "trail --check half.json",
    "trail --cut 1",
    "rebuild NONE",
    "rebuild BAD --key KEY",
    "approve RELEASE --policy --reason x --expires 2027-01-01",
    "approve NONE --reason x --expires 2027-01-01",
    "promote RELEASE --to production --reason x",
    "rollback --stage production --reason x",
    "history",
    "history --json",
    "history --on soon",
    "forget --id nobody --list",
)


def answer(words: list[str], places: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the exit code of a call, the facts that it told and the shape of the JSON that it wrote."""
    given = [re.sub("|".join(places), lambda found: places[found[0]], word) for word in words]
    code = main(given)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    lines = [f"  exit {code}{'' if out else ', nothing on stdout'}{', faults on stderr' if err else ''}"]
    lines += [
        f"  {line.partition(':')[0]}" for line in out.splitlines() if re.match(r"(ok|WRONG|\?|-) +\w", line)
    ]
    if "--json" in words:
        lines += [f"  {path}" for path in sorted(set(paths(json.loads(out))))]
    return "\n".join(lines) + "\n"


def paths(value: Any, above: str = "") -> Iterator[str]:
    """Yield the path of each key of a JSON value; entries of lists are alike."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{above}.{key}"
            yield from paths(below, f"{above}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from paths(each, f"{above}[]")


def verbs(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the verbs that the help lists."""
    return re.findall(r"^ {4}(\w+)", helped("", capsys).partition("positional arguments")[2], re.MULTILINE)


def usage(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the first paragraph of a verb's help, in one line."""
    return " ".join(helped(verb, capsys).partition("\n\n")[0].split())


def helped(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `fairmark VERB --help` prints."""
    with pytest.raises(SystemExit):
        main([*([verb] if verb else []), "--help"])
    return capsys.readouterr().out
