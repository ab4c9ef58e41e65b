"""The verbs that take a release that is made: check it, make it again, show what differs, hand it on."""

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import RELEASE, Verb
from fairmark.terminal import say, say_json, stopped

if TYPE_CHECKING:
    from fairmark.release.folder import ReleaseFolder
    from fairmark.repo.isolation import Isolation
    from fairmark.verify.rebuild import Rebuilt

_PIECES = {"statement": "statement.json", "verdict": "verdict.intoto.json", "sbom": "sbom.intoto.json"}
_OF_MODELS = {"sbom"}


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage: what is imported and read of one release is in use to the end of the block."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Verify(Verb):
    """`fairmark verify RELEASE`: is this what was released? One line for each claim.

    The folder of a container image, as `make image` writes it, is checked the same way.
    """

    name = "verify"
    help = "check a release offline, one line for each claim"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", metavar="RELEASE", help=RELEASE)
        parser.add_argument("--key", type=Path, help="the public key that it must be signed by (PEM or SSH)")
        parser.add_argument("--clone", type=Path, help="a clone of the repository: check commit and tag too")
        parser.add_argument("--json", action="store_true", help="write the facts as JSON")

    @_uncollected()  # a tenth of the processor's time
    def run(self, given: argparse.Namespace) -> int:
        """Check the release, say whether each claim holds, and return 0, 4 (wrong) or 5 (undetermined)."""
        from fairmark.release.handover import release_at
        from fairmark.release.layout import is_image
        from fairmark.signing.key_store import own_public
        from fairmark.signing.keys import read_public
        from fairmark.verify.verify import exit_code, verify

        key, yours = own_public() if given.key is None else read_public(given.key), given.key is None
        with release_at(given.release, given.clone) as target:
            if is_image(target.folder):
                from fairmark.verify.image import verify_image

                facts = verify_image(target.folder, target.clone, key, yours=yours)
            else:
                facts = verify(target.folder, target.clone, key, yours=yours)
        code = exit_code(facts)
        if given.json:
            say_json(
                {
                    "release": Path(given.release).name,
                    "exit_code": code,
                    "facts": [vars(fact) for fact in facts],
                }
            )
        else:
            for fact in facts:
                say(fact.line())
            say({0: "verified", 4: "NOT what was released", 5: "can't be told"}[code] + f": {given.release}")
        return code


class Rebuild(Verb):
    """`fairmark rebuild RELEASE`: make it again from its commit alone, and compare every output by its bytes.

    It is verified first; then its commit is cloned into an empty folder, its data pulled, its locked packages
    installed, and every stage run by force. Nothing of the clone that it comes from is changed.
    """

    name = "rebuild"
    help = "make a release again from its commit, and compare the bytes"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", metavar="RELEASE", help=RELEASE)
        parser.add_argument("--key", type=Path, help="the public key that it must be signed by (PEM or SSH)")
        parser.add_argument(
            "--clone", type=Path, help="the repository that holds its commit; default: the one here"
        )
        parser.add_argument("--into", type=Path, help="an empty folder to make it in, which is left there")
        parser.add_argument(
            "--keep", action="store_true", help="leave the temporary folder, and say where it is"
        )
        parser.add_argument(
            "--here",
            action="store_true",
            help="run in this environment, which must have the locked versions, "
            "instead of installing them anew",
        )
        parser.add_argument(
            "--unsafe-here",
            action="store_true",
            help="run what the commit holds with all your rights, where this machine can't keep it apart",
        )
        parser.add_argument("--json", action="store_true", help="write what was found as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Rebuild, say what differs, and return 0 (the same), 4 (different) or 1 (it could not be done)."""
        import signal

        before = signal.signal(signal.SIGTERM, _leave)  # so that what was begun is ended and taken away
        try:
            rebuilt = _rebuilt(given)
        finally:
            signal.signal(signal.SIGTERM, before)
        code = 4 if rebuilt.differences else 0
        if given.json:
            from dataclasses import asdict

            say_json({**asdict(rebuilt), "exit_code": code})
            return code
        for line in rebuilt.lines():
            say(line)
        return code


def _rebuilt(given: argparse.Namespace) -> "Rebuilt":
    import math
    from functools import partial

    from fairmark.release.folder import ReleaseFolder
    from fairmark.release.handover import release_at, repository
    from fairmark.repo import process
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public
    from fairmark.verify.rebuild import Rebuild, check_first

    key = own_public() if given.key is None else read_public(given.key)
    with release_at(given.release, given.clone) as target:
        source = target.clone or repository(given.release)
        _need_model(ReleaseFolder(target.folder), given.release, "be made again")
        opened = check_first(target.folder, source, key, yours=given.key is None)
        _say("the release is what was released: making it again")
        with _place(given.into, keep=given.keep) as place:
            isolation = None if given.unsafe_here else _isolation(place, here=given.here)
            program = partial(process.run, limit_s=math.inf)  # whoever waits at a terminal ends it
            return Rebuild(opened, source, place, given.here, program, _say, isolation).make()


def _isolation(place: Path, *, here: bool) -> "Isolation":
    import sys

    from fairmark.errors import StateError
    from fairmark.repo.isolation import Isolation, impossible

    if why := impossible(place):
        raise StateError(
            f"isolation: must be possible to run what a release holds, got {why} "
            "(in a container or a machine that holds nothing else: --unsafe-here)"
        )
    return Isolation(place, (Path(sys.prefix),) if here else ())


def _say(line: str) -> None:
    say(line, error=True)


def _leave(*_: object) -> None:
    raise SystemExit(143)


@contextmanager
def _place(into: Path | None, *, keep: bool) -> Iterator[Path]:
    import tempfile

    from fairmark.errors import StateError, UsageError

    if into is not None:
        if into.exists() and (not into.is_dir() or any(into.iterdir())):
            found = f"one with {next(into.iterdir()).name} in it" if into.is_dir() else "a file"
            raise UsageError(f"{into}: must be an empty folder, got {found}")
        try:
            into.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{into}: must be writable, got {error.strerror}") from error
        yield into
    elif keep:
        place = Path(tempfile.mkdtemp(prefix="fairmark-rebuild-"))
        _say(f"working in {place}, which is left there")
        yield place
    else:
        with tempfile.TemporaryDirectory(prefix="fairmark-rebuild-") as name:
            yield Path(name)


class Diff(Verb):
    """`fairmark diff A B`: two releases side by side, part by part.

    Ends as diff(1) does: 0 when nothing differs but name, version and commit, 1 when something does, and more
    than 1 in trouble (2 used wrongly, 4 one of them is not what it says, 5 it can't be told).
    """

    name = "diff"
    help = "show what differs between two releases"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("a", metavar="A", help=RELEASE)
        parser.add_argument("b", metavar="B", help="the other one")
        parser.add_argument(
            "--clone", type=Path, help="a clone whose DVC cache or remote holds the rows of both"
        )
        parser.add_argument("--json", action="store_true", help="write the parts as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Compare, say what differs, and return 0 (nothing) or 1."""
        from fairmark.errors import FairmarkError

        try:
            return _compared(given)
        except FairmarkError as error:
            if error.exit_code != 1:
                raise
            stopped("fairmark diff", error.faults)  # 1 means here that they differ
            return 5


def _compared(given: argparse.Namespace) -> int:
    from fairmark.errors import VerificationError
    from fairmark.release.folder import ReleaseFolder
    from fairmark.release.handover import release_at
    from fairmark.verify.release_diff import compare, named

    with release_at(given.a, given.clone) as a, release_at(given.b, given.clone) as b:
        one, two = ReleaseFolder(a.folder), ReleaseFolder(b.folder)
        for each, asked in ((one, given.a), (two, given.b)):
            _need_model(each, asked, "be compared part by part")
        try:
            parts = compare(one, two, given.clone or a.clone or b.clone or _near(given.a))
            names = named(one), named(two)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(f"both must have the shape of a release, got {error!r:.200}") from error
    code = int(any(part.lines for part in parts))
    if given.json:
        values = {part.name: part.value for part in parts}
        say_json({"a": names[0], "b": names[1], "parts": values, "exit_code": code})
        return code
    say(f"{names[0]} beside {names[1]}")
    for part in parts:
        say(f"{part.name}: {'the same' if not part.lines else ''}".rstrip())
        for line in part.lines:
            say(f"  {line}")
    return code


def _need_model(release: "ReleaseFolder", asked: str, what: str) -> None:
    from fairmark.errors import UsageError
    from fairmark.release.layout import EVALUATION

    if release.kind is EVALUATION:
        raise UsageError(
            f"{asked}: must be the release of a model to {what}, got the evaluation of scores made elsewhere"
        )


def _near(asked: str) -> Path | None:
    from fairmark.errors import UsageError
    from fairmark.release.handover import repository

    try:
        return repository(asked)
    except UsageError:
        return None


class Pack(Verb):
    """`fairmark pack RELEASE`: one file to hand on, the same bytes every time."""

    name = "pack"
    help = "pack a release into one file, the same bytes every time"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", type=Path, metavar="RELEASE", help="a release folder")
        parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: RELEASE.tar.gz here")

    def run(self, given: argparse.Namespace) -> int:
        """Pack the folder, say the file's SHA-256, and return 0."""
        from fairmark.files import sha256
        from fairmark.release.handover import pack

        target = given.output or Path(f"{given.release.resolve().name}.tar.gz")
        count = pack(given.release, target)
        say(f"packed {count} files: {target}, SHA-256 {sha256(target)}")
        return 0


class Predicates(Verb):
    """`fairmark predicates RELEASE --into FOLDER`: its three statements in pieces that other signers take.

    GitHub's `actions/attest` signs a predicate of a named type about subjects that a checksum file lists.
    """

    name = "predicates"
    help = "take a release's statements apart, for a signer such as GitHub's attestations"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", type=Path, metavar="RELEASE", help="a release folder")
        parser.add_argument("--into", type=Path, required=True, help="the folder to write to")

    def run(self, given: argparse.Namespace) -> int:
        """Write NAME.json (the predicate) and NAME.checksums (the subjects) for each statement, and return 0.

        Raises
        ------
        VerificationError
            When a statement has no subjects or no predicate.
        """
        from fairmark.errors import VerificationError
        from fairmark.files import write_text
        from fairmark.signing.dsse import Envelope

        for name, file in _PIECES.items():
            if not (given.release / file).exists() and name in _OF_MODELS:
                continue  # an evaluation has no model, and no bill of one
            statement = Envelope.read(given.release / file).statement
            try:
                lines = [f"{each['digest']['sha256']}  {each['name']}\n" for each in statement["subject"]]
                predicate, kind = statement["predicate"], statement["predicateType"]
            except (LookupError, TypeError, AttributeError) as error:
                raise VerificationError(
                    f"{file}: must have the shape of a statement, got {error!r}"
                ) from error
            # Written as it stands in the statement: no digit of it is rounded.
            write_text(given.into / f"{name}.json", _json(predicate))
            write_text(given.into / f"{name}.checksums", "".join(lines))
            say(f"{name}: {kind}, {len(lines)} subjects")
        return 0


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
