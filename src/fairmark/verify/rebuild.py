"""Make a release again from its commit alone, and hold every output against what was released."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fairmark.errors import FairmarkError, StateError, VerificationError
from fairmark.files import canonical_json
from fairmark.params.read import read_params
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import STATEMENT
from fairmark.release.statement import state
from fairmark.repo.commit import trace
from fairmark.repo.isolation import Isolation
from fairmark.repo.process import Ended, Run, Say, need
from fairmark.signing.keys import PublicKey
from fairmark.verify import compare as remade
from fairmark.verify import environment
from fairmark.verify.verify import Fact, verify

LOCKED = ("--require-hashes", "--only-binary", ":all:")
"""Options of pip and uv: archives with a hash of the lock alone, and of these wheels: nothing is built."""

_NEEDED = ("seal ", "commit")
"""Facts that must be told before anything of a commit is run; the others must not be wrong."""


@dataclass(frozen=True)
class Rebuilt:
    """What came of making a release again.

    Parameters
    ----------
    release
        Its tag.
    outputs
        How many files its stages made.
    differences
        Those that came out otherwise, those of the first stage first.
    environment
        What is not the same as when it was released, a line each.
    statement
        Whether its statement comes out the same as well, in words.
    """

    release: str
    outputs: int
    differences: tuple[remade.Difference, ...]
    environment: tuple[str, ...]
    statement: str

    def lines(self) -> list[str]:
        """Return what came of it, for a person."""
        told = [f"differs   {each.line()}" for each in self.differences]
        told += [f"made on   {line}" for line in self.environment]
        told.append(f"statement {self.statement}")
        if not self.differences:
            return [*told, f"{self.release} was made again: {self.outputs} files, the same bytes"]
        count, first = len(self.differences), self.differences[0].stage
        told.append(f"{self.release} came out otherwise: {count} of {self.outputs} files, first of {first}")
        return told


def check_first(folder: Path, clone: Path, key: PublicKey | None, *, yours: bool) -> ReleaseFolder:
    """Return the release in `folder`, when it is whole, sealed and of a commit of the clone.

    Raises
    ------
    VerificationError
        When a claim of it is wrong.
    StateError
        When it can't be told who sealed it, or that the clone holds its commit.
    """
    facts = refuse_wrong(folder, clone, key, yours=yours)
    undecided = [fact.line() for fact in facts if fact.held is None and fact.name.startswith(_NEEDED)]
    if undecided:
        raise StateError(
            f"{folder.name}: must be known to be whose it says before it is rebuilt, got", *undecided
        )
    return ReleaseFolder(folder)


def refuse_wrong(folder: Path, clone: Path, key: PublicKey | None, *, yours: bool) -> list[Fact]:
    """Return every claim of a release, none of which is wrong.

    Raises
    ------
    VerificationError
        When one is.
    """
    facts = verify(folder, clone, key, yours=yours)
    if wrong := [fact.line() for fact in facts if fact.held is False]:
        raise VerificationError(f"{folder.name}: must be what was released before it is rebuilt, got", *wrong)
    return facts


def check_out(run: Run, source: Path, revision: str, root: Path) -> None:
    """Clone `source` into the folder `root`, which is not there yet, and check `revision` out.

    Objects are copied through git's protocol, which hashes each anew, and no hook or filter runs.

    Raises
    ------
    StateError
        When git can't.
    """
    # autocrlf of this machine would change the bytes of every text that is checked out.
    quiet = ["-c", f"core.hooksPath={os.devnull}", "-c", "core.autocrlf=false"]
    clone = ["git", *quiet, "-c", "transfer.fsckObjects=true", "clone", "--quiet", "--no-local"]
    clone += ["--no-checkout", "--template=", str(source.resolve()), str(root)]
    need(run, f"{source}: must be cloned", clone, root.parent)
    out = ["git", *quiet, "-c", "advice.detachedHead=false", "checkout", "--quiet", revision]
    name = revision[:12] if len(revision) == 40 else revision
    need(run, f"commit {name}: must be checked out", out, root)


@dataclass(frozen=True)
class Rebuild:
    """One rebuild: of a release that was checked, in an empty place, from a clone.

    Parameters
    ----------
    place
        An empty folder.
    here
        Whether to take the environment that runs, which must have the locked versions, rather than to
        install another.
    isolation
        How what the commit holds is kept apart from the caller; None runs it with the caller's rights.
    """

    release: ReleaseFolder
    source: Path
    place: Path
    here: bool
    run: Run
    say: Say
    isolation: Isolation | None = None

    @property
    def root(self) -> Path:
        """Where the clone is."""
        return self.place / "clone"

    @property
    def python(self) -> Path:
        """The interpreter that the stages run with."""
        return Path(sys.executable) if self.here else self.root / ".venv" / "bin" / "python"

    def make(self) -> Rebuilt:
        """Do all of it, and return what came of it.

        Raises
        ------
        StateError
            When a step can't be done.
        VerificationError
            When the data is not that of the release.
        """
        with self._step("clone"):
            self.clone()
        stages = remade.order(self.root)
        with self._step("environment"):
            self.install()
        with self._step("data"):
            self.data()
        for stage in stages:
            with self._step(stage):
                self.stage(stage)
        with self._step("compare"):
            return self.compare(stages)

    def clone(self) -> None:
        """Check the release's commit out in an empty folder, and see that every file is the stated one.

        Raises
        ------
        VerificationError
            When the commit holds another file than the release states.
        """
        check_out(self.run, self.source, self.release.commit, self.root)
        remade.check_commit(self.release, self.root)

    def data(self) -> None:
        """Take the data from the clone that we come from, or else pull it, and check it."""
        if not remade.take_data(self.release, self.source, self.root):
            self.say("the clone does not hold the data: pulling it from DVC's remote")
            pull = ["dvc", "pull", "--quiet", "data.dvc"]
            self._need("data: must be pulled as data.dvc names it", pull, network=True)
        remade.check_data(self.release, self.root)

    def install(self) -> None:
        """Install the locked environment into the clone, or see that ours has the locked versions.

        Nothing is built and nothing of a cache is used: each archive comes from the index, with its hash.
        """
        lock = (self.root / "requirements.lock").read_text(encoding="utf-8")
        if self.here:
            found = environment.present(self.python, self.root, self._run).libraries
            if wrong := environment.unlocked(lock, found):
                what = "this environment: must have the locked versions to be used"
                raise StateError(f"{what}, got {len(wrong)} unlike", *wrong)
            return
        tools, base = self.place.resolve() / "tools", _base_python()
        pip = [str(tools / "bin" / "python"), "-m", "pip", "--no-cache-dir", "--disable-pip-version-check"]
        uv = [str(tools / "bin" / "uv"), "--quiet", "--no-cache", "pip", "sync", "--python", str(self.python)]
        what = "requirements: must be installed as the locks name them"
        self._need(what, [base, "-m", "venv", str(tools)])
        # Without pip: uv installs from outside, and what is in there is the lock and nothing else.
        self._need(what, [base, "-m", "venv", "--without-pip", ".venv"])
        self._need(what, [*pip, "install", "--quiet", *LOCKED, "-r", "requirements-uv.lock"], network=True)
        self._need(what, [*uv, *LOCKED, "--compile-bytecode", "requirements.lock"], network=True)
        environment.check_wheels(self.root, lock)

    def stage(self, name: str) -> None:
        """Run one stage by force."""
        words = ["dvc", "repro", "--single-item", "--force", name]
        self._need(f"stage {name}: must end well", words)

    def compare(self, stages: Sequence[str]) -> Rebuilt:
        """Return what came of it, now that all stages ran."""
        # Before anything is read of what the stages wrote.
        remade.refuse_links(self.release, self.root)
        found = remade.differences(self.release, self.root, self.source, stages)
        was = environment.made(self.release, self.source)
        now = environment.present(self.python, self.root, self._run)
        return Rebuilt(
            self.release.statement.tag,
            remade.outputs(self.release),
            tuple(found),
            tuple(environment.differences(was, now)),
            # Of other outputs the statement must differ, which says nothing new.
            "not asked, because outputs differ" if found else restated(self.release, self.root),
        )

    def _need(self, what: str, words: Sequence[str], *, network: bool = False) -> None:
        need(partial(self._run, network=network), what, words, self.root, self._variables())

    def _run(
        self,
        words: Sequence[str],
        folder: Path,
        say: Say | None,
        extra: Mapping[str, str] | None,
        *,
        network: bool = False,
    ) -> Ended:
        """Run a program that the commit may have a say in."""
        if self.isolation is not None:
            # What git and the installer wrote is not for the stages to change.
            kept = [self.root / ".git", *([] if network else [self.root / ".venv"])]
            words = self.isolation.command(words, folder, extra, network=network, kept=kept)
            extra = None
        ended = self.run(words, folder, say, extra)
        return Ended(ended.code, ended.lines)

    def _variables(self) -> Mapping[str, str]:
        # The clone's own code, not what is installed; and nothing of DVC outside this place.
        programs = os.defpath if self.isolation is not None else os.environ.get("PATH", os.defpath)
        path = os.pathsep.join([str(self.python.parent), programs])
        return {
            "PATH": path,
            "PYTHONPATH": str((self.root / "src").resolve()),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.place.resolve() / "dvc"),
        }

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self.say(f"{name} ...")
        began = time.monotonic()
        yield
        self.say(f"{name} {time.monotonic() - began:.1f} s")


def restated(release: ReleaseFolder, root: Path) -> str:
    """Return in words whether the release's statement comes out the same in `root`, where its stages ran."""
    try:
        verdict = release.verdict
        params, version = read_params(root / "params.yaml"), release.statement.external.version
        stated = state(release.folder, root, trace(root), params, verdict, version).to_json()
    except (FairmarkError, KeyError, TypeError) as error:
        return f"can't be made here: {' '.join(str(error).split())[:200]}"
    released = release.stated(STATEMENT)
    if canonical_json(stated) == canonical_json(released):
        return "the same, byte for byte"
    parts = [*_unlike("", released, stated)]
    return f"made otherwise in {', '.join(parts[:5])}"


def _unlike(where: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _unlike(f"{where}.{key}" if where else str(key), old.get(key), new.get(key))
    elif old != new:
        yield where


def _base_python() -> str:
    # Not that of an environment, which may be gone or changed by the time that the other one is used.
    return str(getattr(sys, "_base_executable", None) or sys.executable)
