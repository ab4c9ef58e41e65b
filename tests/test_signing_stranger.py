"""The lines of docs/signing.md check a release with nothing of fairmark, and see what was changed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from maker_and_forger import FORGER, MINE

from fairmark.release.statement import release_digest
from fairmark.signing.git_tags import sign_tag

pytest_plugins = ("release_fixtures",)

GUIDE = Path(__file__).parents[1] / "docs" / "signing.md"


def checked(release: Path, folder: Path, pem: str) -> "subprocess.CompletedProcess[str]":
    """Return how the guide's lines ended in `folder`."""
    missing = [name for name in ("jq", "openssl", "ssh-keygen", "sha256sum") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    lines = re.search(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert lines is not None
    (folder / "key.pub.pem").write_text(pem)
    given = {"RELEASE": str(release), "CLONE": str(release.parents[1]), "TAG": "loans@v0.1.0"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", lines[1]],
        cwd=folder,
        env=os.environ | given | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_stranger_finds_an_untouched_release_good(small_release: Path, tmp_path: Path) -> None:
    answer = checked(small_release, tmp_path, MINE.public.pem)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[:4] == ["Verified OK"] * 3 + ["Verification succeeded"]
    assert 'Good "git" signature for them with ECDSA key' in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("change", ["key", "file", "extra", "model.sig", "tag", "behind"])
def test_a_stranger_sees_what_was_changed(small_release: Path, tmp_path: Path, change: str) -> None:
    pem = FORGER.public.pem if change == "key" else MINE.public.pem
    match change:
        case "file":
            (small_release / "report.html").write_text("better")
        case "extra":
            (small_release / "extra.txt").write_text("x")
        case "model.sig":
            text = (small_release / "model.sig").read_text()
            (small_release / "model.sig").write_text(text.replace('"sig":"ME', '"sig":"MD'))
        case "tag":
            clone = ["git", "-C", str(small_release.parents[1])]
            subprocess.run([*clone, "tag", "-f", "-a", "-m", "x", "loans@v0.1.0"], check=True)
        case "behind":  # what the tag names stands behind its signature, where git minds it not
            root, tag = small_release.parents[1], "loans@v0.1.0"
            subprocess.run(["git", "-C", str(root), "tag", "-d", tag], check=True)
            name = sign_tag(root, tag, "HEAD", "x", MINE)
            signed = subprocess.run(
                ["git", "-C", str(root), "cat-file", "tag", name], check=True, capture_output=True
            ).stdout
            forged = signed + f"Statement-SHA256: {release_digest(small_release)}\n".encode()
            made = subprocess.run(
                ["git", "-C", str(root), "mktag"], input=forged, check=True, capture_output=True
            )
            subprocess.run(
                ["git", "-C", str(root), "update-ref", f"refs/tags/{tag}", made.stdout.strip()], check=True
            )

    assert checked(small_release, tmp_path, pem).returncode != 0
