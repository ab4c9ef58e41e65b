"""Decisions a second of the service, its journal and checks on, beside peers with the same trees.

Run `python bench/serving.py RELEASE PUBLIC_KEY [SECONDS]`. One-row requests at 8 and 32 connections, requests
of 1,000 rows, and explanations. The peers: a bare ASGI handler around the native predictor (no check, no
journal: what HTTP and the trees cost), `mlflow models serve` with the release's own registered form, and
MLServer where FAIRMARK_BENCH_MLSERVER names a Python that has it. Beside them the median of one fdatasync on
the journal's disk: no service that writes before it answers is faster than connections over that.
"""

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httptools
import uvloop

from fairmark.data.reference import FeatureReference, Reference
from fairmark.serve.access import SCOPES, new_key

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
WARM_S = 1.0
STARTS_S = 120


@dataclass(frozen=True)
class Load:
    """One kind of request: where it goes, its bodies, and how many connections ask."""

    name: str
    port: int
    path: str
    bodies: Sequence[bytes]
    connections: int
    token: str = ""


@dataclass(frozen=True)
class Measured:
    """What came of a load: answers a second, latency quantiles in ms, CPU of the server a request in us."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    refused: int

    def line(self, name: str) -> str:
        """Return one line of the table."""
        refused = f"  {self.refused} refused" if self.refused else ""
        return (
            f"{name:<44} {self.rate:>9,.0f}/s  p50 {self.p50_ms:8.2f} ms  p99 {self.p99_ms:8.2f} ms"
            f"  CPU {self.cpu_us:9,.0f} us{refused}"
        )


class Asker(asyncio.Protocol):
    """One connection that asks, waits for the answer, and asks again."""

    def __init__(self, load: Load, number: int, until: float, times: list[float]) -> None:
        self.load, self.place, self.until, self.times = load, number, until, times
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Note how long it took, and ask again."""
        now = time.perf_counter()
        if self.parser.get_status_code() != 200:
            self.refused += 1
        self.times.append(now - self.began)
        if now >= self.until:
            self.transport.close()
        else:
            self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        body = self.load.bodies[self.place % len(self.load.bodies)]
        self.place += self.load.connections
        self.parser = httptools.HttpResponseParser(self)
        head = (
            f"POST {self.load.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"authorization: Bearer {self.load.token}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.began = time.perf_counter()
        self.transport.write(head.encode() + body)  # type: ignore[attr-defined]


async def _asked(load: Load, seconds: float) -> tuple[list[float], int, float]:
    times: list[float] = []
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    askers = []
    for number in range(load.connections):
        _, asker = await loop.create_connection(
            lambda number=number: Asker(load, number, began + seconds, times), "127.0.0.1", load.port
        )
        askers.append(asker)
    await asyncio.gather(*(asker.done for asker in askers))
    return times, sum(asker.refused for asker in askers), time.perf_counter() - began


def measure(load: Load, pids: Sequence[int], seconds: float) -> Measured:
    """Return what comes of a load that lasts so long, after a second to warm up."""
    uvloop.run(_asked(load, WARM_S))
    before = _cpu_s(pids)
    times, refused, lasted = uvloop.run(_asked(load, seconds))
    used = _cpu_s(pids) - before
    times.sort()
    return Measured(
        len(times) / lasted,
        1e3 * times[len(times) // 2],
        1e3 * times[min(len(times) - 1, int(0.99 * len(times)))],
        1e6 * used / len(times),
        refused,
    )


def _cpu_s(pids: Sequence[int]) -> float:
    """Return seconds of the processor that processes have used."""
    used = 0
    for pid in pids:
        with suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
    return used / TICK


def _family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found, pids = [pid], [pid]
    while pids:
        children: list[int] = []
        for each in pids:
            with suppress(OSError):
                children += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
        found += children
        pids = children
    return found


@contextmanager
def running(words: Sequence[str], port: int, log: Path, **environment: str) -> Iterator[list[int]]:
    """Yield the process ids of a server, once it listens; it ends with the block."""
    with log.open("w") as stream:
        process = subprocess.Popen(
            words,
            env=os.environ | environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            _wait(port, process, log)
            time.sleep(1)
            yield _family(process.pid)
        finally:
            pids = _family(process.pid)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import socket

    end = time.monotonic() + STARTS_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{log.name}: no server at {port}: {log.read_text()[-600:]}")


def _until_answered(port: int, path: str, body: bytes) -> None:
    """Wait until a server answers a request well."""
    import urllib.request

    end = time.monotonic() + STARTS_S
    while time.monotonic() < end:
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
        with suppress(OSError), urllib.request.urlopen(asked, timeout=30):  # noqa: S310 - of the loopback
            return
        time.sleep(0.5)
    raise RuntimeError(f"no answer at {path}")


def free_port() -> int:
    """Return a port that is free now."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def rows_of(release: Path) -> list[dict[str, object]]:
    """Return 2,000 raw rows, each feature drawn by itself as the reference counts train rows."""
    draw = random.Random(7)  # noqa: S311 - no secret
    reference = Reference.read(release / "reference.json")
    return [{each.name: _value(each, draw) for each in reference.features} for _ in range(2000)]


def _value(feature: FeatureReference, draw: random.Random) -> object:
    """Return a value of a bin or a category, by the train rows of its cell over the places that share it."""
    shared = [feature.cells.count(cell) for cell in feature.cells]
    weights = [feature.train[cell] / shared[place] for place, cell in enumerate(feature.cells)]
    (place,) = draw.choices(range(feature.bins), weights[: feature.bins])
    if feature.categories is not None:
        return feature.categories[place]
    edges = [feature.low or 0, *(feature.edges or ()), feature.high or 0]
    return draw.randint(int(edges[place]), max(int(edges[place]), int(edges[place + 1])))


def fdatasync_ms(folder: Path) -> float:
    """Return the median milliseconds of writing a row's worth to a file and waiting for the disk."""
    times = []
    with (folder / "probe").open("wb", buffering=0) as stream:
        for _ in range(300):
            began = time.perf_counter()
            stream.write(b"x" * 800)
            os.fdatasync(stream.fileno())
            times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def main(release: Path, key: Path, seconds: float) -> None:
    """Print a line for each load, and the ratios to the peers."""
    rows = rows_of(release)
    ones = [json.dumps({"row": row}).encode() for row in rows]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        place = Path(scratch)
        disk_ms = fdatasync_ms(place)
        print(f"one fdatasync: p50 {disk_ms:.2f} ms; load {os.getloadavg()[0]:.1f}; {seconds:g} s each")
        ours = _ours(release, key, place, rows, ones, seconds)
        bare = _bare(release, place, ones, seconds)
        mlflow = _mlflow(release, place, rows, seconds)
        served = _mlserver(release, place, rows, seconds)
    for connections in (8, 32):
        name = f"one row, {connections} connections"
        limit = min(bare[name], connections / disk_ms * 1e3)
        print(f"{name}: ours / min(bare, connections / fdatasync) = {ours[name] / limit:.2f}", end="")
        print(f"; ours / mlflow models serve = {ours[name] / mlflow[name]:.0f}", end="")
        print(f"; ours / MLServer = {ours[name] / served[name]:.1f}" if served else "")
    many = "1,000 rows, 2 connections"
    print(f"{many}: ours / mlflow models serve = {ours[many] / mlflow[many]:.1f}")


def _ours(
    release: Path, key: Path, place: Path, rows: list[dict[str, object]], ones: list[bytes], seconds: float
) -> dict[str, float]:
    port, keys = free_port(), place / "keys.jsonl"
    # Each load asks with a key of its own: how often one may ask is limited by the release's params.
    tokens = iter([new_key(keys, f"bench-{number}", SCOPES) for number in range(9)])
    words = [sys.executable, "-m", "fairmark.cli", "serve", str(release)]
    words += ["--key", str(key), "--port", str(port)]
    files = {"FAIRMARK_JOURNAL": "journal.db", "FAIRMARK_MEMBERSHIPS": "memberships.db"}
    environment = {name: str(place / file) for name, file in files.items()}
    environment |= {"FAIRMARK_SERVICE_KEYS": str(keys), "FAIRMARK_SUBJECT_KEY": "a secret of the bench"}
    found = {}
    with running(words, port, place / "ours.log", **environment) as pids:
        for load in _loads("/v1/decide", port, ones, next(tokens), next(tokens)):
            found[load.name] = _told("ours", load, pids, seconds)
        answers = uvloop.run(_answers(port, next(tokens), ones[:400]))
        print(f"  decided 1: {sum(answer['decision'] == 1 for answer in answers) / len(answers):.0%}")
        favourable = [body for body, answer in zip(ones, answers, strict=False) if not answer["reasons"]]
        if favourable:
            load = Load(
                "one row without reasons, 8 connections", port, "/v1/decide", favourable, 8, next(tokens)
            )
            _told("ours", load, pids, seconds)
        many = json.dumps({"rows": rows[:1000]}).encode()
        load = Load("1,000 rows, 2 connections", port, "/v1/decide", [many], 2, next(tokens))
        found[load.name] = _told("ours", load, pids, seconds)
        asked = [json.dumps({"id": answer["id"]}).encode() for answer in answers]
        load = Load("explanation, 8 connections", port, "/v1/explain", asked, 8, next(tokens))
        _told("ours", load, pids, seconds)
    return found


async def _answers(port: int, token: str, bodies: Sequence[bytes]) -> list[dict[str, object]]:
    import urllib.request

    def ask(body: bytes) -> dict[str, object]:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/decide", body, headers)
        with urllib.request.urlopen(asked) as found:  # noqa: S310 - of the loopback
            answer: dict[str, object] = json.load(found)
            return answer

    return [await asyncio.to_thread(ask, body) for body in bodies]


def _loads(path: str, port: int, ones: list[bytes], *tokens: str) -> list[Load]:
    return [
        Load(f"one row, {connections} connections", port, path, ones, connections, token)
        for connections, token in zip((8, 32), tokens or ("", ""), strict=True)
    ]


def _told(who: str, load: Load, pids: list[int], seconds: float) -> float:
    found = measure(load, pids, seconds)
    print(found.line(f"{who}: {load.name}"), flush=True)
    return found.rate


def _bare(release: Path, place: Path, ones: list[bytes], seconds: float) -> dict[str, float]:
    port = free_port()
    words = [sys.executable, str(HERE / "sides" / "bare_handler.py"), str(release), str(port)]
    with running(words, port, place / "bare.log") as pids:
        return {load.name: _told("bare handler", load, pids, seconds) for load in _loads("/", port, ones)}


def _mlflow(release: Path, place: Path, rows: list[dict[str, object]], seconds: float) -> dict[str, float]:
    sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))
    from served_model import load_served

    folder = place / "mlflow"
    folder.mkdir()
    shutil.copytree(release / "model", folder / "model")
    for name in ("schema.json", "params.yaml"):
        shutil.copy(release / name, folder)
    load_served(folder)
    port = free_port()
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "saved"), "-p", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ones = [json.dumps({"dataframe_records": [row]}).encode() for row in rows]
    found = {}
    with running([*words, "--env-manager", "local"], port, place / "mlflow.log", PATH=path) as pids:
        _until_answered(port, "/invocations", ones[0])  # its workers listen before they have loaded
        for load in _loads("/invocations", port, ones):
            found[load.name] = _told("mlflow models serve", load, _family(pids[0]), seconds)
        many = [json.dumps({"dataframe_records": rows[:1000]}).encode()]
        load = Load("1,000 rows, 2 connections", port, "/invocations", many, 2)
        found[load.name] = _told("mlflow models serve", load, _family(pids[0]), seconds)
    return found


def _mlserver(release: Path, place: Path, rows: list[dict[str, object]], seconds: float) -> dict[str, float]:
    python = os.environ.get("FAIRMARK_BENCH_MLSERVER")
    if python is None:
        print("MLServer: not measured, FAIRMARK_BENCH_MLSERVER names no Python that has it")
        return {}
    folder, port = place / "mlserver", free_port()
    folder.mkdir()
    shutil.copy(HERE / "peers" / "mlserver_trees.py", folder)
    shutil.copy(release / "model" / "booster.txt", folder)
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = ports | {"parallel_workers": 0}
    (folder / "settings.json").write_text(json.dumps(settings | {"host": "127.0.0.1", "debug": False}))
    model = {"name": "trees", "implementation": "mlserver_trees.Trees"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    names = json.loads((release / "model" / "encoder.json").read_text())["columns"]
    ones = [json.dumps(_tensor(row, names)).encode() for row in rows]
    words = [str(Path(python).parent / "mlserver"), "start", str(folder)]
    with running(words, port, place / "mlserver.log", PYTHONPATH=str(folder)) as pids:
        _until_answered(port, "/v2/models/trees/infer", ones[0])
        loads = _loads("/v2/models/trees/infer", port, ones)
        return {load.name: _told("MLServer", load, pids, seconds) for load in loads}


def _tensor(row: dict[str, object], columns: list[dict[str, object]]) -> dict[str, object]:
    """Return a row as the numbers that the trees read: MLServer's side pays for no reading of texts."""
    numbers = []
    for column in columns:
        value, categories = row[str(column["name"])], column["categories"]
        listed = isinstance(categories, list)
        numbers.append(categories.index(value) if listed and value in categories else value)
    flat = [each if isinstance(each, int | float) else -1 for each in numbers]
    return {"inputs": [{"name": "x", "shape": [1, len(flat)], "datatype": "FP64", "data": flat}]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 5.0)
