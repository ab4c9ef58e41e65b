"""The front door for notebooks and services: a release, verified before anything of it is loaded."""

import shutil
import tempfile
from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.model.estimator import Estimator

__all__ = ["Estimator", "load_release"]


def load_release(release: str | Path, key: str | Path) -> Estimator:
    """Return the model of a release, whose every claim was checked first.

    What is checked is a copy, and the copy is loaded: a folder that changes meanwhile changes nothing.

    Parameters
    ----------
    release
        A release folder or an archive of one.
    key
        The public key that it must be signed by (PEM or SSH).

    Raises
    ------
    VerificationError
        When a claim of the release is wrong, with a line for each.
    StateError
        When a claim can't be told, such as a seal by another key.
    """
    from fairmark.release.locate import found
    from fairmark.signing.keys import read_public
    from fairmark.verify.verify import HELD, WRONG, exit_code, verify

    public = read_public(Path(key))
    with found(str(release), None) as target, tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        # Links stay links, which the check refuses.
        folder = Path(place) / target.folder.resolve().name
        shutil.copytree(target.folder, folder, symlinks=True)
        facts = verify(folder, None, public)
        code = exit_code(facts)
        if code != HELD:
            lines = [fact.line() for fact in facts if fact.asked and not fact.held]
            kind = VerificationError if code == WRONG else StateError
            raise kind(f"{folder.name}: must be what was released before it is loaded, got", *lines)
        return Estimator.load(folder / "model", folder / "schema.json", folder / "params.yaml")
