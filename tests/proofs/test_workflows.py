"""The jobs of the workflows run, by act, in a copy of a clean clone, up to what they would do to the world.

Each job is run whole by its own steps; what stands in for what is remote, tests/helpers/workflow_runner.py
says. Not run: the job `audit` (it asks an advisory service), `staging` and `production` (they ask AWS; the
same Terraform is applied to an emulator by test_terraform.py).
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from processes import program_of
from workflow_runner import Runner, clean_clone

from fairmark.signing.key_store import own_key

ROOT = Path(__file__).parents[2]
MIRROR = "FAIRMARK_TERRAFORM_MIRROR"

pytestmark = pytest.mark.proof


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Return what runs jobs over a clean clone."""
    program_of("delivery", "act")
    return Runner(clean_clone(tmp_path / "clone"), tmp_path)


def _succeeded(ended: subprocess.CompletedProcess[str], *jobs: str) -> None:
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-1000:]
    for job in jobs:
        assert re.search(rf"\[\w+/{job}[^\]]*\] 🏁  Job succeeded", ended.stdout), job


def _git(clone: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=clone, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_check_of_a_change(runner: Runner) -> None:
    _succeeded(runner.run("check", "check"), "check")


def test_the_tests_of_a_change_on_the_lowest_python(runner: Runner) -> None:
    _succeeded(runner.run("check", "test", more=("--matrix", "python:3.11")), "test")


def test_a_pull_request_reproduces_and_tells_what_moved_in_one_comment(runner: Runner) -> None:
    # Two commits of this repository between which a measure moved.
    moved = _git(runner.clone, "log", "-1", "--format=%H", "--", "artifacts/evaluate/metrics.json")
    base = _git(runner.clone, "rev-parse", f"{moved}^")
    payload = {
        "pull_request": {
            "number": 7,
            "base": {"sha": base},
            "head": {"repo": {"full_name": "example/loans"}},
        },
        "repository": {"full_name": "example/loans", "name": "loans", "owner": {"login": "example"}},
    }
    named = ("--env", "GITHUB_REPOSITORY=example/loans")

    _succeeded(runner.run("check", "comment", "pull_request", payload, named), "reproduce", "comment")

    comment = (runner.kept / "comment.md").read_text()
    assert comment == (runner.kept / "review/review.md").read_text()
    assert comment.startswith("## Verdict: ")
    assert f"At the base, {base[:12]}: " in comment
    assert re.search(r"### (Between groups|All rows): [1-9]", comment)
    assert json.loads((runner.kept / "review/sbom.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert runner.outward == ["gh pr comment 7 --edit-last --create-if-none --body-file review.md"]


def test_the_configuration_of_the_cloud_is_checked(runner: Runner) -> None:
    if not os.environ.get(MIRROR) or shutil.which("terraform") is None:
        pytest.skip(f"needs terraform on PATH and a mirror of its providers in ${MIRROR}")
    config = runner.place / "rc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{os.environ[MIRROR]}"\n  }}\n}}\n'
    )

    ended = runner.run("check", "terraform", more=("--env", f"TF_CLI_CONFIG_FILE={config}"))

    _succeeded(ended, "terraform")


def _engine() -> Mapping[str, str]:
    """Return the variables by which make builds images on this machine."""
    base = os.environ.get("FAIRMARK_IMAGE_BASE")
    if not base:
        pytest.skip("needs $FAIRMARK_IMAGE_BASE, on which images are built where the pinned one is not")
    made = {"BUILD_OPTIONS": f"--build-arg BASE_IMAGE={base} {os.environ.get('FAIRMARK_BUILD_OPTIONS', '')}"}
    if program := os.environ.get("FAIRMARK_CONTAINER"):
        made["CONTAINER"] = program
    return made


def _given(env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, text in env.items() for word in ("--env", f"{name}={text}"))


def test_the_image_is_built_and_verified(runner: Runner) -> None:
    ended = runner.run("check", "image", more=_given(_engine()))

    _succeeded(ended, "image")
    assert "verified: images/fairmark-service" in ended.stdout


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone in which a release was made and tagged, and that keeps the tag alone."""
    clone = clean_clone(tmp_path_factory.mktemp("tagged") / "clone")
    own_key(make=True)
    for name, text in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        _git(clone, "config", name, text)
    subprocess.run(["make", "run"], cwd=clone, check=True, capture_output=True, text=True)
    shutil.rmtree(clone / "releases")
    return clone


def test_a_release_tag_is_made_again_and_attested_and_every_night_once_more(
    tagged: Path, tmp_path: Path
) -> None:
    runner = Runner(tagged, tmp_path)
    tag = _git(tagged, "tag", "--points-at", "HEAD", "--list", "*@v*")
    secret = (Path(os.environ["FAIRMARK_CONFIG"]) / "key.pem").read_text()
    home = tmp_path / "home"
    home.mkdir()
    given = ("-s", f"FAIRMARK_KEY_PEM={secret}", "--env", f"HOME={home}")

    ended = runner.run("release", "rebuild", payload={"ref": f"refs/tags/{tag}"}, more=given)

    _succeeded(ended, "rebuild")
    kinds = [line.split()[1] for line in runner.outward if line.startswith("attest")]
    assert kinds == [
        "https://slsa.dev/provenance/v1",
        "https://in-toto.io/attestation/test-result/v0.1",
        "https://cyclonedx.org/bom",
    ]
    archive = f"{tag.replace('@', '-')}.tar.gz"
    assert {archive, "key.pub.pem", "SHA256SUMS", "report.html", "sbom.cdx.json"} <= {
        path.name for path in (runner.kept / "release").iterdir()
    }
    texts = [path.read_text(errors="replace") for path in (runner.kept / "release").glob("*.pem")]
    assert [text for text in texts if "PRIVATE" in text] == []

    (runner.kept / "last-tag").write_text(f"{tag}\n")
    _succeeded(runner.run("nightly", "rebuild", "schedule"), "rebuild")
    _succeeded(runner.run("nightly", "drill", "schedule"), "drill")
    assert json.loads((runner.kept / "drill" / "drill.json").read_text())
