"""Runs jobs of the workflows on this machine by act, with stand-ins for what is remote.

Each job's own steps run, in a copy of a clean clone, as GitHub would run them: expressions, outputs, job
summaries, needs. What is replaced stands outside the project: the actions of others (checkout, artifacts,
signing in to a cloud) and the programs that act outwards (gh, aws, skopeo), which write down what they were
asked for.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import program_of

ROOT = Path(__file__).resolve().parents[2]

ACTIONS: Mapping[str, str] = {
    "actions/setup-python": "true",
    "hashicorp/setup-terraform": "terraform version",
    "aws-actions/configure-aws-credentials": 'test -n "$ROLE"',
    "actions/upload-artifact": (
        'mkdir -p "$KEPT/$NAME" && if [ -d "$FROM" ]; then cp -r "$FROM"/. "$KEPT/$NAME/"; '
        'else cp "$FROM" "$KEPT/$NAME/"; fi'
    ),
    "actions/download-artifact": (
        'mkdir -p "$INTO" && for each in $NAMES; do cp -r "$KEPT/$each"/. "$INTO/"; done'
    ),
    "actions/attest": (
        'test -z "$CHECKSUMS" || { test -s "$CHECKSUMS" && jq --exit-status type "$PREDICATE" >/dev/null; }; '
        'printf "attest %s %s\\n" "$KIND" "$DIGEST" >> "$KEPT/outward"'
    ),
}
"""What stands in for each action of others, as a shell line."""

GIVEN: Mapping[str, str] = {
    "ROLE": "${{ inputs.role-to-assume }}",
    "NAME": "${{ inputs.name }}",
    "NAMES": "${{ inputs.name || 'release image' }}",
    "FROM": "${{ inputs.path }}",
    "INTO": "${{ inputs.path || '.' }}",
    "CHECKSUMS": "${{ inputs.subject-checksums }}",
    "PREDICATE": "${{ inputs.predicate-path }}",
    "KIND": "${{ inputs.predicate-type || 'https://slsa.dev/provenance/v1' }}",
    "DIGEST": "${{ inputs.subject-digest }}",
}

UNUSED = (
    "python-version", "terraform_version", "terraform_wrapper", "aws-region", "pattern", "merge-multiple",
    "if-no-files-found", "subject-name",
)  # fmt: skip
"""Inputs that a stand-in has no use for; act warns of those that an action does not know."""

OUTWARD = """#!/usr/bin/env bash
# Writes down what it was asked for, and answers as far as a step reads the answer.
printf '%s %s\\n' "$(basename "$0")" "$*" >> "$KEPT/outward"
case "$(basename "$0") $*" in
  "gh pr comment"*) cp review.md "$KEPT/comment.md" ;;
  "gh release list"*) cat "$KEPT/last-tag" 2>/dev/null || true ;;
  "gh release download"*) cp -r "$KEPT/release" last ;;
  "gh release create"*) cp notes.md "$KEPT/notes.md" ;;
  "aws ecr get-login-password"*) echo password ;;
esac
"""


@dataclass(frozen=True)
class Runner:
    """Runs jobs over one clone.

    Parameters
    ----------
    clone
        A clean clone, which act copies for each job.
    place
        A folder for stand-ins, artifacts and logs.
    """

    clone: Path
    place: Path

    @property
    def kept(self) -> Path:
        """Where artifacts lie, and in `outward` what was asked of the world."""
        return self.place / "kept"

    @property
    def outward(self) -> list[str]:
        """What was asked of the world, a line each."""
        path = self.kept / "outward"
        return path.read_text().splitlines() if path.exists() else []

    def run(
        self,
        workflow: str,
        job: str,
        event: str = "push",
        payload: Mapping[str, object] | None = None,
        more: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a job and those that it needs, and return how act ended and all that it wrote."""
        self.kept.mkdir(parents=True, exist_ok=True)
        programs = self._programs()
        (self.place / "event.json").write_text(json.dumps(payload or {}))
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        words = [
            program_of("delivery", "act"), event, "-W", f".github/workflows/{workflow}.yml", "-j", job,
            "-P", "ubuntu-24.04=-self-hosted", "--pull=false", "--no-cache-server", "--artifact-server-addr",
            "127.0.0.1", "-e", str(self.place / "event.json"), "--env", f"KEPT={self.kept}", "--env",
            f"PATH={path}", *self._replaced(), *more,
        ]  # fmt: skip
        given = {
            **{
                k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "VIRTUAL_ENV", "PYTEST_"))
            },
            "XDG_CONFIG_HOME": str(self.place / "config"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
            "PATH": path,
            **(env or {}),
        }
        return subprocess.run(
            words, cwd=self.clone, env=given, capture_output=True, text=True, check=False, timeout=3600
        )

    def _replaced(self) -> list[str]:
        """Return act's options that put a stand-in in the place of each action of others."""
        texts = "".join(path.read_text() for path in (self.clone / ".github/workflows").glob("*.yml"))
        found = []
        for name, commit in sorted(set(re.findall(r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40})", texts))):
            if name == "actions/checkout":
                continue  # act copies the clone itself
            folder = self.place / "actions" / name.replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            step = {"shell": "bash", "run": ACTIONS[name], "env": dict(GIVEN)}
            names = sorted(
                {each for text in GIVEN.values() for each in re.findall(r"inputs\.([\w-]+)", text)}
            )
            known = [*names, *UNUSED]
            action = {
                "name": name,
                "description": "A stand-in",
                "inputs": {each: {"description": each, "default": ""} for each in known},
                "runs": {"using": "composite", "steps": [step]},
            }
            (folder / "action.yml").write_text(json.dumps(action))
            found += ["--local-repository", f"{name}@{commit}={folder}"]
        return found

    def _programs(self) -> Path:
        folder = self.place / "programs"
        folder.mkdir(exist_ok=True)
        for name in ("gh", "aws", "skopeo", "docker"):
            (folder / name).write_text(OUTWARD)
            (folder / name).chmod(0o755)
        return folder


def clean_clone(target: Path) -> Path:
    """Return a clean clone of this repository at its commit, with all tags."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(target)], check=True)
    return target
