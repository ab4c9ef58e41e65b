"""A demonstration, `make demo`: a release decides about people, and what turns out wrong is caught.

Everything happens on this machine, in a clone of its own below `.fairmark/demo`, with keys made for the
occasion: the working copy is left as it is. Two newer releases pass their own gate and must not stay: the
supplier of the one's data counted ages to another day, and in the other's sex and race were joined to the
wrong rows, so that the gate measured equal rates between groups that are none. Both are seen by their
decisions alone.
"""

import asyncio
import csv
import datetime as dt
import http.client
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from fairmark.files import lines_of
from fairmark.journal.entry import DAY_US
from fairmark.repo.process import guarded
from fairmark.terminal import say as tell
from flows import server
from flows.settings import SERVED, own_profile

if TYPE_CHECKING:
    from fairmark.serve.body import StructT
    from fairmark.serve.desk import Desk

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".fairmark" / "demo"
NAME = "adult-income"
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country",
    "income",
)  # fmt: skip
APPROVERS = ("approver-1", "approver-2")
SUBJECT_KEY = "the secret of a demonstration"
BEGAN = time.monotonic()


def say(line: str) -> None:
    """Print a line with the seconds since the demonstration began."""
    tell(f"{time.monotonic() - BEGAN:6.1f} s  {line}")


@dataclass(frozen=True)
class Stage:
    """Where the demonstration plays: its clone, its keys, its servers.

    Parameters
    ----------
    place
        The folder that holds all of it.
    """

    place: Path
    prefect: dict[str, str] = field(default_factory=dict)
    """By which settings its flows find their Prefect server; none lets each start one of its own."""

    @property
    def clone(self) -> Path:
        """The clone of this repository."""
        return self.place / "project"

    @property
    def journal(self) -> str:
        """The journal of the service's decisions."""
        return str(self.place / "journal.db")

    @property
    def memberships(self) -> str:
        """The store of protected attributes beside it."""
        return str(self.place / "memberships.db")

    def environment(self, who: str = "maker") -> dict[str, str]:
        """Return the environment of a program that one of the demonstration's keys is at hand for."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("FAIRMARK_")}
        return kept | {
            "FAIRMARK_HOME": str(self.clone),
            "FAIRMARK_CONFIG": str(self.place / "keys" / who),
            "FAIRMARK_JOURNAL": self.journal,
            "FAIRMARK_MEMBERSHIPS": self.memberships,
            "FAIRMARK_SERVICE_KEYS": str(self.place / "callers.jsonl"),
            "FAIRMARK_SUBJECT_KEY": SUBJECT_KEY,
            "FAIRMARK_BESIDE": str(self.place / "records.csv"),
            **self.prefect,
            "PREFECT_HOME": str(ROOT / ".prefect"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.clone / "src"),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *words: str, who: str = "maker", may_end: Sequence[int] = (0,)) -> str:
        """Run a program in the clone and return what it printed.

        Raises
        ------
        SystemExit
            When it ends otherwise than it may, with all that it said.
        """
        done = subprocess.run(
            words,
            cwd=self.clone,
            env=self.environment(who),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode not in may_end:
            raise SystemExit(f"{' '.join(words[:4])}: ended with {done.returncode}\n{done.stdout}")
        return done.stdout

    def fairmark(self, *words: str, who: str = "maker") -> str:
        """Run a verb of fairmark."""
        return self.run(sys.executable, "-m", "fairmark.cli", *words, who=who)


@contextmanager
def one_server(stage: Stage) -> Iterator[None]:
    """Let one Prefect server hear of all flows, unless one is named: each would start one of its own."""
    if SERVED or own_profile():
        yield
        return
    started = server.start({**stage.environment(), **guarded()})
    stage.prefect.update(started.settings)
    try:
        server.await_answer(started)
        yield
    finally:
        started.stop()


def set_up(stage: Stage) -> None:
    """Clone the repository, with its data, and make keys for a maker and two approvers."""
    shutil.rmtree(stage.place, ignore_errors=True)
    stage.place.mkdir(parents=True)
    subprocess.run(
        ["git", "clone", "--quiet", "--no-hardlinks", "--no-tags", str(ROOT), str(stage.clone)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    stage.run("git", "remote", "remove", "origin")  # its releases are of other keys, and not looked for
    name_committer(stage)
    (stage.clone / ".git" / "info" / "exclude").write_text(".venv-tools\n", "utf-8")
    (stage.clone / ".venv-tools").symlink_to(ROOT / ".venv-tools")  # what writes the SBOM
    cache = ROOT / ".dvc" / "cache"
    stage.run("dvc", "cache", "dir", "--local", str(stage.place / "cache"))
    if cache.is_dir():  # what the stages gave here before need not be made again
        shutil.copytree(cache, stage.place / "cache", copy_function=os.link, dirs_exist_ok=True)
    lines = [_make_key(stage.place / "keys" / who, who) for who in ("maker", *APPROVERS)]
    approvers = stage.clone / "approvers"
    approvers.write_text(approvers.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")
    stage.run("git", "commit", "--quiet", "--all", "--message", "Name who may approve in the demonstration")


def name_committer(stage: Stage) -> None:
    """Say who commits in a clone."""
    for key, value in (("user.name", "fairmark demo"), ("user.email", "demo@localhost")):
        stage.run("git", "config", key, value)


def _make_key(folder: Path, who: str) -> str:
    """Make a key, and return the line of `approvers` that names whose it is."""
    from fairmark.signing.key_store import key_in, make_key_file

    folder.mkdir(parents=True, mode=0o700)
    make_key_file(folder / "key.pem")
    return key_in(folder / "key.pem").public.allowed(who, "git,fairmark-approval")


Rows = list[list[str]]


def recoded(rows: Rows) -> None:
    """Count every age to another day, 18 years later, as a supplier would who mistook one date for another.

    Within these data nothing changes: the trees cut elsewhere, and measure the same.
    """
    place = COLUMNS.index("age")
    for row in rows:
        row[place] = str(int(row[place]) + 18)


def misjoined(rows: Rows) -> None:
    """Give each row the sex and the race of another one, as a join by the wrong key would."""
    places = [COLUMNS.index("race"), COLUMNS.index("sex")]
    others = [[row[place] for place in places] for row in rows]
    random.Random(7).shuffle(others)  # noqa: S311 - any order will do
    for row, other in zip(rows, others, strict=True):
        for place, cell in zip(places, other, strict=True):
            row[place] = cell


Fault = Callable[[Rows], None]
FAULTS: Mapping[Fault, str] = {
    recoded: "Take the supplier's data of the new year",
    misjoined: "Join the protected attributes anew",
}
"""Of a newer release's data, each with what its commit says."""


def spoil(stage: Stage, fault: Fault) -> None:
    """Put a fault that nobody notices into the data of a clone, run the stages on them, and commit both."""
    for name in ("adult.data", "adult.test"):
        path = stage.clone / "data" / name
        head, *lines = lines_of(path.read_text(encoding="utf-8"))
        if name == "adult.data":
            head, lines = "", [head, *lines]
        rows = [line.split(",") for line in lines if line.strip()]
        fault(rows)
        path.unlink()  # a link into the cache, which must stay as it is
        path.write_text("\n".join([*([head] if head else []), *(",".join(row) for row in rows), ""]), "utf-8")
    stage.run("dvc", "add", "--quiet", "data")
    stage.run("dvc", "repro", "--quiet")
    stage.run("git", "add", "--all")
    stage.run("git", "commit", "--quiet", "--message", FAULTS[fault])


MADE = ("params.yaml", "data.dvc", "dvc.lock", "artifacts")
"""What newer data come with."""


def new_data(stage: Stage, branch: str) -> None:
    """Take newer data, and what the stages made of them, from a branch of the clone beside this one."""
    stage.run("git", "fetch", "--quiet", str(stage.place / "ahead" / "project"), branch)
    stage.run("git", "checkout", "--quiet", "FETCH_HEAD", "--", *MADE)
    stage.run("dvc", "checkout", "--quiet")
    stage.run("dvc", "push", "--quiet", "data.dvc")
    stage.run("git", "add", "--all")  # the store of data that lies in the repository among it
    stage.run("git", "commit", "--quiet", "--reuse-message", "FETCH_HEAD")


def ahead(stage: Stage) -> list[Future[str]]:
    """Put each fault into the first data beside everything else; return branches, once each is there.

    In a clone of its own that shares the cache: what the stages made there is at hand here.
    """
    beside = Stage(stage.place / "ahead")
    beside.place.mkdir()
    stage.run("git", "clone", "--quiet", "--no-tags", str(stage.clone), str(beside.clone))
    name_committer(beside)
    beside.run("dvc", "cache", "dir", "--local", str(stage.place / "cache"))

    def make(fault: Fault) -> str:
        beside.run("git", "checkout", "--quiet", "-b", fault.__name__, "origin/HEAD")
        beside.run("dvc", "checkout", "--quiet", "data.dvc")
        lighten(beside, LIGHTER)
        spoil(beside, fault)
        return fault.__name__

    pool = ThreadPoolExecutor(1)
    made = [pool.submit(make, fault) for fault in FAULTS]
    pool.shutdown(wait=False)
    return made


def release(stage: Stage) -> Path:
    """Make a release of what the clone holds, have it approved by both approvers, and return its folder."""
    before = {*(stage.clone / "releases").glob("*")}
    stage.run(sys.executable, "flows/release.py", "--costs", "no")
    (made,) = {*(stage.clone / "releases").glob(f"{NAME}-*")} - before
    until = (dt.datetime.now(tz=dt.UTC).date() + dt.timedelta(days=30)).isoformat()
    for what in (made.name, "--assessment"):
        with ThreadPoolExecutor(len(APPROVERS)) as both:
            list(both.map(partial(_approve, stage, what, until), APPROVERS))
    stage.run("git", "add", "--all")
    stage.run("git", "commit", "--quiet", "--message", f"Approve {made.name}")
    return made


def _approve(stage: Stage, what: str, until: str, who: str) -> None:
    """Let one approver sign."""
    stage.fairmark("approve", what, "--reason", "Shown in a demonstration.", "--expires", until, who=who)


class Caller:
    """Speaks to the service on one connection, with a key of its own.

    Parameters
    ----------
    address
        `http://host:port`.
    token
        The caller's key.
    """

    def __init__(self, address: str, token: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def ask(self, path: str, kind: "type[StructT]", value: object = None) -> "StructT":
        """Return what the service answers, as a struct of its own; what it refuses ends the demonstration.

        Raises
        ------
        SystemExit
            When it refuses.
        """
        from fairmark.serve.body import decoded

        body = None if value is None else json.dumps(value)
        self._connection.request("GET" if body is None else "POST", path, body, self._headers)
        with self._connection.getresponse() as found:
            text = found.read()
        if found.status != 200:
            raise SystemExit(f"{path}: answered {found.status}\n{text.decode()}")
        return decoded(text, kind)


Person = Mapping[str, str]


def people() -> list[Person]:
    """Return the rows of the published test file, as a form would send them: text, without blanks."""
    lines = lines_of((PLACE / "adult.test").read_text(encoding="utf-8"))[1:]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


FEATURES = (
    "age", "workclass", "education-num", "occupation", "capital-gain", "capital-loss", "hours-per-week",
)  # fmt: skip
NUMBERS = frozenset({"age", "education-num", "capital-gain", "capital-loss", "hours-per-week"})


def label(person: Person) -> int:
    """Return the label of a person: 1 for more than 50,000 dollars a year."""
    return int(person["income"].startswith(">"))


def form(person: Person) -> dict[str, object]:
    """Return what of a person the model is told: no protected attribute is among it."""
    cells = {name: person[name] for name in FEATURES if person[name] != "?"}
    return {name: int(cell) if name in NUMBERS else cell for name, cell in cells.items()}


@dataclass
class Traffic:
    """Sends people to the service, and their outcomes later.

    Parameters
    ----------
    caller
        Who asks.
    delay
        Batches until an outcome is known.
    """

    caller: Caller
    rows: Iterator[Person]
    delay: int = 4
    batch: int = 200
    _late: "deque[list[dict[str, object]]]" = field(default_factory=deque)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def send(self, batches: int = 1, change: Callable[[Person], Person] = lambda person: person) -> int:
        """Send batches of people, each once, and return how many were selected."""
        return sum(self._send(change) for _ in range(batches))

    def _send(self, change: Callable[[Person], Person]) -> int:
        from fairmark.serve.decision import Answers
        from fairmark.serve.paths import Done

        persons = [change(person) for person in itertools.islice(self.rows, self.batch)]
        rows = [form(person) for person in persons]
        subjects = [f"person-{next(self._number)}" for _ in persons]
        found = self.caller.ask("/v1/decide", Answers, {"rows": rows, "subjects": subjects}).decisions
        ids = [answer.id for answer in found]
        groups = [
            {"id": one, "attribute": name, "groups": {person[name]: 1.0}}
            for one, person in zip(ids, persons, strict=True)
            for name in ("sex", "race")
        ]
        self.caller.ask("/v1/membership", Done, {"memberships": groups})
        labels = [{"id": one, "label": label(person)} for one, person in zip(ids, persons, strict=True)]
        self._late.append(labels)
        if len(self._late) > self.delay:
            self.caller.ask("/v1/outcome", Done, {"outcomes": self._late.popleft()})
        return sum(answer.decision == 1 for answer in found)


@contextmanager
def service(stage: Stage, *options: str) -> Iterator[Caller]:
    """Start the service of production on a free port, and yield a caller; it ends with the block."""
    token = stage.fairmark(
        "serve", "--new-key", f"demo-{time.time_ns()}", "--scope", "decide,outcome,review,read,evidence"
    ).strip()
    words = [sys.executable, "-m", "fairmark.cli", "serve", "--stage", "production", "--clone", "."]
    with (stage.place / "service.log").open("a") as log:
        process = subprocess.Popen(
            [*words, "--port", "0", *options],
            cwd=stage.clone,
            env=stage.environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None  # noqa: S101 - the same
        try:
            line = process.stdout.readline()
            if " at http://" not in line:
                raise SystemExit((stage.place / "service.log").read_text(encoding="utf-8"))
            say(line.strip())
            yield Caller(line.rpartition(" at ")[2].strip(), token)
        finally:
            process.terminate()
            process.wait(60)


def canary(stage: Stage, release: Path, first: Callable[[Caller], None] = lambda _: None) -> None:
    """Try a release beside the one in production, on traffic, until the evidence ends it.

    Parameters
    ----------
    first
        What else a caller does, before there is a canary.
    """
    from fairmark.serve.paths import ReleaseAnswer

    say(f"canary of {release.name}: both models score everybody, then it answers a growing share")
    with service(stage, "--challenger", str(release)) as caller:
        first(caller)
        traffic = Traffic(caller, itertools.cycle(people()))
        words = [sys.executable, "flows/promote.py", "--release", release.name, "--look_s", "1"]
        flow = subprocess.Popen(
            words,
            cwd=stage.clone,
            env=stage.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert flow.stdout is not None  # noqa: S101 - the same
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(flow.stdout or ()), daemon=True)
        reader.start()
        sent = 0
        while flow.poll() is None:
            if caller.ask("/v1/release", ReleaseAnswer).canary["phase"] in {"off", "halted"}:
                time.sleep(1)  # before it has begun, and once it is over, no decision is evidence
            else:
                traffic.send()
                sent += traffic.batch
        reader.join()
        for line in said[-8:]:
            tell(f"          | {line.rstrip()}")
        say(f"the flow ended with {flow.returncode} after {sent:,} people: production is unchanged")


WEEKS, CHANGED = 10, 3
"""Weeks that pass before today, and how many of them, the last ones, are unlike the data of the release."""
A_WEEK = 600


def changed(person: Person) -> Person:
    """Return a person of a changed world: women with less schooling, and everybody with longer hours."""
    years = max(1, int(person["education-num"]) - 5 * (person["sex"] == "Female"))
    hours = min(99, int(person["hours-per-week"]) + 15)
    return {**person, "education-num": str(years), "hours-per-week": str(hours)}


async def weeks(stage: Stage, release: Path) -> None:
    """Let weeks of traffic pass at the desk of the service, by a clock of their own.

    A row's outcome comes two weeks after it was decided on.
    """
    from fairmark.serve.server import Settings, loaded, make_desk
    from fairmark.signing.key_store import key_in

    stage.fairmark("serve", "--new-key", "demo")
    os.environ.update(FAIRMARK_SUBJECT_KEY=SUBJECT_KEY)
    settings = Settings(
        key=key_in(stage.place / "keys" / "maker" / "key.pem").public,
        journal=stage.journal,
        memberships=stage.memberships,
        keys=stage.place / "callers.jsonl",
        champion=str(release),
    )
    desk = await make_desk(settings, loaded(settings, say))
    now, rows = time.time_ns() // 1000, itertools.cycle(people())
    # What the office knows of a person and the service is never told, for whoever learns from the decisions.
    unseen = [name for name in COLUMNS if name not in {*FEATURES, "sex", "race", "income"}]
    records = (stage.place / "records.csv").open("w", encoding="utf-8", newline="")
    writer = csv.writer(records)
    writer.writerow(["decision", *unseen])
    late: deque[list[tuple[str, int]]] = deque()
    try:
        for week in range(WEEKS):
            begins = now - (WEEKS - week) * 7 * DAY_US
            new = [changed(one) if week >= WEEKS - CHANGED else one for one in itertools.islice(rows, A_WEEK)]
            late.append(await _week(desk, new, begins))
            for (one, _), person in zip(late[-1], new, strict=True):
                writer.writerow([one, *(person[name] for name in unseen)])
            if len(late) > 2:
                await _outcomes(desk, late.popleft())
    finally:
        records.close()
        await desk.stop()


async def _week(desk: "Desk", new: Sequence[Person], begins_us: int) -> list[tuple[str, int]]:
    """Decide on the people of a week, a seventh of them each day; return decisions with their labels."""
    from fairmark.journal.memberships import Membership
    from fairmark.serve import cases

    labels = []
    for day, few in enumerate(_days(new)):
        desk.clock = partial(int, begins_us + day * DAY_US)
        asked = desk.router.reader.request(json.dumps({"rows": [form(person) for person in few]}).encode())
        ids = [answer.id for answer in await desk.decide(asked, "demo")]
        groups = [
            Membership(one, name, {person[name]: 1.0})
            for one, person in zip(ids, few, strict=True)
            for name in ("sex", "race")
        ]
        await cases.memberships(desk, groups)
        labels += [(one, label(person)) for one, person in zip(ids, few, strict=True)]
    return labels


def _days(new: Sequence[Person]) -> list[Sequence[Person]]:
    size = -(-len(new) // 7)
    return [new[start : start + size] for start in range(0, len(new), size)]


async def _outcomes(desk: "Desk", labels: Sequence[tuple[str, int]]) -> None:
    from fairmark.serve import cases

    await cases.outcomes(desk, labels, "demo")


Change = tuple[str, str]
NEARER: Sequence[Change] = (
    ("\n  trials: 20\n", "\n  trials: 6\n"),
    (
        "\n      strength: auto\n",
        "\n      strength: {type: float, low: 1.3, high: 1.5, log: false, grid: 2}\n",
    ),
    ("\n  finalists: {trials: 1, folds: 5, near: [0.92]}\n", "\n  finalists: null\n"),
)
"""Lines of params.yaml, with what stands in their place where a model is sought near the champion."""
LIGHTER: Sequence[Change] = (
    ("\n  replicates: 2000\n", "\n  replicates: 200\n"),
    ("\n    most_rows: 50000\n", "\n    most_rows: 4000\n"),
    ("\n    leading: 12\n", "\n    leading: 3\n"),
    ("\n    sizes: [0.05, 0.1, 0.25, 0.5, 1]\n", "\n    sizes: [0.25, 1]\n"),
    ("\n    history: [0.25, 0.5, 0.75, 1]\n", "\n    history: [0.5, 1]\n"),
    ("\n    missing_shares: [0.05, 0.2]\n", "\n    missing_shares: [0.2]\n"),
    ("\n    nudges: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]\n", "\n    nudges: [0.1, 1]\n"),
    ("\n  references: {groups: {}, strata: [education-num]}\n", "\n  references: null\n"),
    ("\n  sample: 1000\n", "\n  sample: 300\n"),
    (
        "\n  alternatives: {seed: 18, rivals: 2, refits: 2, resamples: 200, bands: 5}\n",
        "\n  alternatives: null\n",
    ),
    ("\n  stability: {seed: 19, refits: 3, rows: 500, most_rows: 50000}\n", "\n  stability: null\n"),
)
"""And where it is checked on fewer rows."""


def lighten(stage: Stage, changes: Sequence[Change]) -> None:
    """Change lines of params.yaml for what is made from now on: one looks on while a demonstration runs."""
    params = stage.clone / "params.yaml"
    text = params.read_text(encoding="utf-8")
    for before, after in changes:
        if text.count(before) != 1:
            raise SystemExit(
                f"params.yaml: must have the line {before.strip()} once, got {text.count(before)}"
            )
        text = text.replace(before, after)
    params.write_text(text, encoding="utf-8")


def contest(caller: Caller) -> None:
    """Let a person object to a decision with a mended input, and another person decide on the case."""
    from fairmark.serve.cases import Contested, Reviewed
    from fairmark.serve.decision import Answer

    wrong = next(filter(label, people()))
    told = {**form(wrong), "education-num": 3}
    answer = caller.ask("/v1/decide", Answer, {"row": told, "subject": "a-person"})
    say(f"decided {answer.decision}, score {answer.score:.3f} against a baseline of {answer.baseline:.3f}:")
    for reason in answer.reasons:
        tell(f"          | {reason.text or reason.feature} ({reason.feature}, {reason.effect:+.2f})")
    found = caller.ask(
        "/v1/contest",
        Contested,
        {
            "id": answer.id,
            "words": "My years of education are wrong.",
            "correction": {"education-num": form(wrong)["education-num"]},
        },
    )
    anew = found.redecision
    assert anew is not None  # noqa: S101 - a correction was sent
    say(f"objected to, due {found.due}; decided anew on the mended input: score {anew.score:.3f}")
    done = caller.ask(
        f"/v1/review/{found.case}",
        Reviewed,
        {"decision": 1, "reason": "the input was wrong", "words": ""},
    )
    say(f"a person decided {done.decision}: on record as {done.kind}")


def main() -> int:
    """Run the demonstration, and return 0."""
    say("a clone with keys of its own")
    set_up(stage := Stage(PLACE))
    with one_server(stage):
        play(stage)
    return 0


def play(stage: Stage) -> None:
    """Show a release from its making to the watch page, and two newer ones that are returned."""
    stage.run("dvc", "pull", "--quiet", "data.dvc")
    shutil.copyfile(stage.clone / "data" / "adult.test", PLACE / "adult.test")  # before a fault is put in
    stage.run("dvc", "repro", "--quiet")  # of the stages' outputs, what is not at hand is made
    if stage.run("git", "status", "--porcelain"):
        stage.run("git", "commit", "--quiet", "--all", "--message", "Run the stages")
    others = ahead(stage)
    champion = release(stage)
    say(f"released, approved by two: {champion.name}")
    stage.fairmark("promote", champion.name, "--to", "production", "--reason", "The first release.")
    lighten(stage, [*NEARER, *LIGHTER])
    stage.run("git", "commit", "--quiet", "--all", "--message", "Search and check less")
    say(f"in production; {WEEKS} weeks pass, the last {CHANGED} unlike the others")
    asyncio.run(weeks(stage, champion))
    for line in lines_of(stage.run(sys.executable, "flows/watch.py")):
        tell(f"          | {line}")
    say(f"branches: {stage.run('git', 'branch', '--list', 'candidate/*').split()}; nothing was promoted")
    for number, (made, message) in enumerate(zip(others, FAULTS.values(), strict=True)):
        new_data(stage, made.result())
        newer = release(stage)
        say(f"{newer.name} passed its gate, on data with a fault that it can't see: {message}")
        canary(stage, newer, *[] if number else [contest])
    page = stage.place / "watch.html"
    stage.run(
        sys.executable, "-m", "fairmark.cli", "watch", "--stage", "production", "--page", str(page),
        may_end=(0, 1),
    )  # fmt: skip
    stage.fairmark("journal", "--seal")
    tell(stage.fairmark("journal", "--check"))
    say("done")
    tell(f"open {page.relative_to(ROOT)}")
    tell(f"     {(champion / 'report.html').relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
