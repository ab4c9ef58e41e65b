"""The front door for notebooks, services and other people's CI: judge, audit, verify, load and score.

`judge` and `measure` take labels and decisions of any model, fairmark's or not; `audit` a table before
anything is learnt from it; `load_release` gives back the model of a release, verified before it is loaded;
`attest` releases the evaluation of scores made elsewhere.
"""

import datetime as dt
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairmark.data.group_names import quoted
from fairmark.data.schema import MISSING
from fairmark.errors import InputError
from fairmark.evaluate.metric_frame import metric_frame, metric_frame_of
from fairmark.judge.verdict import Verdict
from fairmark.model.estimator import Estimator as Model
from fairmark.params.base import Section
from fairmark.params.policy import Findings, Policy

if TYPE_CHECKING:
    from fairmark.data.summaries import DataAudit
    from fairmark.judge.by_probability import AttributeByProbability
    from fairmark.judge.measurements import Measurements
    from fairmark.params.prepare import Audit
    from fairmark.verify.verify import Fact

__all__ = [
    "GroupProbabilities", "Model", "Policy", "Verdict", "attest", "audit", "judge", "load_release", "measure",
    "metric_frame", "metric_frame_of", "policy_findings", "read_policy", "verify",
]  # fmt: skip

SectionT = TypeVar("SectionT", bound=Section)


@dataclass(frozen=True)
class GroupProbabilities:
    """The groups of an attribute that no row states, by the probabilities of a proxy such as BISG.

    Nobody is put into a group: rates are weighted, and limits are judged by what rows and probabilities leave
    possible, whoever belongs to a group (`stats.proxy_groups`).

    Parameters
    ----------
    groups
        Of each group the probability of every row, shape `[rows]`; those of a row add up to 1.
    proxy, version
        What gives the probabilities, and which version of it.
    error
        How far the mean probability of a bin is from the true share of the group at most.
    bins
        Bins of equal width over 0..1, in each of which the proxy is taken to be right, or off by `error`.
    """

    groups: Mapping[str, ArrayLike]
    proxy: str
    version: str
    error: float = 0.0
    bins: int = 10


Groups = pd.DataFrame | pd.Series | Mapping[str, ArrayLike]
"""The groups of each row: a column for each protected attribute."""


def read_policy(policy: Policy | Mapping[str, object] | str | Path) -> Policy:
    """Return a policy: itself, the section `policy` as plain values, or that of a params.yaml.

    Raises
    ------
    ParamsError
        With one line for every fault.
    """
    return _section(Policy, policy, "policy", "a policy")


def _section(kind: type[SectionT], value: object, name: str, what: str) -> SectionT:
    """Return a section of params.yaml: itself, of its plain values, or that of a file."""
    from fairmark.params.parse import read_yaml, section, typed

    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        return typed(kind, dict(value), name)
    if not isinstance(value, str | Path):
        raise InputError(f"{name}: must be {what}, a mapping or a path, got {type(value).__name__}")
    return section(kind, read_yaml(Path(value)), Path(value).name)


def policy_findings() -> tuple[str, ...]:
    """Return the names of all findings that a policy answers, each by a number or by null."""
    return tuple(Findings.model_fields)


def judge(  # noqa: PLR0913 - all but the first two by name
    y_true: ArrayLike,
    y_pred: ArrayLike | None = None,
    *,
    groups: Groups | None = None,
    probabilities: Mapping[str, GroupProbabilities] | None = None,
    policy: Policy | Mapping[str, object] | str | Path,
    score: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    person: ArrayLike | None = None,
    today: dt.date | None = None,
) -> Verdict:
    """Return the verdict of a policy on the decisions of any model, with fairmark's error rates.

    What decisions can't show stays unanswered, and an unanswered question is never a pass: findings such as
    leakage come from the table and the model, so that a policy which asks for them (a number in
    `policy.findings`) leaves `insufficient evidence` here, each named.

    Parameters
    ----------
    y_true, y_pred, groups, probabilities, score, weight, person
        As `measure` takes them.
    policy
        As `read_policy` takes it.
    today
        The day by which waivers stand; by default none of them is applied.

    Raises
    ------
    InputError
        When the rows or the day are not as above, or the policy asks for an attribute or for scores that are
        not given.
    ParamsError
        When the policy is none.
    """
    from fairmark.judge.verdict import judge as verdict_on
    from fairmark.stats.measures import SCORED, quantity

    # A moment is a day to `isinstance`, and can't be compared with one.
    if today is not None and (not isinstance(today, dt.date) or isinstance(today, dt.datetime)):
        raise InputError(f"today: must be a datetime.date, or None, got {today!r}")
    read = read_policy(policy)
    found = measure(
        y_true,
        y_pred,
        groups=groups,
        probabilities=probabilities,
        score=score,
        weight=weight,
        person=person,
    )
    known = {*found.groups, *(found.by_probability or ())}
    limits = [*read.limits, *(limit for each in read.overlays for limit in each.limits)]
    lacking = [
        f"groups: must have a column for {limit.attribute}, which limit {limit.name} asks for, got none"
        for limit in limits
        if limit.attribute is not None and limit.attribute not in known
    ]
    if score is None:
        lacking += [
            f"score: must be given for limit {limit.name} on {limit.measure}, got decisions alone"
            for limit in limits
            if (asked := quantity(limit.measure)) is not None and asked.measure.name in SCORED
        ]
    if lacking:
        raise InputError(*dict.fromkeys(lacking))
    return verdict_on(found, read, today)


def measure(  # noqa: PLR0913 - all but the first two by name
    y_true: ArrayLike,
    y_pred: ArrayLike | None = None,
    *,
    groups: Groups | None = None,
    probabilities: Mapping[str, GroupProbabilities] | None = None,
    score: ArrayLike | None = None,
    threshold: float = 0.5,
    weight: ArrayLike | None = None,
    person: ArrayLike | None = None,
    confidence: float = 0.95,
    replicates: int = 200,
    bins: int = 10,
    seed: int = 0,
) -> "Measurements":
    """Return what a model's decisions come to: every measure, by group and between groups, with intervals.

    Parameters
    ----------
    y_true
        Labels, 0 or 1, shape `[rows]`.
    y_pred
        Decisions, 0 or 1, shape `[rows]`; by default 1 where `score` is at least `threshold`.
    groups
        The groups of each row, a column for each protected attribute; a missing value is a group of its own.
        None only beside `probabilities`.
    probabilities
        Attributes that no row states, by name.
    score
        Scores, 0 to 1, shape `[rows]`. Without them the decisions stand for scores, so that measures of
        scores are those of the decisions.
    weight
        Weights above 0, shape `[rows]`.
    person
        Whose each row is, where people have several rows.
    confidence
        Of each interval, two-sided.
    replicates, seed
        Of the bootstrap standard errors of disparities.
    bins
        Of the calibration error.

    Raises
    ------
    InputError
        When the rows are not as above, with every fault.
    """
    from fairmark.evaluate.measure import measure as measured
    from fairmark.judge.findings import NAMES, Strongest
    from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows
    from fairmark.judge.measurements import Measurements as Document

    if y_pred is None and score is None:
        raise InputError("y_pred: must be given, or score, got neither")
    _check_settings(threshold, confidence, replicates, bins, seed)
    label, marks = _bits(y_true, "y_true"), None if score is None else _numbers(score, "score")
    if y_pred is not None:
        decision = _bits(y_pred, "y_pred")
    else:
        decision = (_numbers(score, "score") >= threshold).astype(np.int8)
    frame = pd.DataFrame() if groups is None and probabilities else _frame(groups, len(label))
    names = {str(name): sorted(frame[name].unique()) for name in frame}
    heavy = None if weight is None else _numbers(weight, "weight")
    whose = None if person is None else _persons(person, len(label))
    found = measured(
        label,
        decision.astype(np.float64) if marks is None else marks,
        decision,
        heavy,
        frame,
        names,
        confidence=confidence,
        replicates=replicates,
        seed=seed,
        bins=bins,
        person=whose,
    )
    several = whose is not None and len(np.unique(whose)) < len(label)
    probable = _probable(
        probabilities or {}, label, decision, frame, weighted=heavy is not None, persons=several
    )
    shown = hashlib.sha256(decision.tobytes() + (b"" if marks is None else marks.tobytes())).hexdigest()
    persons = None if whose is None else len(np.unique(whose))
    about = About(
        model=MeasuredModel(sha256=shown, threshold=float(threshold)),
        data=MeasuredRows(
            part="test",
            rows=len(label),
            positives=int(label.sum()),
            weighted=found.cells.weighted is not None,
            rows_sha256=hashlib.sha256(label.tobytes()).hexdigest(),
            persons=persons,
        ),
        confidence=confidence,
        findings={name: Strongest(value=None, each=(), why=_UNSEEN) for name in NAMES},
        by_probability=probable,
    )
    return Document.of(found, about)


def _probable(
    given: Mapping[str, GroupProbabilities],
    label: NDArray[np.int8],
    decision: NDArray[np.int8],
    frame: pd.DataFrame,
    *,
    weighted: bool,
    persons: bool,
) -> "dict[str, AttributeByProbability]":
    """Return the attributes that no row states, counted."""
    from fairmark.data.schema import ProbableAttribute
    from fairmark.evaluate.by_probability import counted, refuse_units
    from fairmark.params.parse import typed
    from fairmark.params.prepare import ByProbabilities

    found = {}
    for name, each in given.items():
        where = f"probabilities.{name}"
        if name in frame:
            raise InputError(f"{where}: must be an attribute that groups do not state, got one that they do")
        refuse_units(where, weighted=weighted, persons=persons)
        said: dict[str, Any] = {
            "proxy": each.proxy,
            "version": each.version,
            "error": each.error,
            "bins": each.bins,
        }
        columns = {str(group): str(group) for group in each.groups}
        typed(ByProbabilities, {"by": "probabilities", "columns": columns, **said}, where)
        of = ProbableAttribute(columns={}, **said)
        cells = {str(group): _numbers(chance, f"{where}.{group}") for group, chance in each.groups.items()}
        found[name] = counted(label, decision, cells, of, where)
    return found


_UNSEEN = "decisions alone were given, not the table or the model"


def _bits(values: ArrayLike, name: str) -> NDArray[np.int8]:
    given = np.asarray(values)
    if given.dtype == object and given.ndim == 1:
        given = np.asarray(given.tolist())  # Whole numbers stay so in a column that was mixed.
    if given.ndim != 1 or given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise InputError(f"{name}: must be 0 or 1, one for each row, got {given.ravel()[:5].tolist()!r}")
    return given.astype(np.int8)


def _numbers(values: ArrayLike | None, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: must be numbers, one for each row, got {error}") from error


def _persons(values: ArrayLike, rows: int) -> NDArray[np.intp]:
    """Return the number of each row's person; a row of nobody can't be told from another person's."""
    given = np.asarray(values, dtype=object)
    if given.shape != (rows,):
        raise InputError(f"person: must have the shape of the labels {(rows,)}, got {given.shape}")
    if missing := int(pd.isna(given).sum()):
        raise InputError(f"person: must be given for every row, got none for {missing} of {rows}")
    return pd.factorize(given)[0]


def _check_settings(threshold: float, confidence: float, replicates: int, bins: int, seed: int) -> None:
    whole = {"replicates": (replicates, 2), "bins": (bins, 1), "seed": (seed, 0)}
    faults = [
        f"{name}: must be a whole number of at least {least}, got {value!r}"
        for name, (value, least) in whole.items()
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least
    ]
    if not (_is_number(confidence) and 0 < confidence < 1):
        faults.append(f"confidence: must lie between 0 and 1, got {confidence!r}")
    if not _is_number(threshold):
        faults.append(f"threshold: must be a finite number, got {threshold!r}")
    if faults:
        raise InputError(*faults)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _frame(groups: Groups | None, rows: int) -> pd.DataFrame:
    """Return the groups as texts, a column for each attribute."""
    if isinstance(groups, pd.Series):
        groups = {str(groups.name or "group"): groups.to_numpy()}
    if not isinstance(groups, Mapping | pd.DataFrame):
        raise InputError(
            f"groups: must be a table, a series or a mapping by attribute, got {type(groups).__name__}"
        )
    given = [(str(name), np.asarray(cells, dtype=object)) for name, cells in groups.items()]
    names = [name for name, _ in given]
    faults = [
        f"groups.{name}: must be given once, got {names.count(name)} columns"
        for name in sorted({*names})
        if names.count(name) > 1
    ]
    faults += [
        f"groups.{name}: must have {rows} rows, as the labels, got {len(cells) if cells.ndim else 1}"
        for name, cells in given
        if cells.ndim == 0 or len(cells) != rows
    ]
    faults += [
        f"groups.{name}: must have one cell a row, got {cells.ndim} dimensions"
        for name, cells in given
        if cells.ndim > 1
    ]
    if faults or not given:
        raise InputError(*(faults or ["groups: must have a column for each protected attribute, got none"]))
    columns = {name: pd.Series(cells, dtype=object) for name, cells in given}
    faults = [fault for name, cells in columns.items() for fault in _spelt_alike(name, cells)]
    if faults:
        raise InputError(*faults)
    return pd.DataFrame({name: _named(cells) for name, cells in columns.items()})


def _spelt_alike(name: str, column: pd.Series) -> Iterator[str]:
    """Yield a fault where two values have one spelling: two groups would be one, without a word."""
    of: dict[str, object] = {}
    for cell in column[column.notna()].unique():
        if (known := of.setdefault(str(cell), cell)) != cell:
            found = f"{known!r} and {cell!r}"
            yield f"groups.{name}: must be values that are written in different ways, got {found}"


def _named(column: pd.Series) -> "pd.Series[str]":
    return column.map(lambda cell: MISSING if pd.isna(cell) else quoted(str(cell)))


def audit(  # noqa: PLR0913 - all but the table by name
    frame: pd.DataFrame,
    *,
    target: str,
    positive: bool | float | str | Sequence[bool | int | float | str],
    protected: Sequence[str],
    settings: "Audit | Mapping[str, object] | str | Path",
    drop: Sequence[str] = (),
    person: str | None = None,
    time: str | None = None,
    weight: str | None = None,
) -> "DataAudit":
    """Return who is in a table before anything is learnt from it: groups, proxies, leakage, personal data.

    Parameters
    ----------
    frame
        One row a case; kinds of columns are inferred as `prepare` infers them.
    target, positive
        The label's column, and its positive value or values; all others are negative.
    protected
        Columns that decisions must not turn on.
    settings
        When a column stands out: the section `audit` of params.yaml, as plain values, or a params.yaml.
    drop
        Columns that are left out.
    person, time, weight
        Columns that say whose a row is, when it was, and how much it counts.

    Raises
    ------
    InputError
        With every fault that `prepare` finds in the table.
    ParamsError
        With every fault of the settings.
    """
    from fairmark.data.audit import audited
    from fairmark.data.prepare import prepared
    from fairmark.params.parse import typed
    from fairmark.params.prepare import Audit, Prepare

    standing_out = _section(Audit, settings, "settings", "the section audit")
    names = [str(name) for name in frame.columns] if isinstance(frame, pd.DataFrame) else None
    if names is None or len({*names}) < len(names):
        twice = [] if names is None else sorted({name for name in names if names.count(name) > 1})
        got = f"{', '.join(twice)} twice" if twice else type(frame).__name__
        raise InputError(f"frame: must be a DataFrame that names each column once, got {got}")
    # As NumPy gives them, numbers are no YAML.
    given = [_plain(value) for value in frame[target].dropna().unique()] if target in frame else []
    values = [positive] if isinstance(positive, str) or not isinstance(positive, Iterable) else positive
    wanted = [_plain(value) for value in values]
    section = {
        "files": {
            "main": {"name": "table.parquet", "skip_rows": 0, "rows": {"min": 1, "max": max(1, len(frame))}},
            "test": None,
        },
        "format": {"type": "parquet", "missing": [], "thousands": None, "units": []},
        "target": {
            "column": target,
            "positive": wanted,
            "negative": [value for value in given if value not in wanted] or None,
            "strip": "",
        },
        "row_id": None,
        "person": person,
        "time": time,
        "weight": weight,
        "spellings": {},
        "drop_rows": [],
        "drop": list(drop),
        "columns": {},
        "unlisted": "infer",
        "protected": {name: {"by": "column", "column": name} for name in protected},
        "forbidden": [],
    }
    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        try:
            frame.to_parquet(Path(place) / "table.parquet", index=False)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise InputError(
                f"frame: must hold columns of one kind each, which Parquet can hold, got {error}"
            ) from error
        try:
            found = prepared(Path(place), typed(Prepare, section, "audit"))
        except InputError as error:
            table = str(Path(place) / "table.parquet")
            raise type(error)(*(fault.replace(table, "frame", 1) for fault in error.faults)) from error
    return audited(found.table, found.evidence, found.schema, standing_out)


def _plain(value: object) -> bool | int | float | str:
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, bool | int | float | str):
        raise InputError(f"target: must be texts, numbers or booleans, got {type(value).__name__}")
    return plain


def verify(release: str | Path, key: str | Path | None = None) -> "list[Fact]":
    """Return every claim of a release with whether it holds: `held` is True, False, or None where unknown.

    Parameters
    ----------
    release
        A release folder or an archive of one.
    key
        The public key that it must be signed by (PEM or SSH); without one no seal can be known.

    Raises
    ------
    InputError
        When there is no release there.
    """
    from fairmark.release.handover import release_at
    from fairmark.signing.keys import read_public
    from fairmark.verify.verify import verify as facts

    with release_at(str(release), None) as target:
        return [*facts(target.folder, None, None if key is None else read_public(Path(key)))]


def attest(project: str | Path = ".", key: str | Path | None = None, version: str | None = None) -> Path:
    """Release the evaluation of scores made elsewhere, and return its folder: what `fairmark attest` does.

    `judge` gives the verdict on arrays. What is signed stands on a commit, the data's address and what the
    stages made of it, so that others can hold it to them; a project of `fairmark init --scores` has all that.

    Parameters
    ----------
    project
        The project, committed and with its stages up to date, or a folder in it.
    key
        The private key (PEM) to sign with; by default your own, which is made where there is none.
    version
        Such as `v1.0.0`; by default the next minor version.

    Raises
    ------
    StateError
        When the project is not ready for it, or judges no scores.
    RefusedError
        When the policy was loosened without approvals, or privacy forbids what it would show.
    VerificationError, UndeterminedError
        When what was gathered does not hold together: nothing is signed or tagged then.
    """
    from fairmark.files import project_of
    from fairmark.project.attest import attest as attested
    from fairmark.signing.key_store import key_in, own_key

    signing = own_key(make=True) if key is None else key_in(Path(key))
    return attested(project_of(Path(project)).resolve(), signing, version).folder


def load_release(release: str | Path, key: str | Path) -> Model:
    """Return the model of a release, whose every claim was checked first.

    What is checked is a copy, and the copy is loaded: a folder that changes meanwhile changes nothing.

    Parameters
    ----------
    release
        A release folder or an archive of one.
    key
        The public key that it must be signed by (PEM or SSH).

    Raises
    ------
    VerificationError
        When a claim of the release is wrong, with a line for each.
    StateError
        When a claim can't be told, such as a seal by another key.
    """
    from fairmark.signing.keys import read_public
    from fairmark.verify.verify import verified_copy

    with verified_copy(str(release), read_public(Path(key))) as folder:
        return Model.load(folder / "model", folder / "schema.json", folder / "params.yaml")
