"""The one statement that ties a release together: an in-toto Statement with a SLSA provenance.

in-toto Statement v1 (https://in-toto.io/Statement/v1) names the files of the release; its predicate,
SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance), names what they were made from: the commit and
every file of it, the data, and what the stages made. Nothing in it depends
on the clock, the host or the user, so that the same commit gives the same bytes.
"""

import hashlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.files import sha256
from fairmark.params.read import Params
from fairmark.release.layout import SEALS, STATEMENT
from fairmark.repo.commit import Trace
from fairmark.repo.dvc_files import address, data_outputs, files_of, names, stage_outputs
from fairmark.repo.git import committed_files
from fairmark.repo.untrusted import foreign_yaml
from fairmark.signing.dsse import STATEMENT_TYPE, opened, read_envelope

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:fairmark:release:1"
BUILDER = "urn:fairmark:builder:local"


def state(
    folder: Path, root: Path, trace: Trace, params: Params, verdict: "Verdict", version: str
) -> dict[str, Any]:
    """Return the statement of the release whose files are in `folder`, made in the working folder `root`.

    Raises
    ------
    StateError
        When DVC's files don't say what the outputs are.
    """
    written = foreign_yaml(root / "params.yaml")
    policy = written.pop("policy")
    external = {"name": params.project.name, "version": version, "params": written, "policy": policy}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256(folder / name)}}
            for name in names(folder)
            if name not in SEALS
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": external,
                "internalParameters": {"cleanTree": not trace.dirty, "verdict": verdict.state},
                "resolvedDependencies": _dependencies(root, trace),
            },
            "runDetails": {"builder": {"id": BUILDER, "version": _versions()}},
        },
    }


def release_digest(folder: Path) -> str:
    """Return the release digest: SHA-256 (64 hex digits) of what statement.json states, whoever signed it.

    Raises
    ------
    InputError
        When there is no statement, or it is not JSON.
    VerificationError
        When it is not written in the one form of an envelope.
    """
    payload, _ = opened(read_envelope(folder / STATEMENT))
    return hashlib.sha256(payload).hexdigest()


def stated_files(root: Path, commit: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a commit, by the name that a statement has for it.

    Raises
    ------
    StateError
        When the clone lacks one.
    VerificationError
        When one is not what its hash in git says.
    """
    # `commit` is the commit itself.
    return {
        f"./{name}" if name == "commit" else name: digest
        for name, digest in committed_files(root, commit).items()
    }


def _dependencies(root: Path, trace: Trace) -> list[dict[str, Any]]:
    commit = {
        "name": "commit",
        "digest": {"gitCommit": trace.commit},
        "annotations": {"committed": trace.committed},
    }
    outputs = {**data_outputs(root), **stage_outputs(root)}
    made = {
        name: _file(root, name, path, outputs[path]["md5"])
        for path in outputs
        for name in files_of(root, path)
    }
    held = stated_files(root, trace.commit)
    files = {name: {"name": name, "digest": {"sha256": digest}} for name, digest in held.items()}
    # A small result is both, committed and made: then DVC's address stands beside it.
    return [commit, *(entry for _, entry in sorted((files | made).items()))]


def _file(root: Path, name: str, output: str, md5: str) -> dict[str, Any]:
    # DVC's MD5 is where to find the bytes; the SHA-256 is what they must be.
    return {
        "name": name,
        "digest": {"sha256": sha256(root / name)},
        "annotations": {"md5": address(root / name), "output": output, "outputAddress": md5},
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"fairmark": version("fairmark"), "python": platform.python_version()}
