"""What the lock files of requirements ask for: on a given kind of machine, and what each wheel installs.

A lock names archives by their SHA-256, and nothing on disk says which archive was installed. So `make wheels`
downloads the archives that a lock names, and writes to `requirements.wheels` for each, beside its own
SHA-256, the digest of what it installs (`installed.METHOD`): a line is `sha256 of the wheel  sha256 of what
it installs  file name`. A machine of another kind takes other wheels: what is listed for one stays, as long
as a lock names it.
"""

import hashlib
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from fairmark.errors import InputError
from fairmark.files import plain_lines

MARKERS = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_system",
    "python_full_version",
    "python_version",
    "sys_platform",
)
"""The environment markers that a lock file may ask about (PEP 508), without those that name one machine."""

ONLY_WHEELS = "--only-binary :all:"
"""An option that a lock file may hold: it can only refuse."""

OWN_WHEELS = "-f ./wheels"
"""The option of a lock by which an archive may lie beside it; its hash must be the lock's all the same."""

_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")
_HASH_OPTION = re.compile(r"[ \t]+--")
_HASH = re.compile(r"hash=sha256:[0-9a-f]+")

MARKER = "fairmark:marker:"
"""Prefix of the properties of a bill of materials that say for which kind of machine the locks were read."""


def here() -> dict[str, str]:
    """Return the values of `MARKERS` for the Python that runs."""
    from packaging.markers import default_environment

    found = {key: str(value) for key, value in default_environment().items()}
    return {key: found[key] for key in MARKERS}


def locked(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return normalised name -> version of every requirement in `text` that applies in `environment`.

    The text is read as pip and uv read it (https://pip.pypa.io/en/stable/reference/requirements-file-format/):
    what they would install and this would not see is a fault.

    Raises
    ------
    InputError
        When a line is not a requirement pinned by `==` with hashes, is an option that could bring in
        something else, or gives a distribution a second time.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str] = {}
    for line in _joined(plain_lines(text, "lock")):
        if line in {ONLY_WHEELS, OWN_WHEELS}:
            continue
        asked, *hashes = _HASH_OPTION.split(line)
        try:
            wanted = Requirement(asked)
        except InvalidRequirement as error:
            raise InputError(f"lock: must hold one requirement a line, got {line[:80]!a}") from error
        pins = [pin.version for pin in wanted.specifier]
        if len(pins) != 1 or next(iter(wanted.specifier)).operator != "==" or pins[0].endswith("*"):
            raise InputError(f"lock: must pin {wanted.name} by ==, got {str(wanted.specifier)!r}")
        if not all(map(_HASH.fullmatch, hashes)):
            raise InputError(f"lock: must give {wanted.name} nothing but hashes, got {line[-80:]!a}")
        if wanted.marker is None or wanted.marker.evaluate(dict(environment)):
            name = normal(wanted.name)
            if name in found:
                raise InputError(f"lock: must name {name} once, got {found[name]} and {pins[0]}")
            found[name] = pins[0]
    return found


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Yield each line without its comment, with those that a backslash at its end continues it by."""
    whole = ""
    for line in lines:
        # pip ends there what was continued, and others read on behind it.
        if whole and line.lstrip(" \t").startswith("#"):
            raise InputError(f"lock: must go on after a backslash, got a comment, {line[:80]!a}")
        whole += line.removesuffix("\\") if line.endswith("\\") else _COMMENT.sub("", line)
        if not line.endswith("\\"):
            if whole.strip(" \t"):
                yield whole.strip(" \t")
            whole = ""
    if whole:
        raise InputError("lock: must end with a whole requirement, got a backslash at its end")


def normal(name: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503)."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


TABLE = "requirements.wheels"

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==")
_ARCHIVE_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LINE = re.compile(r"([0-9a-f]{64})  ([0-9a-f]{64})  (\S+\.whl)")
_LEFT_OUT = re.compile(
    r".*\.pyc|[^/]+\.dist-info/(?:RECORD|INSTALLER|REQUESTED|direct_url\.json)|[^/]+\.data/headers/.*"
)
_INTO = {"purelib": "", "platlib": "", "scripts": "../../../bin/", "data": "../../../"}
"""Where the parts of a wheel's `.data` folder go, relative to site-packages."""

_LONG = re.compile(rb"#!/bin/sh\n'''exec' [^\n]*\n' '''\n")
"""What an installer writes where the way to Python is too long for one line."""


def over(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over the sorted lines `sha256  path`."""
    return hashlib.sha256("".join(sorted(f"{sha}  {path}\n" for sha, path in pairs)).encode()).hexdigest()


def without_first_line(content: bytes) -> bytes:
    """Return a script without the line that names the Python of the folder that it was installed in."""
    if not content.startswith(b"#!"):
        return content
    if long := _LONG.match(content):
        return content[long.end() :]
    return content.partition(b"\n")[2]


def installs(wheel: Path) -> str:
    """Return the digest of what a wheel installs, by its files' bytes, whatever its own RECORD says."""
    pairs = []
    with zipfile.ZipFile(wheel) as opened:
        for each in opened.infolist():
            if each.is_dir() or _LEFT_OUT.fullmatch(each.filename):
                continue
            content = opened.read(each)
            path = _installed_path(each.filename)
            # The first line names the Python of a folder, and is the installer's.
            if path.startswith("../../../bin/"):
                content = without_first_line(content)
            pairs.append((hashlib.sha256(content).hexdigest(), path))
    return over(pairs)


def archives(lock: str) -> dict[str, set[str]]:
    """Return the SHA-256 of each archive that a lock names, by normalised name of the distribution."""
    found: dict[str, set[str]] = {}
    hashes = set[str]()
    for line in lock.split("\n"):
        if pin := _PIN.match(line):
            hashes = found.setdefault(normal(pin[1]), set())
        hashes.update(_ARCHIVE_HASH.findall(line))
    return found


def unlike(locks: Mapping[str, set[str]], table: str, digests: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each distribution that is not what a wheel of the locks installs.

    Parameters
    ----------
    locks
        As `archives` gives them.
    table
        The text of `requirements.wheels`.
    digests
        What is installed, by normalised name: the digest of its files.
    """
    listed = {line[1]: line[2] for line in map(_LINE.fullmatch, table.split("\n")) if line}
    for name, digest in sorted(digests.items()):
        known = {listed[archive] for archive in locks.get(name, ()) if archive in listed}
        if not known:
            yield f"must have {name} from a wheel that {TABLE} lists, got none of it (run make wheels)"
        elif digest not in known:
            got = f"files of SHA-256 {digest[:12]}… (run make clean, and make again)"
            yield f"must have {name} as its wheel holds it, got {got}"


def listing(folder: Path, locks: Mapping[str, set[str]], before: str) -> str:
    """Return the table of what the locks name, of the wheels in `folder` and of those that stood `before`."""
    wanted = set[str]().union(*locks.values())
    lines = {
        line[3]: line[0] for line in map(_LINE.fullmatch, before.split("\n")) if line and line[1] in wanted
    }
    for wheel in folder.glob("*.whl"):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest in wanted:
            lines[wheel.name] = f"{digest}  {installs(wheel)}  {wheel.name}"
    return "".join(f"{line}\n" for _, line in sorted(lines.items()))


def _installed_path(name: str) -> str:
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    part, _, inside = rest.partition("/")
    return f"{_INTO.get(part, f'{part}/')}{inside}"


def _main(folder: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(Path().glob("requirements*.lock"))]
    table = Path(TABLE)
    before = table.read_text(encoding="utf-8") if table.is_file() else ""
    table.write_text(listing(folder, archives("\n".join(texts)), before), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
