"""No test hangs on what another run may have otherwise: a random draw, the load of the machine, a port.

One test of thousands that fails once in sixteen times, or on a busy machine, refuses a sound change.
"""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEXTS = {
    path.relative_to(HERE).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*HERE.glob("*.py"), *HERE.glob("helpers/*.py")])
    if path != Path(__file__)
}
LEAST_S = 60


def found(pattern: str) -> list[str]:
    """Return the file and the line of each match."""
    return [
        f"{name}: {match[0].strip()}"
        for name, text in TEXTS.items()
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]


@pytest.mark.parametrize(
    "drawn",
    [
        r"\bos\.urandom\(",
        r"\bsecrets\.\w+\(",
        r"\buuid[14]\(",
        r"\bdefault_rng\(\)",
        r"\brandom\.(?:random|randint|randrange|choice|choices|sample|uniform)\(",
    ],
)
def test_nothing_is_drawn_that_the_next_run_does_not_draw_again(drawn: str) -> None:
    assert found(drawn) == []


def test_no_test_asserts_how_long_something_took_by_the_clock_on_the_wall() -> None:
    # Processor time may be asserted, where what must not happen takes many times as much.
    assert found(r"^ *assert .*\b(?:monotonic|perf_counter|time\.time)\(\) - .*") == []


def test_whoever_waits_waits_long_enough_for_a_busy_machine() -> None:
    short = [
        each
        for each in found(r"\b(?:(?:timeout|within_s)=|\.(?:wait|communicate)\()[0-9._]+")
        if float(re.split(r"[=(]", each)[-1]) < LEAST_S
    ]

    assert short == []


def test_ports_are_chosen_at_one_place() -> None:
    # A port that was free when it was asked for, of those that systems give away, may soon be another's.
    assert {each.partition(":")[0] for each in found(r"\.bind\(\(.*")} == {"helpers/ports.py"}


def test_the_ids_of_a_test_are_those_of_its_last_run(request: pytest.FixtureRequest) -> None:
    import random

    from fairmark.journal.entry import new_id

    again = random.Random(request.node.nodeid)  # noqa: S311 - the draw of conftest.py
    assert new_id() == again.randbytes(16).hex()


def test_no_two_files_of_tests_share_a_name() -> None:
    names = [path.name for path in HERE.rglob("test_*.py")]

    assert sorted(set(names)) == sorted(names)
