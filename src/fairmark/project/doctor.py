"""What of fairmark's surroundings is there, and what to do about each that is not: no check changes anything.

The main job is to run the stages and make a release here. What it needs decides the exit code; what others
need (approvals, schedules, a cluster, a token) stands beside it. Secrets are never part of what is found.
"""

import datetime as dt
import json
import os
import re
import shutil
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from fairmark.errors import FairmarkError, ParamsError
from fairmark.extras import EXTRAS
from fairmark.files import lines_of
from fairmark.release.layout import SCORES
from fairmark.repo.git import git
from fairmark.repo.locks import locked

State = Literal["ok", "note", "lacking"]


ROOM = 1 << 30
"""Free bytes below which a release may not fit: the environment's caches and a model's copies."""

PATIENCE_S = 3.0
"""Seconds that a server may take to answer."""

LONGEST_ANSWER = 1 << 22
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name
        What it is.
    state
        `ok`, `lacking` (the main job needs it), or `note` (others need it, or it will be made).
    found
        What is there.
    do
        What to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    found: str
    do: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return {"name": self.name, "state": self.state, "found": self.found, "do": self.do}

    def line(self) -> str:
        """Return it as one line."""
        return f"{self.state:8} {self.name}: {self.found}" + (f" -> {self.do}" if self.do else "")


def examined(root: Path, environment: Mapping[str, str] | None = None) -> list[Check]:
    """Return every check of a checkout and the machine that it is on; one that fails itself is lacking.

    Parameters
    ----------
    environment
        Variables that name servers and keys; by default those of the process.
    """
    told = os.environ if environment is None else environment
    checks: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("python", _python),
        ("extras", lambda: _extras(root)),
        ("programs", lambda: _programs(root)),
        ("locks", lambda: _locks(root)),
        ("repository", lambda: _repository(root)),
        ("params", lambda: _params(root)),
        ("scores", lambda: _scores(root)),
        ("data", lambda: _data(root)),
        ("remotes", lambda: _remotes(root)),
        ("key", _key),
        ("approvers", lambda: _approvers(root)),
        ("prefect", lambda: _prefect(root, told)),
        ("registry", lambda: _registry(told)),
        ("disk", lambda: _disk(root)),
        ("busy", lambda: _busy(root)),
    )
    return [check for name, look in checks for check in _looked(name, look)]


def _looked(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return [*look()]
    except FairmarkError as error:
        return [Check(name, "lacking", "; ".join(error.faults[:3]), "mend what it says")]
    except OSError as error:
        return [Check(name, "lacking", error.strerror or type(error).__name__, "make it readable")]
    except UnicodeDecodeError:
        return [Check(name, "lacking", "a file of it is no UTF-8", "write it as UTF-8")]
    except Exception as error:  # noqa: BLE001 - one look that fails must not hide the others; its text may
        # carry an address with a password, and is not shown
        return [Check(name, "lacking", f"could not be looked at ({type(error).__name__})", "look at it")]


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < (3, 11)
    do = "take Python 3.11 or newer (make PYTHON=python3.12)" if old else ""
    yield Check("python", "lacking" if old else "ok", f"{version} in {sys.prefix}", do)


def _judges(root: Path) -> bool:
    """Return whether the main job here is to judge scores made elsewhere, which asks for less."""
    return (root / SCORES).is_file()


def _scores(root: Path) -> Iterator[Check]:
    from fairmark.params.parse import read_yaml, section
    from fairmark.params.scores import Scores
    from fairmark.project.params_text import TODO

    if not _judges(root):
        return
    found = section(Scores, read_yaml(root / SCORES), SCORES)
    unsaid = [text for text in (found.made_by, found.version) if text.startswith(TODO)]
    do = f"write made_by and version in {SCORES}: fairmark attest asks for them" if unsaid else ""
    judged = f"judges {found.made_by[:60]} ({found.version[:40]})"
    yield Check(SCORES, "lacking" if unsaid else "ok", judged, do)


def _extras(root: Path) -> Iterator[Check]:
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        needed = extra == "pipeline" or (extra == "flows" and not _judges(root))
        if not missing:
            yield Check(f"extra {extra}", "ok", "installed")
            continue
        do = f"pip install 'fairmark[{extra}]', or make .venv/.ready" + ("" if needed else " if you need it")
        yield Check(f"extra {extra}", "lacking" if needed else "note", f"without {', '.join(missing)}", do)


def _programs(root: Path) -> Iterator[Check]:
    from fairmark.release.sbom.build import tools

    beside = str(Path(sys.executable).parent)
    for name, what in (("git", "install git"), ("dvc", "make .venv/.ready; source .venv/bin/activate")):
        found = shutil.which(name) or (shutil.which(name, path=beside) if name == "dvc" else None)
        yield Check(name, "ok" if found else "lacking", found or "not on PATH", "" if found else what)
    if shutil.which("python") is None:
        yield Check("python on PATH", "lacking", "stages start `python`", "source .venv/bin/activate")
    ssh = shutil.which("ssh-keygen")
    do = "" if ssh else "install OpenSSH: who signed a tag is asked of it"
    yield Check("ssh-keygen", "ok" if ssh else "lacking", ssh or "not on PATH", do)
    try:
        yield Check("cyclonedx-py", "ok", str(tools(root)))
    except FairmarkError as error:
        if not _judges(root):  # an evaluation has no bill of materials
            yield Check("cyclonedx-py", "lacking", error.faults[0], "make .venv-tools/.ready")


def _locks(root: Path) -> Iterator[Check]:
    from fairmark.release.sbom import requirements

    path = root / "requirements.lock"
    if not path.is_file():
        yield Check("requirements.lock", "lacking", "no such file", "git checkout requirements.lock")
        return
    wanted = requirements.locked(path.read_text(encoding="utf-8"), requirements.here())
    other = [
        f"{name} {have}"
        for name, version in sorted(wanted.items())
        if (have := _installed(name)) not in (None, version)
    ]
    if other:
        some = f"{', '.join(other[:3])}{' and more' if len(other) > 3 else ''}"
        found = f"{len(other)} installed in another version: {some}"
        yield Check("requirements.lock", "note", found, "make .venv/.ready")
    else:
        yield Check("requirements.lock", "ok", f"{len(wanted)} pinned, none installed otherwise")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _repository(root: Path) -> Iterator[Check]:
    if git(root, "rev-parse", "--verify", "HEAD").returncode:
        yield Check(
            "git", "lacking", f"{root} is no repository with a commit", "git clone fairmark, work in it"
        )
        return
    changed = lines_of(git(root, "status", "--porcelain").stdout)
    do = "git add --all; git commit: a release is made of a commit" if changed else ""
    yield Check("commit", "note" if changed else "ok", f"{len(changed)} changes are not committed", do)
    for key in ("user.name", "user.email"):
        said = git(root, "config", key).stdout.strip()
        do = "" if said else f"git config {key} ..."
        yield Check(f"git {key}", "ok" if said else "lacking", said or "not set", do)
    remotes = git(root, "remote").stdout.split()
    do = "" if remotes else "git remote add origin ADDRESS, for others to have your releases"
    yield Check("git remotes", "ok" if remotes else "note", ", ".join(remotes) or "none", do)


def _params(root: Path) -> Iterator[Check]:
    from fairmark.params.read import read_params
    from fairmark.project.params_text import TODO

    path = root / "params.yaml"
    params = read_params(path)
    yield Check("params.yaml", "ok", f"project {params.project.name}, data {params.project.data}")
    left = len(re.findall(rf"\b{TODO}\b", "\n".join(_values(path))))
    if left:
        yield Check("texts", "note", f"{left} wait to be written (TODO)", "write them before a release")


def _values(path: Path) -> Iterator[str]:
    for line in lines_of(path.read_text(encoding="utf-8")):
        if not line.lstrip().startswith("#"):
            yield line


def _data(root: Path) -> Iterator[Check]:
    from fairmark.params.read import read_params

    if not (root / "data.dvc").is_file():
        yield Check(
            "data.dvc",
            "lacking",
            "no such file",
            "put your table in data/ and dvc add data, or fairmark init FILE",
        )
        return
    try:
        files = read_params(root / "params.yaml").prepare.files
    except ParamsError:  # told once, by the look at params.yaml
        return
    names = [source.name for source in (files.main, files.test) if source is not None]
    missing = [name for name in names if not (root / "data" / name).is_file()]
    do = "dvc pull data.dvc" if missing else ""
    found = f"without {', '.join(missing)}" if missing else f"data/ holds {', '.join(names)}"
    yield Check("data", "lacking" if missing else "ok", found, do)
    if not missing and not (root / "data" / "DATASHEET.md").is_file():
        yield Check("datasheet", "note", "none in data/", "write data/DATASHEET.md, then dvc add data")


def _remotes(root: Path) -> Iterator[Check]:
    from fairmark.repo.data_versions import remotes, stores

    named = remotes(root)
    if not named:
        yield Check("dvc remotes", "lacking", "none", "dvc remote add --default NAME ADDRESS")
        return
    folders = stores(root)
    for name in named:
        place = folders.get(name)
        if place is None:
            yield Check(
                f"dvc remote {name}", "note", "is elsewhere", "dvc push asks it; it is not asked here"
            )
        else:
            there = place.is_dir()
            do = "" if there else "dvc push makes it: a release wants its data in its remote"
            yield Check(f"dvc remote {name}", "ok" if there else "note", str(place), do)


def _key() -> Iterator[Check]:
    from fairmark.signing.key_store import own_public, public_place

    public = own_public()
    if public is None:
        named = os.environ.get("FAIRMARK_KEY")
        if named:
            yield Check("key", "lacking", "FAIRMARK_KEY names no key that can sign", "name one, or unset it")
        else:
            yield Check("key", "note", "none yet", "the first release makes one in ~/.config/fairmark")
        return
    yield Check("key", "ok", f"{public.keyid[:16]}, public half in {public_place() or 'no file'}")


def _approvers(root: Path) -> Iterator[Check]:
    from fairmark.governance.approvers import named, people, read_approvers
    from fairmark.signing.key_store import own_public

    found = read_approvers(root / "approvers")
    when = dt.datetime.now(tz=dt.UTC)
    able = people(found, "fairmark-approval", when)
    do = (
        ""
        if able
        else "name a second person in approvers (docs/approvals.md): without one nothing is promoted"
    )
    yield Check("approvers", "ok" if able else "note", ", ".join(able) or "nobody may approve", do)
    public = own_public()
    if public is not None and named(found, public.keyid) is None:
        do = "cat ~/.config/fairmark/allowed_signers >> approvers; commit it"
        yield Check("your key in approvers", "note", "not named: others can't tell your tags", do)


def _prefect(root: Path, told: Mapping[str, str]) -> Iterator[Check]:
    named = told.get("PREFECT_API_URL", "").strip().rstrip("/")
    if not named:
        do = "prefect server start; set PREFECT_API_URL (docs/flows.md): only schedules need it"
        yield Check("prefect server", "note", "none named: flows start one of their own", do)
        return
    # The login goes into a header, and into nothing that is shown.
    address, login = _without_login(named, told.get("PREFECT_API_AUTH_STRING"))
    found = _asked(f"{address}/health", None, login)
    if found is None:
        do = "start it, or unset PREFECT_API_URL: flows start one of their own then"
        yield Check("prefect server", "lacking", "PREFECT_API_URL names one that does not answer", do)
        return
    yield Check("prefect server", "ok", "answers")
    deployments = _asked(f"{address}/deployments/filter", {}, login)
    wanted = re.findall(
        r"^  - name: (\S+)", (root / "prefect.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    there = {str(each.get("name")) for each in _mappings(deployments)}
    lacking = [name for name in wanted if name not in there]
    do = "prefect deploy --all" if lacking else ""
    shown = f"without {', '.join(lacking)}" if lacking else f"deployed: {', '.join(wanted)}"
    yield Check("prefect schedules", "note" if lacking else "ok", shown, do)
    workers = _asked(f"{address}/work_pools/fairmark/workers/filter", {}, login)
    online = [each for each in _mappings(workers) if each.get("status") == "ONLINE"]
    do = "" if online else "prefect worker start --pool fairmark"
    yield Check("prefect worker", "ok" if online else "note", f"{len(online)} online", do)


def _without_login(address: str, login: str | None) -> tuple[str, str | None]:
    """Return an address without the login in it, and the login: what names a server never carries one."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:  # of an address that is none, such as http://[
        return "", None
    own, at, host = parts.netloc.rpartition("@")
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), login or (
        urllib.parse.unquote(own) if at else None
    )


def _mappings(value: object) -> list[dict[str, Any]]:
    """Return the mappings of a list, whatever a server has answered."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


class _Here(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: a login is for the server that was named."""

    def redirect_request(self, *_: object) -> None:
        """Return no request."""


def _asked(address: str, body: object, login: str | None) -> object:
    """Return what a server answers as JSON, or None where it does not."""
    import base64

    headers = {"Content-Type": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    if not address.startswith(("http://", "https://")):
        return None
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(address, data, headers)  # noqa: S310 - its scheme is checked above
        with urllib.request.build_opener(_Here).open(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read(LONGEST_ANSWER))
    except (OSError, ValueError, HTTPException, RecursionError):
        return None


def _registry(told: Mapping[str, str]) -> Iterator[Check]:
    named = bool(told.get("MLFLOW_TRACKING_URI"))
    yield Check(
        "mlflow registry", "ok", "MLFLOW_TRACKING_URI names it" if named else "mlflow.db in this folder"
    )


def _disk(root: Path) -> Iterator[Check]:
    free = shutil.disk_usage(root).free
    small = free < ROOM
    do = "make room: 1 GB or more, and more than twice the data" if small else ""
    yield Check("disk", "lacking" if small else "ok", f"{free / 1e9:.1f} GB free", do)


def _busy(root: Path) -> Iterator[Check]:
    """Yield what another process is at work on: its lock is held while it lives."""
    for name, what in (("release.lock", "a release"), ("init.lock", "an init")):
        path = root / ".fairmark" / name
        if not path.exists():
            continue
        try:
            with locked(path, "busy"):
                pass
        except FairmarkError:
            yield Check("at work", "note", f"{what} runs in this folder", "wait until it ends")
    left = root / ".fairmark" / "init" / "begun"
    if left.is_file():
        yield Check("init", "lacking", "one was stopped in the middle", "fairmark init puts it back first")
