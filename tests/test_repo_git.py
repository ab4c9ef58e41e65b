"""git is asked in strangers' clones: nothing that their config names is run, no object shown for another."""

import subprocess
from pathlib import Path

import pytest
from promotion_repo import git as plain
from promotion_repo import repository

from fairmark.errors import StateError
from fairmark.governance.policy_base import authors
from fairmark.governance.policy_gate import compare
from fairmark.governance.verify_trail import check_remote
from fairmark.repo import commit as trace
from fairmark.repo.git import git


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a clone whose config starts a program, which leaves a file `ran`, wherever git would let it."""
    root = repository(tmp_path / "clone", ["v0.1.0"])
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho x >> {tmp_path}/ran\nexit 1\n")
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction"):
        (hooks / name).symlink_to(program)
    (tmp_path / "empty").mkdir()
    settings = {
        "core.fsmonitor": program,
        "core.hooksPath": hooks,
        "log.showSignature": "true",
        "gpg.program": program,
        "gpg.ssh.program": program,
        "diff.external": program,
        "diff.odd.textconv": program,
        "filter.odd.clean": program,
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "away",
        "remote.away.promisor": "true",
        "remote.away.url": tmp_path / "empty",
        "remote.away.uploadpack": program,
        "remote.odd.url": f"ext::{program}",
        "protocol.ext.allow": "always",
    }
    for key, value in settings.items():
        plain(root, "config", key, str(value))
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "attributes").write_text("* filter=odd diff=odd\n")
    return root


def test_an_object_that_a_clone_lacks_is_not_fetched_by_a_program_of_its_config(hostile: Path) -> None:
    missing = "12" * 20
    plain_answer = subprocess.run(["git", "-C", str(hostile), "cat-file", "-e", missing], check=False)
    assert plain_answer.returncode != 0
    ran = hostile.parent / "ran"
    assert ran.exists()  # git by itself starts it
    ran.unlink()

    assert not trace.known(hostile, missing)
    assert trace.committed_file(hostile, missing, "params.yaml") is None
    assert not ran.exists()


def test_who_wrote_a_policy_is_told_without_a_program_of_the_clone(hostile: Path) -> None:
    (hostile / "params.yaml").write_text((hostile / "params.yaml").read_text() + "\n")

    assert authors(hostile, "HEAD")[0] == {"tester@example.org"}
    compare(hostile)
    git(hostile, "update-ref", "refs/heads/other", "HEAD")
    assert not (hostile.parent / "ran").exists()


def test_a_remote_whose_address_is_a_command_is_not_asked(hostile: Path) -> None:
    with pytest.raises(StateError, match="transport 'ext' not allowed"):
        check_remote(hostile, "odd")
    assert not (hostile.parent / "ran").exists()


def test_no_replaced_object_and_no_graft_is_believed(tmp_path: Path) -> None:
    root = repository(tmp_path / "clone", ["v0.1.0", "v0.2.0"])
    (root / "params.yaml").write_text("policy: 1\n")
    plain(root, "commit", "-q", "-a", "-m", "x")
    old, new = (plain(root, "rev-parse", f"{commit}:params.yaml").strip() for commit in ("HEAD~1", "HEAD"))
    plain(root, "replace", old, new)
    (root / ".git" / "info").mkdir(exist_ok=True)
    head = plain(root, "rev-parse", "HEAD").strip()
    (root / ".git" / "info" / "grafts").write_text(f"{head}\n")
    assert plain(root, "show", "HEAD~0:params.yaml") == plain(root, "cat-file", "blob", old)

    assert b"project:" in (trace.committed_file(root, "loans@v0.1.0", "params.yaml") or b"")
    assert len(git(root, "rev-list", "HEAD").stdout.split()) == 3
