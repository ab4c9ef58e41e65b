"""`tune` and `train` write what they declare: the same bytes wherever they run, however often stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from flows_repo import eventually
from people_table import TRAIN, limit, policy, written
from search_formula import TUNE

from fairmark.data.split import read_parts
from fairmark.entry import option_names
from fairmark.errors import InputError, ParamsError
from fairmark.files import read_json
from fairmark.learn.fit import fitted
from fairmark.learn.training_data import ready
from fairmark.model.model import Model, digest
from fairmark.params.learn import Chosen, Tune
from fairmark.params.parse import read_yaml, section, typed
from fairmark.stages.train import train
from fairmark.stages.tune import tune

ROOT = Path(__file__).parents[1]
POLICY = policy(limit("selection_rate_ratio", "side", at_least=0.6), limit("roc_auc", None, at_least=0.6))
SMALL = TUNE | {
    "trials": 8,
    "sampler": "tpe",
    "pruning": {"rungs": [2, 6], "quality": 0.0, "fairness": 1.0},
    "finalists": {"trials": 1, "folds": 3, "near": [0.9]},
}
OUTPUTS = ("tuned.yaml", "trials.csv", "summary.json")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    return written(tmp_path_factory.mktemp("people"), 2000)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _one_worker(monkeypatch, tmp_path / "state")


def _one_worker(patch: pytest.MonkeyPatch, state: Path) -> None:
    patch.setenv("FAIRMARK_STATE", str(state))
    patch.setenv("FAIRMARK_WORKERS", "1")
    patch.delenv("FAIRMARK_DASK_SCHEDULER", raising=False)


def tuned(paths: tuple[Path, ...], out: Path, **changes: Any) -> dict[str, bytes]:
    search = typed(Tune, SMALL | changes, "tune")
    tune(*paths, *(out / name for name in OUTPUTS), search, TRAIN, POLICY)  # type: ignore[call-arg,arg-type]
    return bytes_of(out)


@pytest.fixture(scope="module")
def searched(paths: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the outputs of one search in this process, never to be written to."""
    out = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        _one_worker(patch, tmp_path_factory.mktemp("state"))
        tuned(paths, out)
    return out


def bytes_of(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in OUTPUTS}


def test_tune_twice_gives_the_same_bytes(paths: tuple[Path, ...], searched: Path, tmp_path: Path) -> None:
    assert tuned(paths, tmp_path / "two") == bytes_of(searched)
    # And leaves nothing else behind.
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(OUTPUTS)


def test_tune_writes_a_params_file_of_train(searched: Path) -> None:
    summary, table = read_json(searched / "summary.json"), pd.read_csv(searched / "trials.csv")

    best = chosen_in(searched / "tuned.yaml")

    row = table[table["chosen"]].iloc[0]
    assert (best.family, summary["chosen"]) == (row["family"], row["number"])
    assert len(table) == summary["trials"] == 10
    assert (searched / "tuned.yaml").read_text().startswith("# Written by the stage tune")


def test_a_search_in_which_nothing_can_be_fitted_says_why_and_writes_nothing(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    families = {"boosted": {"num_leaves": {"type": "choice", "values": [1]}}}

    with pytest.raises(InputError, match=r"tune: tune.families.boosted: must be settings of LightGBM"):
        tuned(paths, tmp_path / "out", families=families, mitigation=[])

    assert not (tmp_path / "out").exists()


def chosen_in(tuned_file: Path) -> Chosen:
    return section(Chosen, read_yaml(tuned_file), tuned_file.name)


def trained(paths: tuple[Path, ...], tuned_file: Path, out: Path) -> tuple[str, bytes]:
    ends = out / "model", out / "summary.json"
    train(*paths, chosen_in(tuned_file), *ends, TRAIN, POLICY)  # type: ignore[call-arg,arg-type]
    return digest(out / "model"), (out / "summary.json").read_bytes()


def test_train_twice_gives_the_same_bytes(paths: tuple[Path, ...], searched: Path, tmp_path: Path) -> None:
    one, two = (trained(paths, searched / "tuned.yaml", tmp_path / name) for name in "ab")

    assert one == two


def test_train_makes_the_model_that_the_search_has_measured(
    paths: tuple[Path, ...], searched: Path, tmp_path: Path
) -> None:
    trained(paths, searched / "tuned.yaml", tmp_path)
    summary, table = read_json(tmp_path / "summary.json"), pd.read_csv(searched / "trials.csv")
    best = table[table["chosen"]].iloc[0]

    assert summary["threshold"] == best["threshold"] == Model.load(tmp_path / "model").threshold
    assert summary["valid"]["roc_auc"] == pytest.approx(best["roc_auc"], abs=0.05)
    assert summary["family"] == best["family"]


def test_without_finalists_train_measures_what_the_search_has_measured(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    tuned(paths, tmp_path, finalists=None)
    trained(paths, tmp_path / "tuned.yaml", tmp_path)
    table, summary = pd.read_csv(tmp_path / "trials.csv"), read_json(tmp_path / "summary.json")
    best = table[table["chosen"]].iloc[0]

    assert summary["valid"]["accuracy"] == pytest.approx(best["accuracy"])
    assert summary["valid"]["roc_auc"] == pytest.approx(best["roc_auc"])


def test_some_trials_of_this_search_are_given_up(searched: Path) -> None:
    assert "pruned" in set(pd.read_csv(searched / "trials.csv")["state"])


# ------------------------------------------------------------------ from outside: workers, a kill, a cluster


def params_file(folder: Path, **changes: Any) -> Path:
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    whole["prepare"]["protected"] = {"side": {"by": "column", "column": "side"}}
    whole |= {"tune": SMALL | changes, "train": TRAIN.model_dump(), "policy": POLICY.model_dump()}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def command(paths: tuple[Path, ...], out: Path, **changes: Any) -> list[str]:
    ends = [str(out / name) for name in OUTPUTS]
    given = [str(params_file(out.parent, **changes)), *map(str, paths), *ends]
    named = [f"--{name}" for name in option_names(tune)]
    return [sys.executable, "-m", "fairmark.stages.tune", *chain(*zip(named, given, strict=True))]


def outside(paths: tuple[Path, ...], out: Path, **environment: str) -> dict[str, bytes]:
    state = {"FAIRMARK_STATE": str(out.parent / "state")}
    done = subprocess.run(
        command(paths, out),
        env={**os.environ, **state, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return bytes_of(out)


# Sends itself a signal when the third outcome is on record, however fast or slow it is.
STOPPED = """
import os, runpy, signal, sys
from fairmark.learn.workers import Checkpoint
keep = Checkpoint.keep
def last(self, *pair):
    keep(self, *pair)
    if len(self.found) == 3:
        os.kill(os.getpid(), signal.{name})
Checkpoint.keep = last
# A shell without job control starts its background jobs deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("fairmark.stages.tune", run_name="__main__", alter_sys=True)
"""


def stopped(paths: tuple[Path, ...], out: Path, name: str) -> "subprocess.CompletedProcess[str]":
    """Search with two workers, and be stopped by a signal at the third outcome."""
    program, *words = command(paths, out)
    environment = {**os.environ, "FAIRMARK_STATE": str(out.parent / "state"), "FAIRMARK_WORKERS": "2"}
    return subprocess.run(
        [program, "-c", STOPPED.format(name=name), *words[2:]],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_search_of_two_workers_that_was_killed_ends_with_the_bytes_of_one(
    paths: tuple[Path, ...], searched: Path, tmp_path: Path
) -> None:
    assert stopped(paths, tmp_path / "out", "SIGKILL").returncode == -signal.SIGKILL
    (kept,) = (tmp_path / "state").glob("*.jsonl")

    assert len([line for line in kept.read_text().splitlines() if line]) == 3
    assert not (tmp_path / "out").exists()
    assert outside(paths, tmp_path / "out", FAIRMARK_WORKERS="1") == bytes_of(searched)


@pytest.mark.slow
def test_a_search_that_was_stopped_by_hand_says_how_to_go_on(paths: tuple[Path, ...], tmp_path: Path) -> None:
    ended = stopped(paths, tmp_path / "out", "SIGINT")

    assert ended.returncode == 1
    assert "tune: must run to its end, got stopped: run it again" in ended.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    address = tmp_path / "scheduler.json"  # the scheduler chooses a port and writes it there
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(address)]
    # Without a nanny, which is one more process that imports all that a worker imports.
    spare = ["--no-nanny", "--nthreads", "1", "--local-directory", str(tmp_path / "spare")]
    with (tmp_path / "dask.log").open("w") as log:
        running = [
            subprocess.Popen([*dask, *words, *local], stdout=log, stderr=log, start_new_session=True)
            for words in (["scheduler", "--port", "0"], ["worker", *spare], ["worker", *spare])
        ]
        try:
            assert eventually(lambda: address.exists() and address.read_text().endswith("}"))
            yield str(read_json(address)["address"])
        finally:
            for process in running:  # a worker whose scheduler is gone would try to reach it without end
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_gives_the_bytes_of_one_process(
    paths: tuple[Path, ...], searched: Path, tmp_path: Path, cluster: str
) -> None:
    assert outside(paths, tmp_path / "out", FAIRMARK_DASK_SCHEDULER=cluster) == bytes_of(searched)


BLIND = {"mitigation": [], "trials": 4, "finalists": None}


def shuffled(paths: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
    """Return the same files where nobody has the groups that he had."""
    evidence = pd.read_parquet(paths[1])
    names = ["side", "age", "side_age"]
    evidence[names] = evidence[names].sample(frac=1, random_state=2).reset_index(drop=True)
    folder.mkdir()
    evidence.to_parquet(folder / "evidence.parquet")
    return (paths[0], folder / "evidence.parquet", *paths[2:])


def test_a_search_that_is_blind_in_choosing_makes_the_same_model_whoever_has_which_group(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    strangers = shuffled(paths, tmp_path / "strangers")
    found = [
        tuned(each, tmp_path / str(k), **BLIND, blind="choice", sample=900)
        for k, each in enumerate((paths, strangers))
    ]
    made = [trained(each, tmp_path / str(k) / "tuned.yaml", tmp_path / str(k))[0]
            for k, each in enumerate((paths, strangers))]  # fmt: skip

    assert found[0]["tuned.yaml"] == found[1]["tuned.yaml"]
    assert made[0] == made[1]
    # They were measured all the same.
    assert found[0]["trials.csv"] != found[1]["trials.csv"]


def test_a_search_that_is_blind_in_training_scores_alike_and_may_choose_another_threshold(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    strangers = shuffled(paths, tmp_path / "strangers")
    for k, each in enumerate((paths, strangers)):
        tuned(each, tmp_path / str(k), **BLIND, blind="training")
    one = chosen_in(tmp_path / "0" / "tuned.yaml")
    models = [
        fitted(ready(read_parts(*each), TRAIN), one, TRAIN, POLICY).model for each in (paths, strangers)
    ]

    assert (one.blind, one.margin) == ("training", 0.05)
    assert models[0].scorer.dumps() == models[1].scorer.dumps()
    assert models[0].threshold != models[1].threshold


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reweighing": [True]}, r"mitigation must be \[\] and reweighing \[false\] where blind is choice"),
        ({"mitigation": SMALL["mitigation"]}, r"got \['side'\]"),
        ({"blind": "sometimes"}, "tune: blind"),
    ],
)
def test_a_blind_search_that_would_read_groups_in_training_is_refused(
    changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ParamsError, match=why):
        typed(Tune, SMALL | BLIND | {"blind": "choice"} | changes, "tune")
