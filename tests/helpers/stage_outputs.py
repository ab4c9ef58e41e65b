"""Hand-made outputs of every stage before `document`, small and in the shapes that the stages write."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import schemas
import yaml
from confusion_rows import about
from data_summaries import AUDITED, PARTED, PREPARED, changed
from rival_models import alternatives
from schemas import column

from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.evaluate import documents as docs
from fairmark.evaluate.documents import SummaryMetrics
from fairmark.evaluate.measure import measure
from fairmark.explain import documents as explained
from fairmark.files import write_csv, write_json, write_text
from fairmark.judge.measurements import ConfusionCounts, Measurements
from fairmark.judge.provable import GroupRows, ProvableLimits
from fairmark.judge.verdict import Verdict, judge
from fairmark.learn.summaries import (
    Family,
    PartRows,
    Role,
    SearchSummary,
    TrainSummary,
    TrialRow,
    ValidMetrics,
)
from fairmark.params.evaluate import Document
from fairmark.params.learn import Chosen
from fairmark.params.parse import typed
from fairmark.params.policy import Bounds, ConstantAnswer, Findings, Limit, Policy, Waiver
from fairmark.params.prepare import Prepare, Privacy, Retention
from fairmark.params.release import Project, Release
from fairmark.record import Record
from fairmark.report.inputs import FILES, Curves, Facts

TEAMS: Mapping[str, Mapping[str, int]] = {"team": {"blue": 400, "red": 600}}

PROJECT = Project(
    name="made-up",
    title="Made up for a test",
    summary="Says yes or no.",
    intended_use="Tests of the pages.",
    out_of_scope="Everything else.",
    owner="The testers",
    data="adult.data",
    data_origin="Nowhere",
    data_licence="CC0-1.0",
)
DOCUMENT = Document(top=10, decimals=3)
CHOSEN = Chosen(
    family="boosted",
    settings={"learning_rate": 0.05},
    balance="none",
    reweighing=False,
    mitigation=[],
    margin=None,
    folds=None,
)

_RAW = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
PREPARE = typed(
    Prepare,
    _RAW["prepare"]
    | {
        "format": {"type": "parquet", "missing": [], "thousands": None, "units": []},
        "target": {"column": "paid", "positive": "yes", "negative": "no", "strip": ""},
        "drop": ["note"],
        "columns": {},
        "protected": {"team": {"by": "column", "column": "team"}},
        "forbidden": [],
    },
    "prepare",
)
PRIVACY = Privacy(
    personal=["age", "note"],
    decisions_shown=9,
    smallest_leaf=5,
    smallest_cell=2,
    retention=Retention(data_days=365, releases_days=730, trail_days=1095),
)
RELEASE = typed(
    Release,
    _RAW["release"] | {"governance": {"of": "made-up", "owner": "O", "steward": "S", "custodian": "C"}},
    "release",
)


def limit(
    name: str,
    measure: str,
    attribute: str | None,
    at_least: float | None = None,
    *,
    at_most: float | None = None,
    gate: bool = True,
) -> Limit:
    """Return a limit of a policy."""
    return Limit(
        name=name,
        measure=measure,
        attribute=attribute,
        at_least=at_least,
        at_most=at_most,
        gate=gate,
        reason=f"The reason of {name}.",
    )


def policy(
    limits: Sequence[Limit], waivers: Sequence[Waiver] = (), overrides: Sequence[Waiver] = ()
) -> Policy:
    """Return a policy of these limits."""
    return Policy(
        goal="Select teams alike.",
        price="Some accuracy.",
        level=0.05,
        correction="bonferroni",
        budget=None,
        bounds=Bounds(losses="betting", auc="placements", rates="gaffke"),
        min_group_rows=30,
        limits=list(limits),
        waivers=list(waivers),
        overrides=list(overrides),
        overlays=[],
        protected_at_prediction=[],
        constant_answer=ConstantAnswer(measures=[], at_least=0, not_required="A test."),
        findings=Findings(**dict.fromkeys(Findings.model_fields)),
        alternatives=None,
    )


FAIR = policy(
    [limit("auc-floor", "roc_auc", None, 0.8), limit("four-fifths", "selection_rate_ratio", "team", 0.8)]
)


def measurements(attributes: Mapping[str, Mapping[str, int]], threshold: float = 0.4375) -> Measurements:
    """Return the measurements of made-up test rows: group names and how many rows each has.

    About 0.3 of each group is positive, and each next group of the first attribute is selected a little less.
    """
    return _measured(json.dumps(attributes), threshold)


@cache
def _measured(sizes: str, threshold: float) -> Measurements:
    attributes: dict[str, dict[str, int]] = json.loads(sizes)
    first, *others = attributes
    rows = sum(attributes[first].values())
    rng = np.random.default_rng(5)
    groups = pd.DataFrame({first: np.repeat(list(attributes[first]), list(attributes[first].values()))})
    for name in others:
        groups[name] = rng.permutation(np.repeat(list(attributes[name]), list(attributes[name].values())))
    place = groups[first].map({group: place for place, group in enumerate(attributes[first])}).to_numpy()
    label = (rng.random(rows) < 0.3).astype(np.int8)
    score = np.clip(rng.normal(0.25 + 0.3 * label - 0.02 * place, 0.15), 0.01, 0.99)
    known = {name: list(sizes) for name, sizes in attributes.items()}
    found = measure(
        label,
        score,
        (score >= threshold).astype(np.int8),
        None,
        groups,
        known,
        confidence=0.95,
        replicates=100,
        seed=1,
        bins=5,
    )
    return Measurements.of(found, about(rows, int(label.sum()), threshold=threshold))


def schema(attributes: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> Schema:
    """Return a schema with two features: a number and a name."""
    features = [column(names[0]), column(names[1], "categorical", ["smith", "baker"])]
    return schemas.schema(features, {name: list(sizes) for name, sizes in attributes.items()})


def prepared(**changes: Any) -> PrepareSummary:
    """Return prepare's summary, with some keys of its JSON changed."""
    main = {"name": "made.csv", "rows": 2100, "duplicates": 3, "sha256": "12" * 32, "packed": False}
    known: dict[str, Any] = {
        "files": {"main": main, "test": None},
        "rows": 2100,
        "duplicates": 3,
        "positives": 630,
    }
    known["missing"] = {"age": 0.0, "job": 0.125, "team": 0.0}
    return changed(PREPARED, **known | changes)


def audit(attributes: Mapping[str, Mapping[str, int]], names: Sequence[str], **changes: Any) -> DataAudit:
    """Return the audit, in which the second feature is a proxy of the first attribute."""
    first = next(iter(attributes))
    entry = {"share": 0.4, "label_rate": 0.31, "missing": 0.02, "small": False}
    proxy = {"attribute": first, "column": names[1], "auc": 0.77, "withheld": False}
    known: dict[str, Any] = {
        "rows": 2100,
        "groups": {
            name: {group: {**entry, "rows": 2 * rows} for group, rows in sizes.items()}
            for name, sizes in attributes.items()
        },
        "proxies": [proxy | {"group": next(iter(attributes[first])), "group_auc": 0.79}],
        "label_power": {names[0]: 0.66, names[1]: 0.58},
    }
    return changed(AUDITED, **known | changes)


DIFFER = "The test part differs from the train part in its label: 0.65 of its rows are positive."


def split(attributes: Mapping[str, Mapping[str, int]], **changes: Any) -> SplitSummary:
    """Return split's summary."""
    test = next(iter(attributes.values()))
    parts = {"train": 800, "valid": 300, "test": sum(test.values())}
    groups = {name: dict(sizes) for name, sizes in attributes.items()}
    known: dict[str, Any] = {
        "parts": {name: {"rows": rows, "label_rate": 0.3, "groups": groups} for name, rows in parts.items()},
        "findings": [DIFFER],
    }
    return changed(PARTED, **known | changes)


def provable(attributes: Mapping[str, Mapping[str, int]], rules: Policy) -> ProvableLimits:
    """Return what test rows can prove, where three in ten are positive."""
    groups = {
        name: [GroupRows(group, rows, round(0.3 * rows)) for group, rows in sizes.items()]
        for name, sizes in attributes.items()
    }
    return ProvableLimits.of(rules, groups, 0.3)


def extra(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns whose names hang on params, as arguments of a row."""
    return dict(cells)


def trials(limits: Sequence[Limit]) -> list[TrialRow]:
    """Return the trials of a search: a baseline, an unmitigated one, one that failed, and the chosen one."""
    made: list[tuple[Role, Family, float | None, float | None]] = [
        ("baseline", "logistic", 0.78, 0.62),
        ("unmitigated", "boosted", 0.84, 0.55),
        ("searched", "boosted", None, None),
        ("searched", "boosted", 0.82, 0.86),
    ]
    return [
        TrialRow(
            number=number,
            role=role,
            family=family,
            balance="none",
            reweighing=False,
            **extra({"boosted.learning_rate": 0.05 if family == "boosted" else None}),
            state="failed" if quality is None else "complete",
            failure="no positive rows" if quality is None else None,
            quality=quality,
            fairness=None if fair is None else round(fair - 0.8, 2),
            violation=None if fair is None else max(0.0, round(0.8 - fair, 2)),
            feasible=number == 3,
            roc_auc=None if quality is None else 0.87,
            accuracy=quality,
            selection_rate=None if quality is None else 0.3,
            **extra({f"limit.{each.name}": fair for each in limits}),
            threshold=None if quality is None else 0.5,
            rounds=None if family == "logistic" or quality is None else 40,
            size_bytes=None if quality is None else 12345,
            frontier=number in {1, 3},
            chosen=number == 3,
        )
        for number, (role, family, quality, fair) in enumerate(made)
    ]


def search(rows: Sequence[TrialRow]) -> SearchSummary:
    """Return the summary of a search with these trials, of which the last one is chosen."""
    return SearchSummary(
        trials=len(rows),
        failed=sum(row.state == "failed" for row in rows),
        feasible=1,
        goal="accuracy",
        margin=0.0,
        chosen=rows[-1].number,
        best=rows[-1],
        nearest=None,
        baseline=rows[0],
        unmitigated=rows[1],
        frontier=[row for row in rows if row.frontier],
        not_searched=[],
        not_measured=[],
        note="Trial 3 is the best of 3.",
    )


def trained(threshold: float) -> TrainSummary:
    """Return what train says of a model with this threshold."""
    return TrainSummary(
        family="boosted",
        rows=PartRows(train=1000, valid=300),
        rounds=40,
        threshold=threshold,
        valid=ValidMetrics(roc_auc=0.87, accuracy=0.82, selection_rate=0.3),
        size_bytes=12345,
    )


def dependence(kind: Any, **changes: Any) -> explained.Dependence:
    """Return one entry of the dependences."""
    named = kind == "categorical"
    made = explained.Dependence(
        kind=kind,
        grid=["smith", "baker"] if named else [20.0, 40.0],
        mean=[0.21, 0.43],
        ice=[[0.1, 0.5], [0.3, 0.4]],
        edges=None if named else [20.0, 30.0, 40.0],
        density=[0.6, 0.4],
        near=[0.6, 0.4],
        missing=explained.MissingDependence(share=0.05, mean=0.27),
        unshown=0,
    )
    return made.model_copy(update=changes)


def explanations(attributes: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> explained.Explanations:
    """Return explanations.json of two features."""
    number, word = names
    means = {number: 0.11, word: -0.22}
    agreed = explained.ReasonAgreement(rows=90, kept=0.9, first=0.8, every=0.7)
    return explained.Explanations(
        stability=explained.Stability(
            refits=2,
            rows=60,
            features=[
                explained.FeatureRanks(feature=name, rank=rank, again=[rank, 3 - rank])
                for rank, name in enumerate(names, 1)
            ],
            correlation=[1.0, -1.0],
            reasons={"no": agreed, "yes": agreed},
            otherwise=0.05,
        ),
        rows=500,
        background=100,
        base=-1.2,
        additivity=0.0,
        importance=[
            explained.FeatureImportance(feature=number, mean_abs_shap=0.51),
            explained.FeatureImportance(feature=word, mean_abs_shap=0.17),
        ],
        by_group={
            name: {
                group: explained.GroupImportance(
                    rows=rows // 2, mean_abs_shap=means, mean_shap=means if rows else None
                )
                for group, rows in sizes.items()
            }
            for name, sizes in attributes.items()
        },
        dependence={number: dependence("numeric"), word: dependence("categorical")},
        decisions=[
            explained.ExplainedDecision(
                row=7,
                why="surest no",
                decision=0,
                score=0.14,
                margin=-1.8,
                base=-1.2,
                contributions=[
                    explained.Contribution(feature=number, value=41.0, shap=-0.8),
                    explained.Contribution(feature=word, value="smith", shap=0.2),
                ],
                reasons=[explained.Reason(feature=number, value="41", effect="lowers the score most")],
                lime=explained.LimeOpinion(
                    fidelity=0.52,
                    agreement=0.9,
                    effects={number: -1.0, word: 0.5},
                    moves={number: -0.7, word: 0.3},
                    against=[],
                    only_shap=[],
                    only_lime=[],
                ),
            )
        ],
    )


def summary(attributes: Mapping[str, Mapping[str, int]], **changes: Any) -> SummaryMetrics:
    """Return summary metrics of one scoring, as the checks give them."""
    plain: dict[str, Any] = {"rows": 90, "roc_auc": 0.87, "accuracy": 0.81, "selection_rate": 0.3}
    return SummaryMetrics(**(plain | {"selection_rate_ratio": dict.fromkeys(attributes, 0.83)} | changes))


def checks(attributes: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> docs.CheckResults:
    """Return checks.json of two features."""
    number, word = names
    plain = dict(summary(attributes))
    best = dict(summary(attributes, roc_auc=0.9))
    shift: dict[str, Any] = {"kind": "shift", "amount": -0.1, "changed": 0.12, **plain}
    twins = docs.DuplicateShares(share=0.16, same_label=0.14)
    excess = docs.AucChange(value=0.02, low=0.01, high=0.03)
    nothing = docs.AucChange(value=-0.001, low=None, high=None)
    return docs.CheckResults(
        learning=docs.LearningCurves(
            part="valid",
            families={
                "boosted": docs.FamilyCurve(
                    plain=False,
                    points=[
                        docs.LearningPoint(share=0.5, train_rows=400, **plain),
                        docs.LearningPoint(share=1.0, train_rows=800, **best),
                    ],
                ),
                "logistic": docs.FamilyCurve(
                    plain=True, points=[docs.FailedPoint(share=0.5, train_rows=400, why="one label")]
                ),
            },
            history=None,
            why="no time column",
        ),
        probe=docs.Probe(
            part="valid",
            rows=90,
            repeats=2,
            level=0.05,
            tail=0.025,
            roc_auc=0.87,
            probe=docs.ProbeDrops(drops=[0.001, -0.002]),
            features=[
                docs.ProbedFeature(feature=number, drop=0.02, drops=[0.02], excess=excess, useful=True),
                docs.ProbedFeature(feature=word, drop=0.0, drops=[0.0], excess=nothing, useful=False),
            ],
            indistinct=[word],
            dropped=docs.DroppedFeatures(
                before=summary(attributes),
                after=summary(attributes, roc_auc=0.868),
                roc_auc_change=docs.AucChange(value=-0.002, low=-0.004, high=0.001),
            ),
            why=None,
        ),
        excluded=docs.ExcludedFeatures(
            part="valid",
            without=summary(attributes),
            re_included=[
                docs.ReIncludedFeatures(columns=["town"], **dict(summary(attributes, roc_auc=0.91)))
            ],
            not_looked_at=[],
        ),
        slices=docs.Slices(
            looked_at=12,
            min_rows=10,
            level=0.05,
            tail=0.05 / 12,
            error=0.19,
            worst=[
                docs.SliceErrors(
                    where=[docs.SliceCondition(name=number, kind="feature", value="<30")],
                    rows=70,
                    error=0.42,
                    low=0.27,
                    above_overall=True,
                    cells=ConfusionCounts(tp=10, fp=20, fn=9, tn=31),
                )
            ],
        ),
        stress=docs.Stress(
            base=summary(attributes, roc_auc=0.88),
            nudges=docs.Nudges(
                rows=500,
                farthest=0.02,
                turned=[docs.TurnedShare(size=0.1, share=0.3), docs.TurnedShare(size=0.5, share=0.6)],
                features={},
            ),
            turned=docs.ShiftedDecisions(amount=0.1, share=0.07),
            swapped=docs.SwappedEvidence(columns=list(attributes), same=True),
            scenarios=[
                docs.StressScenario(
                    feature=number,
                    measurements=None,
                    verdict=docs.QuickVerdict(
                        outcome="fail",
                        limits={
                            "auc-floor": docs.LimitOutcome(outcome="pass", value=0.87),
                            "four-fifths": docs.LimitOutcome(outcome="fail", value=0.71),
                        },
                    ),
                    **shift,
                ),
                docs.StressScenario(
                    feature=None, measurements=measurements(attributes), verdict=None, **shift
                ),
            ],
        ),
        abstention=docs.Abstention(
            level=0.05,
            bands=[
                docs.AbstentionBand(
                    coverage=0.9,
                    width=0.03,
                    decided=0.9,
                    kept=docs.KeptMetrics(
                        rows=90,
                        roc_auc=0.87,
                        selection_rate=0.3,
                        selection_rate_ratio=dict.fromkeys(attributes, 0.83),
                        error=0.11,
                    ),
                    deferred={
                        name: {
                            group: docs.DeferredGroup(rows=rows, share=0.1, low=0.05, high=0.15)
                            for group, rows in sizes.items()
                        }
                        for name, sizes in attributes.items()
                    },
                    deferral_gap=dict.fromkeys(
                        attributes,
                        docs.DeferralGap(value=0.04, low=0.01, high=0.07, lowest="red", highest="blue"),
                    ),
                )
            ],
        ),
        leakage=docs.Leakage(
            alone={number: 0.71, word: None},
            pairs=[docs.PairAuc(columns=[number, word], auc=0.75)],
            concentration=docs.Concentration(rows=500, feature=number, share=0.6),
            look_ahead=docs.LookAheadFeatures(dates=None, why="no time column"),
            duplicates=docs.Duplicates(
                train=twins, valid=twins, valid_in_train=twins, without=summary(attributes)
            ),
            shared_persons=None,
        ),
    )


def with_check(part: str, found: docs.CheckResults, **changes: Any) -> docs.CheckResults:
    """Return the checks with fields of one part changed."""
    return found.model_copy(update={part: getattr(found, part).model_copy(update=changes)})


def curves(attributes: Mapping[str, Mapping[str, int]]) -> Curves:
    """Return the lines of the files that evaluate plots."""
    whole = docs.CalibrationBin(
        bin_low=0.2, bin_high=0.4, rows=9, mean_score=0.3, positive_share=0.35, low=0.2, high=0.5
    )
    parts = [
        whole.model_copy(update={"attribute": name, "group": group})
        for name, sizes in attributes.items()
        for group in sizes
    ]
    corners = (0.0, 0.0), (0.2, 0.7), (1.0, 1.0)
    return Curves(
        roc=[docs.RocPoint(false_positive_rate=x, true_positive_rate=y) for x, y in corners],
        precision_recall=[
            docs.PrecisionRecallPoint(recall=x, precision=0.6, threshold=0.5) for x, _ in corners
        ],
        calibration=[whole, *parts],
    )


def facts(
    attributes: Mapping[str, Mapping[str, int]] = TEAMS,
    rules: Policy = FAIR,
    names: Sequence[str] = ("age", "job"),
    **changes: Any,
) -> Facts:
    """Return all facts of a made-up release; `changes` replace some of them."""
    measured = changes.pop("measurements", None) or measurements(attributes)
    made: dict[str, Any] = {
        "project": PROJECT,
        "policy": rules,
        "document": DOCUMENT,
        "chosen": CHOSEN,
        "schema": schema(attributes, names),
        "prepared": prepared(),
        "audit": audit(attributes, names),
        "split": split(attributes),
        "provable": provable(attributes, rules),
        "trials": trials(rules.limits),
        "search": search(trials(rules.limits)),
        "measurements": measured,
        "curves": curves(attributes),
        "checks": checks(attributes, names),
        "alternatives": alternatives("a" * 64, rules.limits[0].name, next(iter(attributes))),
        "explanations": explanations(attributes, names),
        "verdict": _judged(measured.model_dump_json(exclude_unset=True), rules.model_dump_json()),
    }
    return Facts(**made | changes)


@cache
def _judged(measured: str, rules: str) -> Verdict:
    return judge(Measurements.model_validate_json(measured), Policy.model_validate_json(rules), None)


def written(found: Facts, artifacts: Path) -> dict[str, Path]:
    """Write facts as the stages before `document` do; return the path of each."""
    paths = {name: artifacts / file for name, file in FILES.items()}
    trained(found.measurements.model.threshold).write(paths["trained"])
    write_text(paths["trials"], table([texts(row) for row in found.trials]))
    for curve in ("roc", "precision_recall", "calibration"):
        lines = pd.DataFrame([dict(line) for line in getattr(found.curves, curve)])
        write_csv(paths["curves"] / f"{curve}.csv", lines)
    for name, path in paths.items():
        if path.suffix == ".json" and name != "trained":
            fact = getattr(found, name)
            write_json(path, fact.to_json() if isinstance(fact, Record) else fact)
    return paths


def texts(row: TrialRow) -> dict[str, str]:
    """Return a trial as a row of trials.csv."""
    return {key: "" if value is None else str(value) for key, value in row.cells().items()}


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
