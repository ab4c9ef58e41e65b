"""Thresholds of groups' own go all the way: trained, measured, stressed, explained, judged, and told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from data_summaries import AUDITED, PARTED, PREPARED
from people_table import SCHEMA, TRAIN, chosen, frames, limit, policy
from schemas import regrouped
from scorecard_table import CHECKS
from stage_outputs import search, trials

from fairmark.cli.main import main
from fairmark.data.schema import Schema
from fairmark.errors import ParamsError
from fairmark.files import read_json, write_parquet
from fairmark.judge.verdict import judge_document
from fairmark.model.model import Model, digest
from fairmark.params.evaluate import Explain, ExplainedRefits
from fairmark.params.learn import ByGroup, Threshold
from fairmark.params.read import read_params
from fairmark.stages.evaluate import evaluate
from fairmark.stages.explain import explain
from fairmark.stages.train import train
from fairmark.stages.tune import tune

ROOT = Path(__file__).parents[1]
WHOLE = read_params(ROOT / "params.yaml")
PARAMS = WHOLE.evaluate.model_copy(update={"replicates": 100, "checks": CHECKS, "references": None})
PRIVACY = WHOLE.privacy
BASE = TRAIN.model_copy(
    update={
        "threshold": Threshold(
            maximise="accuracy", by=ByGroup(attribute="side", constraint="demographic_parity")
        )
    }
)
POLICY = policy(limit("selection_rate_ratio", "side", at_least=0.5)).model_copy(
    update={"protected_at_prediction": ["side"]}
)
REFITS = ExplainedRefits(seed=6, refits=2, rows=30, most_rows=None)
EXPLAIN = Explain(
    seed=4, sample=200, background=20, top=1, decisions=6, grid=4, mutable=None, texts=None, stability=REFITS
)


def _schema() -> Schema:
    """Return the people's schema with every group named, and how age is cut."""
    _, evidence, _ = frames(10)
    names = {name: sorted(frames(900)[1][name].unique()) for name in evidence.columns[2:]}
    return regrouped(SCHEMA, names)


def run(
    folder: Path, base: Any = BASE, rules: Any = POLICY, *, whole: bool = True, **choices: Any
) -> dict[str, Path]:
    """Run train on people, and if the whole is asked for evaluate and explain; return every path."""
    names = "table evidence schema.json rows tuned model trained.json metrics.json measurements.json plots"
    more = "checks.json reference.json importance.csv explanations.json shapley.npz prepared audit parted"
    last = "searched alternatives"
    made = {name.split(".")[0]: folder / name for name in f"{names} {more} {last}".split()}
    for name, frame in zip(("table", "evidence", "rows"), frames(2400), strict=True):
        write_parquet(made[name], frame)
    _schema().write(made["schema"])
    read = [made[name] for name in ("table", "evidence", "schema", "rows")]
    picked = chosen("logistic", **({"margin": 0.1} | choices))
    train(*read, picked, made["model"], made["trained"], base, rules)  # type: ignore[call-arg, arg-type]
    if not whole:
        return made
    outputs = ("metrics", "measurements", "plots", "checks", "reference", "alternatives")
    written = [made[name] for name in outputs]
    search(trials([])).write(made["searched"])
    for name, found in (("prepared", PREPARED), ("audit", AUDITED), ("parted", PARTED)):
        found.write(made[name])
    before = [*read[:3], made["prepared"], made["audit"], read[3], made["parted"]]
    evaluate(*before, made["model"], made["searched"], *written, PARAMS, base, rules, PRIVACY)  # type: ignore[call-arg, arg-type]
    told = [made[name] for name in ("model", "importance", "explanations", "shapley")]
    explain(*read, *told, EXPLAIN, base, rules)  # type: ignore[call-arg, arg-type]
    return made


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return run(tmp_path_factory.mktemp("by-group"))


def test_training_states_the_thresholds_and_measures_at_them(done: dict[str, Path]) -> None:
    summary, model = read_json(done["trained"]), Model.load(done["model"])
    table, evidence, parts = frames(2400)
    valid = (parts["part"] == "valid").to_numpy()
    decided = model.decide(table[valid], evidence[valid])

    assert summary["thresholds"] == model.stated["thresholds"]
    assert summary["valid"]["selection_rate"] == pytest.approx(decided.mean())


def test_a_search_for_thresholds_that_no_limit_draws_together_is_refused_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abcdefg"]
    other = policy(limit("true_positive_rate_difference", "side", at_most=0.1)).model_copy(
        update={"protected_at_prediction": ["side"]}
    )

    with pytest.raises(ParamsError, match="must gate a ratio or a difference of selection_rate by side"):
        tune(*paths, WHOLE.tune, BASE, other)  # type: ignore[call-arg, arg-type]


def test_why_all_have_the_common_threshold_is_said(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", whole=False, margin=None)
    small = run(tmp_path / "small", rules=POLICY.model_copy(update={"min_group_rows": 999}), whole=False)

    assert read_json(plain["trained"])["why"] == "the chosen trial looks at quality alone"
    assert (
        read_json(small["trained"])["why"] == "fewer than two groups of side have 999 rows that were held out"
    )
    strict = policy(*POLICY.limits, limit("accuracy", "side", at_least=0.95)).model_copy(
        update={"protected_at_prediction": ["side"]}
    )
    none = run(tmp_path / "none", rules=strict, whole=False)
    assert read_json(none["trained"])["why"] == (
        "no thresholds of groups keep the policy's limits by side on rows that were held out"
    )
    assert read_json(small["trained"])["thresholds"] is None
    assert "thresholds" not in Model.load(small["model"]).stated


def test_the_switch_that_is_off_says_nothing_of_it(tmp_path: Path) -> None:
    off = run(tmp_path, TRAIN)

    words = "".join(off[name].read_text() for name in ("trained", "metrics", "measurements", "explanations"))
    assert "thresholds" not in words
    assert "cutoff" not in words
    assert "decisions" not in read_json(off["checks"])["stress"]["swapped"]


def test_test_rows_are_measured_at_the_thresholds_of_their_groups(done: dict[str, Path]) -> None:
    found, model = read_json(done["measurements"]), Model.load(done["model"])
    table, evidence, parts = frames(2400)
    test = (parts["part"] == "test").to_numpy()
    decided = pd.Series(model.decide(table[test], evidence[test]))

    assert found["model"] == {"sha256": digest(done["model"]), **model.stated}
    assert read_json(done["metrics"])["thresholds"] == model.stated["thresholds"]["groups"]
    for side, rate in decided.groupby(evidence["side"][test].to_numpy()).mean().items():
        measured = found["groups"]["side"][side]["measures"]["selection_rate"]["value"]
        assert measured == pytest.approx(rate)


def test_swapping_the_groups_moves_decisions_and_no_score(done: dict[str, Path]) -> None:
    swapped, model = read_json(done["checks"])["stress"]["swapped"], Model.load(done["model"])
    table, evidence, parts = frames(2400)
    test = (parts["part"] == "test").to_numpy()
    names = _schema().groups["side"]
    turn = dict(zip(names, names[1:] + names[:1], strict=True))
    other = evidence[test].assign(side=evidence["side"][test].map(turn))
    moved = (model.decide(table[test], evidence[test]) != model.decide(table[test], other)).mean()

    assert swapped["same"] is True
    assert swapped["decisions"] == {"attribute": "side", "moved": pytest.approx(moved)}
    assert moved > 0.02


def test_each_explained_decision_names_its_threshold_and_the_group_that_would_turn_it(
    done: dict[str, Path],
) -> None:
    groups = Model.load(done["model"]).stated["thresholds"]["groups"]
    common = Model.load(done["model"]).threshold
    entries = read_json(done["explanations"])["decisions"]

    for each in entries:
        cutoff = each["cutoff"]
        assert cutoff["threshold"] == groups.get(cutoff["group"], common)
        assert (each["score"] >= cutoff["threshold"]) == (each["decision"] == 1)
        turned = [
            name
            for name, cut in groups.items()
            if name != cutoff["group"] and (each["score"] >= cut) != (each["decision"] == 1)
        ]
        assert cutoff["otherwise"] == turned
        assert (each["reasons"][0]["feature"] == "side") == bool(turned)
        assert len(each["reasons"]) <= 4
    assert any(each["cutoff"]["otherwise"] for each in entries)


def test_the_widest_gap_of_stress_is_measured_at_the_same_thresholds(done: dict[str, Path]) -> None:
    checks, found = read_json(done["checks"]), read_json(done["measurements"])

    assert checks["stress"]["base"]["accuracy"] == found["overall"]["accuracy"]["value"]
    whole = [each for each in checks["stress"]["scenarios"] if each["measurements"] is not None]
    assert {json.dumps(each["measurements"]["model"]) for each in whole} == {json.dumps(found["model"])}
    assert checks["abstain"]["bands"][0]["kept"]["error"] == pytest.approx(
        1 - found["overall"]["accuracy"]["value"]
    )


# ------------------------------------------------------------------ negative controls


def _judged(paths: dict[str, Path], change: Callable[[dict[str, Any]], object], **other: Any) -> Any:
    found, model = read_json(paths["measurements"]), Model.load(paths["model"]).stated
    change(found)
    expected: dict[str, Any] = {
        "expected_model": digest(paths["model"]),
        "expected_threshold": model["threshold"],
        "expected_thresholds": model["thresholds"],
    }
    return judge_document(found, POLICY, None, **(expected | other))


def test_the_measurements_of_this_model_have_no_fault(done: dict[str, Path]) -> None:
    assert _judged(done, lambda _: None).faults == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["model"].pop("thresholds"), "must be .* by side of the model, got none"),
        (
            lambda d: d["model"]["thresholds"]["groups"].update(left=0.123),
            "thresholds: must be .* of the model",
        ),
        (lambda d: d["model"]["thresholds"]["groups"].pop("left"), "groups: must hold: .* at least 2 items"),
        (lambda d: d["model"]["thresholds"].update(attribute="age"), "must be numbers for groups of age"),
        (
            lambda d: d["model"]["thresholds"]["groups"].update(left=None),
            "groups.left: must be a valid number, got null",
        ),
        (
            lambda d: d["model"]["thresholds"]["groups"].update(left=float("nan")),
            "left: must be a finite number, got NaN",
        ),
        (lambda d: d["model"]["thresholds"].update(constraint="other"), "must be .* of the model"),
        (lambda d: d["model"].update(thresholds=[0.5]), "thresholds: must be an object"),
    ],
)
def test_measurements_at_other_thresholds_never_pass(
    done: dict[str, Path], change: Callable[[dict[str, Any]], object], words: str
) -> None:
    verdict = _judged(done, change)

    assert verdict.outcome == "fail"
    assert pd.Series(verdict.faults).str.contains(words).any(), verdict.faults


def test_whoever_expects_one_threshold_refuses_several(done: dict[str, Path]) -> None:
    verdict = _judged(done, lambda _: None, expected_thresholds=None)

    assert verdict.outcome == "fail"
    assert "thresholds: must be none of the model, got {'left'" in verdict.faults[0]


def test_a_policy_that_does_not_allow_it_fails_whatever_was_measured(done: dict[str, Path]) -> None:
    verdict = judge_document(read_json(done["measurements"]), policy(*POLICY.limits), None)

    assert verdict.outcome == "fail"
    (fault,) = verdict.faults
    assert fault.endswith("must be by an attribute of policy.protected_at_prediction, [], got side")


# ------------------------------------------------------------------ the command line


def _params(folder: Path, **changes: Any) -> Path:
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    whole["prepare"]["protected"] = {"side": {"by": "column", "column": "side"}}
    whole |= {"train": BASE.model_dump(), "policy": POLICY.model_dump()}
    whole["tune"]["mitigation"] = []
    whole["policy"] |= changes
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def test_params_that_the_policy_does_not_allow_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"train.threshold.by.attribute must be named in policy.protected_at_pre"
    ):
        read_params(_params(tmp_path, protected_at_prediction=[]))


def test_the_judge_on_the_command_line_holds_measurements_to_the_model(
    done: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["judge", str(done["measurements"]), str(_params(tmp_path)), "--model", str(done["model"])]

    free, held = main(words[:3]), main(words)

    assert free == held
    assert "No verdict" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["model"].update(sha256="e" * 64), "model.sha256: must be "),
        (lambda d: d["model"].update(threshold=0.123), "model.threshold: must be "),
        (lambda d: d["model"]["thresholds"]["groups"].update(left=0.123), "model.thresholds: must be "),
        (lambda d: d["groups"].pop("age"), "groups.age: must be the groups "),
        (
            lambda d: d["overall"]["accuracy"].update(value=float("nan")),
            "accuracy.value: must be a finite number, got NaN",
        ),
    ],
)
def test_another_model_threshold_or_group_fails_there(
    done: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], object],
    words: str,
) -> None:
    found = read_json(done["measurements"])
    change(found)
    (tmp_path / "measurements.json").write_text(json.dumps(found))
    given = [str(tmp_path / "measurements.json"), str(_params(tmp_path)), "--model", str(done["model"])]

    assert main(["judge", *given]) == 3
    assert words in capsys.readouterr().out


def test_a_model_without_its_groups_is_not_judged_by(
    done: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["judge", str(done["measurements"]), str(_params(tmp_path))]
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    away = (tmp_path / "deep" / "deeper" / "model").resolve()
    Model.load(done["model"]).save(away)
    (tmp_path / "odd.json").write_text("[]")

    assert main([*words, "--model", str(away)]) == 2
    assert "--schema: must name a schema.json, because none lies beside" in capsys.readouterr().err
    assert main([*words, "--schema", str(done["schema"])]) == 2
    assert "--schema: must come with --model" in capsys.readouterr().err
    assert main([*words, "--model", str(away), "--schema", str(tmp_path / "odd.json")]) == 1
    assert "odd.json: must be an object, got []" in capsys.readouterr().err
    assert main([*words, "--model", str(tmp_path)]) in {1, 2}
