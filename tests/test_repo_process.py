"""A child's lines come as they are written, and no child outlives who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flows_repo import asleep, eventually, gone, living, nap

from fairmark.errors import StateError
from fairmark.repo import process
from fairmark.repo.process import need, run

ROOT = Path(__file__).parents[1]
LASTING = "import subprocess, sys; print('on', flush=True); subprocess.run('{nap}'.split())"


def two(seconds: int) -> list[str]:
    """Return a command that starts a child of its own, and sleeps as long as that does."""
    return ["sh", "-c", f"{nap(seconds)} & echo up; {nap(seconds)}"]


def test_lines_of_both_streams_come_in_order_and_the_code_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    ended = process.run(
        ["sh", "-c", "echo one; echo two >&2; printf 'three\\rfour'; exit 7"], tmp_path, said.append
    )

    assert ended == process.Ended(7, ["one", "two", "three", "four"])
    assert said == ended.lines


def test_a_line_comes_before_the_child_has_ended(tmp_path: Path) -> None:
    # The child ends when its line was heard, and would else be ended for taking too long.
    script = "echo early; until test -e heard; do sleep 0.05; done"
    ended = process.run(["sh", "-c", script], tmp_path, lambda _: (tmp_path / "heard").touch(), limit_s=120)

    assert ended == process.Ended(0, ["early"])


def test_bytes_that_are_no_text_do_not_stop_the_flow(tmp_path: Path) -> None:
    assert process.run(["printf", "\\377x\\n"], tmp_path).lines == ["\N{REPLACEMENT CHARACTER}x"]


def test_the_programs_of_this_python_are_found_first(tmp_path: Path) -> None:
    found = process.run(["sh", "-c", "command -v python"], tmp_path).lines

    assert found == [str(Path(sys.executable).parent / "python")]


def test_an_early_end_of_the_flow_ends_the_whole_group(tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run(two(7411), tmp_path, interrupt)

    assert gone(asleep(7411))


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="must end within 1 s, got one that still ran"):
        process.run(two(7412), tmp_path, limit_s=1)

    assert gone(asleep(7412))


@pytest.mark.parametrize("limit_s", [0.3, 1.2])
def test_a_child_that_closes_its_output_and_goes_on_is_ended_in_time(tmp_path: Path, limit_s: float) -> None:
    command = ["sh", "-c", f"echo said; exec >&- 2>&-; {nap(7415)}"]
    with pytest.raises(StateError, match="got one that still ran"):
        process.run(command, tmp_path, limit_s=limit_s)

    assert gone(asleep(7415))


def test_a_child_that_closes_its_output_early_ends_with_its_own_code(tmp_path: Path) -> None:
    ended = process.run(["sh", "-c", "echo said; exec >&- 2>&-; sleep 0.7; exit 6"], tmp_path)

    assert ended == process.Ended(6, ["said"])


def test_a_leader_killed_from_outside_takes_its_group_along(tmp_path: Path) -> None:
    command = ["sh", "-c", f"{nap(7413)} & echo $$; {nap(7413)}"]
    ended = process.run(command, tmp_path, lambda line: os.kill(int(line), signal.SIGKILL))

    assert ended.code == -signal.SIGKILL
    assert gone(asleep(7413))


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.2)
    with pytest.raises(StateError, match="must end within"):
        process.run(["sh", "-c", f"trap '' TERM; {nap(7414)}; {nap(7414)}"], tmp_path, limit_s=0.3)

    assert gone(asleep(7414))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_flow_that_is_killed_leaves_no_orphan(tmp_path: Path, number: int) -> None:
    marker = 7420 + number
    program = (
        "import signal, sys, pathlib\n"
        "from fairmark.repo import process as child\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        # A shell that starts tests in the background has them ignore Ctrl-C, and what they start as well.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"child.run({two(marker)!r}, pathlib.Path('.'), lambda line: print(line, flush=True))\n"
    )
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as flow:
        assert flow.stdout is not None
        assert flow.stdout.readline() == b"up\n"
        flow.send_signal(number)
        flow.communicate(timeout=120)

    assert flow.returncode != 0
    assert gone(asleep(marker))


def test_it_ends_with_its_own_code_and_all_its_lines(tmp_path: Path) -> None:
    said: list[str] = []
    ended = run(["sh", "-c", "pwd; echo $A >&2; exit 7"], tmp_path, said.append, {"A": "b"})

    assert (ended.code, ended.lines) == (7, [str(tmp_path), "b"])
    assert said == ended.lines


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"it: must end well, got\n  no-such: No such file"):
        need(run, "it: must end well", ["no-such"], tmp_path)


def test_an_error_on_the_way_ends_the_program_and_its_children(tmp_path: Path) -> None:
    def refuse(_: str) -> None:
        raise KeyboardInterrupt

    words = [sys.executable, "-c", LASTING.format(nap=nap(7416))]
    with pytest.raises(KeyboardInterrupt):
        run(words, tmp_path, refuse)

    assert gone(asleep(7416))


def test_killed_it_leaves_nothing_running(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from fairmark.repo.process import run
run([{sys.executable!r}, "-c", {LASTING.format(nap=nap(7417))!r}], Path({str(tmp_path)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as killed:
        assert eventually(lambda: living(asleep(7417)))
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()

    assert gone(nap(7417))  # the word of the one between
    assert gone(asleep(7417))


def test_what_is_run_is_given_no_way_to_the_users_key_and_no_other_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FAIRMARK_KEY", "FAIRMARK_KEY_PASSWORD", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, "secret")

    assert "secret" not in "\n".join(run(["env"], tmp_path).lines)
