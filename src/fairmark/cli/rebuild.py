"""`fairmark rebuild RELEASE`: make it again from its commit alone, and compare every output by its bytes.

It is verified first; then its commit is cloned into an empty folder, its data pulled, its locked packages
installed, and every stage run by force. Nothing of the clone that it comes from is changed.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.options import RELEASE
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.repo.isolation import Isolation
    from fairmark.verify.rebuild import Rebuilt

HELP = "make a release again from its commit, and compare the bytes"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", metavar="RELEASE", help=RELEASE)
    parser.add_argument("--key", type=Path, help="the public key that it must be signed by (PEM or SSH)")
    parser.add_argument(
        "--clone", type=Path, help="the repository that holds its commit; default: the one here"
    )
    parser.add_argument("--into", type=Path, help="an empty folder to make it in, which is left there")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder, and say where it is")
    parser.add_argument(
        "--here",
        action="store_true",
        help="run in this environment, which must have the locked versions, instead of installing them anew",
    )
    parser.add_argument(
        "--unsafe-here",
        action="store_true",
        help="run what the commit holds with all your rights, where this machine can't keep it apart",
    )
    parser.add_argument("--json", action="store_true", help="write what was found as JSON")


def run(given: argparse.Namespace) -> int:
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
    from fairmark.release.locate import found, repository
    from fairmark.repo.process import run as program
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public
    from fairmark.verify.rebuild import Rebuild, check_first

    key = own_public() if given.key is None else read_public(given.key)
    with found(given.release, given.clone) as target:
        source = target.clone or repository(given.release)
        opened = check_first(target.folder, source, key, yours=given.key is None)
        _say("the release is what was released: making it again")
        with _place(given.into, keep=given.keep) as place:
            isolation = None if given.unsafe_here else _isolation(place, here=given.here)
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
            raise UsageError(f"{into}: must be an empty folder, got another")
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
