"""The flows as a person and a scheduler run them: real processes, with no server and with a real one."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from flows_repo import FLOWS, ROOT, asleep, commit, edit, eventually, gone, living, nap
from prefect_server import Server

pytest_plugins = ("flows_fixtures",)
pytestmark = [pytest.mark.server, pytest.mark.slow]

DVC = str(Path(sys.executable).with_name("dvc"))
# Nobody listens there. A proxy that a company's machines all have must not stand before their own addresses.
DEAD_PROXY = dict.fromkeys(("HTTP_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def server(prefect_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(shutil.copytree(prefect_home, tmp_path_factory.mktemp("server") / "prefect"))
    with server.serving():
        yield server


def slow_stage(repo: Path, what: str) -> None:
    """Let the first stage do `what` before it ends."""
    edit(repo / "dvc.yaml", "echo trained", what)


def flow(name: str) -> tuple[str, str]:
    return sys.executable, str(FLOWS / f"{name}.py")


def lines_until(process: "subprocess.Popen[str]", last: str) -> str:
    """Return what a process says up to the line `last`."""
    said: list[str] = []
    assert process.stdout is not None
    while not said or said[-1].strip() != last:
        said.append(process.stdout.readline())
        assert said[-1], said
    return "".join(said)


def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_without_a_server_a_flow_starts_one_says_nothing_of_it_and_leaves_none(
    repo: Path, prefect_home: Path
) -> None:
    shutil.copytree(prefect_home, repo / ".prefect")
    slow_stage(repo, "echo from the stage")
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PREFECT")}
    environment |= {"FAIRMARK_HOME": str(repo), "HOME": str(repo.parent), **DEAD_PROXY}
    done = subprocess.run(
        flow("retrain"), env=environment, capture_output=True, text=True, timeout=600, check=False
    )

    assert done.stderr == ""
    assert done.returncode == 0
    assert "    from the stage\n2/4 train " in done.stdout
    with closing(sqlite3.connect(repo / ".prefect" / "prefect.db")) as database:
        assert database.execute("SELECT state_type FROM flow_run").fetchall() == [("COMPLETED",)]
    assert gone(f"FAIRMARK_HOME={repo}")


def test_a_fault_ends_a_flow_with_its_plain_text_and_code(server: Server, repo: Path) -> None:
    slow_stage(repo, "echo no such column >&2 && exit 1")
    code, out, err = finished(server.start(*flow("retrain"), FAIRMARK_HOME=str(repo), **DEAD_PROXY))

    assert code == 1
    assert "    no such column\n" in out
    assert err.startswith("retrain stopped:\n  stage train: must end well, got\n    no such column\n")
    assert "Traceback" not in out + err
    assert "no such column" in server.runs("FAILED")[0]["state"]["message"]


def test_a_release_of_a_dirty_tree_is_refused_in_plain_words(server: Server, repo: Path) -> None:
    (repo / "params.yaml").write_text("")
    code, _, err = finished(server.start(*flow("release"), "--version", "v0.1.0", FAIRMARK_HOME=str(repo)))

    assert (code, err.splitlines()[0]) == (1, "release stopped:")
    assert "got changes in params.yaml" in err


def test_a_server_that_does_not_answer_is_named(repo: Path) -> None:
    away = Server(repo)
    code, _, err = finished(
        away.start(*flow("retrain"), FAIRMARK_HOME=str(repo), PREFECT_CLIENT_MAX_RETRIES="0")
    )

    assert code == 1
    assert f"Prefect server: must answer at {away.api}, got" in err
    assert "Traceback" not in err


def test_a_stage_that_another_process_holds_is_waited_for(server: Server, repo: Path) -> None:
    slow_stage(repo, "touch running && until test -e go; do sleep 0.1; done")
    with (
        subprocess.Popen([DVC, "repro", "-q", "-s", "train"], cwd=repo) as other,
        server.start(*flow("retrain"), FAIRMARK_HOME=str(repo)) as process,
    ):
        said = lines_until(process, "trying again")
        (repo / "go").touch()
        assert other.wait(240) == 0
        out, _ = process.communicate(timeout=240)

    assert process.returncode == 0
    assert "must have DVC to itself" in said
    assert "every stage is up to date after" in out


def test_a_killed_flow_leaves_no_stage_behind(server: Server, repo: Path) -> None:
    slow_stage(repo, f"echo up && {nap(7441)}")
    with server.start(*flow("retrain"), FAIRMARK_HOME=str(repo)) as process:
        lines_until(process, "up")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=240)

    assert process.returncode == 128 + signal.SIGTERM
    assert gone(asleep(7441))


def test_the_verdict_and_the_report_stand_in_prefect(server: Server, repo: Path) -> None:
    program = (
        "from flows import release\n"
        "from types import SimpleNamespace as N\n"
        "from prefect import flow\n"
        "verdict = N(state='fail', stands_on=(), deciding=[('', N(findings=[]))])\n"
        "flow(lambda: release.show(verdict, 'loans'), name='show')()\n"
    )
    extra = {"PYTHONPATH": str(ROOT), "FAIRMARK_HOME": str(repo)}
    code, _, err = finished(server.start(sys.executable, "-c", program, **extra))

    assert (code, err) == (0, "") or "Error" not in err
    found = {artifact["key"]: artifact for artifact in server.ask("artifacts/filter")}
    assert found["loans-verdict"]["description"] == "Verdict: fail"
    assert "artifacts/document/report.html" in found["loans-report"]["data"]


# The words of `prefect` one after another, in one process: each new one imports Prefect for two seconds.
PREFECTS = """
import shlex, sys
from prefect.cli import app
for words in [*sys.argv[1:]]:
    sys.argv[1:] = ["--no-prompt", *shlex.split(words)]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.fixture(scope="module")
def deployed(server: Server) -> Server:
    """Return the server, told what docs/flows.md says before a worker is started."""
    told = (
        "work-pool create fairmark --type process --overwrite",
        "work-pool set-concurrency-limit fairmark 1",
        "deploy --all",
    )
    code, out, err = finished(server.start(sys.executable, "-c", PREFECTS, *told))
    assert code == 0, out + err
    assert all(each in out for each in ("Created work pool", "Set concurrency limit", "retrain/weekly")), out
    return server


def ask_for_a_run(server: Server) -> str:
    """Ask for a run of the deployment retrain/weekly, as `prefect deployment run` does, and return its id."""
    (weekly,) = (each for each in server.ask("deployments/filter") if each["name"] == "weekly")
    return str(server.ask(f"deployments/{weekly['id']}/create_flow_run")["id"])


def messages(server: Server) -> list[str]:
    """Return the lines of the log that runs have sent."""
    return [log["message"] for log in server.ask("logs/filter", limit=200)]


def with_flows(repo: Path) -> None:
    """Put the flows into a worker's working copy."""
    shutil.copytree(FLOWS, repo / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    commit(repo)


def test_the_deployments_are_scheduled(deployed: Server) -> None:
    # An SQLAlchemy that Prefect can't insert scheduled runs with fails silently: nothing would ever run.
    assert eventually(lambda: deployed.runs("SCHEDULED"), 240, every_s=0.5)


def test_a_worker_runs_the_next_one_though_one_was_killed_with_its_run(deployed: Server, repo: Path) -> None:
    server = deployed
    slow_stage(repo, f"touch running && {nap(7461)}")
    with_flows(repo)
    worker = (sys.executable, str(repo / "flows" / "worker.py"))
    with server.start(*worker, FAIRMARK_HOME=str(repo), **DEAD_PROXY) as first:
        ask_for_a_run(server)
        assert eventually((repo / "running").exists, 240, every_s=0.2)
        for pid in {first.pid, *living(f"FAIRMARK_HOME={repo}")}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        first.communicate()
    assert [run["state_name"] for run in server.runs("RUNNING")] == ["Running"]

    edit(repo / "dvc.yaml", f" && {nap(7461)}", "")
    with server.start(*worker, FAIRMARK_HOME=str(repo), **DEAD_PROXY) as second:
        asked = ask_for_a_run(server)
        # Each question costs the server about as much as a step of the run does.
        ended = eventually(lambda: server.state(asked) == "COMPLETED", 240, every_s=0.5)
        # Its last lines are sent after its state; a worker that is stopped before would end it.
        logged = eventually(lambda: "4/4 document up to date" in messages(server), 240, every_s=0.5)
        second.send_signal(signal.SIGINT)
        said, _ = second.communicate(timeout=240)

    assert "was killed together with its worker: it is set to Crashed" in said
    assert ended, said
    assert logged, messages(server)
    assert server.runs("RUNNING") == []
