"""A person sees each step with its seconds and, while it runs, about how long is left."""

import io
import json
import logging
from pathlib import Path

import pytest

from flows import console
from flows.console import Progress, Terminal, left_s, spoken


@pytest.fixture(autouse=True)
def _timings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "TIMINGS", tmp_path / "state" / "timings.json")


def test_what_is_left_is_the_rest_of_this_step_and_all_after_it() -> None:
    assert left_s({"a": 10, "b": 4}, ["b"], "a", 7) == 7
    assert left_s({"a": 10, "b": 4}, ["b"], "a", 12) == 4


def test_a_step_that_never_ran_is_taken_for_a_mean_one() -> None:
    assert left_s({"a": 10, "b": 4}, ["new", "b"], "a", 0) == 10 + 7 + 4


def test_nothing_is_foretold_before_the_first_run() -> None:
    assert left_s({}, ["b"], "a", 1) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99.4, "99 s"), (125, "2 min 05 s")],
)
def test_a_duration_is_spoken_as_a_person_would(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


def test_each_step_ends_with_a_line_and_its_seconds_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Progress(["train", "document"])
    with steps.step("train"):
        console.say("one line")
    with steps.step("document") as step:
        step.note = "version 1"

    assert capsys.readouterr().out == "    one line\n1/2 train    0.0 s\n2/2 document version 1, 0.0 s\n"
    assert json.loads(console.TIMINGS.read_text()) == {"train": 0.0, "document": 0.0}


def test_a_step_with_nothing_to_do_tells_nothing_of_the_next_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(["train"]).step("train") as step:
        step.note, step.idle = "up to date", True

    assert capsys.readouterr().out == "1/1 train up to date\n"
    assert not console.TIMINGS.exists()


def test_a_step_that_failed_has_no_line_and_no_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), Progress(["train"]).step("train"):
        raise ValueError("x")

    assert capsys.readouterr().out == ""
    assert not console.TIMINGS.exists()


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": "x"}'])
def test_spoilt_timings_are_no_reason_to_stop(text: str) -> None:
    console.TIMINGS.parent.mkdir()
    console.TIMINGS.write_text(text)

    assert Progress(["a"]).total() == "0.0 s"


def test_a_terminal_shows_a_bar_below_the_lines_and_wipes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", screen)
    console.TIMINGS.parent.mkdir()
    console.TIMINGS.write_text('{"a": 30, "b": 10}')
    with Progress(["a", "b"]).step("a"):
        console.say("one line")

    assert "a 0.0 s, about 40 s left" in screen.getvalue()
    assert "    one line\n" in screen.getvalue()
    assert screen.getvalue().endswith("\033[2K1/2 a 0.0 s\n")  # the bar's own line is erased before


def test_a_first_run_foretells_from_what_the_default_data_took(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", screen)
    with Progress(["prepare", "train"]).step("prepare"):
        pass

    assert "prepare 0.0 s, about 9.0 s left" in screen.getvalue()


def test_a_reader_that_left_stops_no_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Left:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            said.append(text)
            raise BrokenPipeError

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return False

    handler = Terminal()
    for stream in (Left(), None):
        monkeypatch.setattr("sys.stdout", stream)
        handler.emit(logging.LogRecord("fairmark", logging.INFO, "", 0, "a line", (), None))
        with handler.bar(lambda: "a bar"):
            pass

    assert said
