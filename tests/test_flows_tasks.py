"""Whatever a task or a flow raises, Prefect is given no secret to keep."""

import re
import subprocess
from pathlib import Path

import pytest

from fairmark.errors import StateError, UnforeseenError, without_secret
from flows.audited import audited, task

pytest_plugins = ("flows_fixtures",)
SECRET = "hunter2-Zq9xKfLm"  # noqa: S105
ADDRESS = f"postgresql://u:{SECRET}@h/db"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as found:  # noqa: BLE001
        return found


@pytest.mark.parametrize(
    "error",
    [
        ValueError(ADDRESS),
        KeyError(ADDRESS),
        OSError(2, "no such file", ADDRESS),
        subprocess.CalledProcessError(1, ["git", "fetch", f"https://x:{SECRET}@h/r"]),
        raised(ValueError("odd"), RuntimeError(f"AWS_SECRET_ACCESS_KEY={SECRET}")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_another_program_loses_the_secret_and_keeps_its_kind(error: BaseException) -> None:
    found = without_secret(error)

    assert isinstance(found, UnforeseenError)
    assert SECRET not in f"{found} {found!r} {found.args} {found.__cause__} {found.__context__}"
    assert str(found).startswith(f"{type(error).__name__}: ")


@pytest.mark.parametrize("error", [ValueError("odd"), StateError("a: must hold"), KeyboardInterrupt()])
def test_an_error_without_a_secret_stays_what_it_is(error: BaseException) -> None:
    assert without_secret(error) is error


def test_a_task_gives_prefect_none() -> None:
    @task()
    def connect() -> None:
        raise ValueError(ADDRESS)

    with pytest.raises(UnforeseenError, match=r"^ValueError: postgresql://u:\*\*\*@h/db$") as found:
        connect.fn()
    assert found.value.__suppress_context__


def test_a_flow_gives_prefect_none(tmp_path: Path) -> None:
    @audited(lambda: tmp_path, needed=False)
    def connecting() -> None:
        raise ValueError(ADDRESS)

    with pytest.raises(UnforeseenError, match=r"^ValueError: postgresql://u:\*\*\*@h/db$") as found:
        connecting()
    assert found.value.__suppress_context__


def test_every_task_of_a_flow_is_such_a_one() -> None:
    flows = [path for path in (Path(__file__).parents[1] / "flows").glob("*.py") if path.name != "tasks.py"]

    assert [
        path.name for path in flows if re.search(r"from prefect import .*\btask\b", path.read_text())
    ] == []
