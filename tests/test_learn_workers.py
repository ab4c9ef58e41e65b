"""The environment says where trials run."""

import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from fairmark.errors import UsageError
from fairmark.learn.workers import Here, workers


def test_one_worker_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_WORKERS", "1")

    with workers() as executor:
        assert isinstance(executor, Here)
        assert executor.submit(os.getpid).result() == os.getpid()


def test_what_is_raised_here_is_raised_by_the_result() -> None:
    future = Here().submit(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        future.result()


@pytest.mark.slow
def test_more_workers_are_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_WORKERS", "2")

    with workers() as executor:
        assert isinstance(executor, ProcessPoolExecutor)
        assert executor.submit(os.getpid).result() != os.getpid()


@pytest.mark.parametrize("count", ["0", "-1", "many", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setenv("FAIRMARK_WORKERS", count)

    with (
        pytest.raises(UsageError, match=f"FAIRMARK_WORKERS: must be a whole number above 0, got '{count}'"),
        workers(),
    ):
        pass


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_DASK_SCHEDULER", "nowhere://x")

    with pytest.raises(UsageError, match="FAIRMARK_DASK_SCHEDULER: must be a scheduler's address"), workers():
        pass
