"""A release of an evaluation: its documents in a folder, tied together by one signed statement.

An in-toto Statement names every file by its SHA-256; its predicate says whose decisions were judged, by which
scores, on which data and commit, with what verdict, and what stays open without the model. It is made
whatever the verdict is: that a model fails is worth saying too. Nothing in it depends on clock, host or user.
"""

import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from fairmark.data.schema import Schema
from fairmark.errors import InputError, StateError, VerificationError
from fairmark.files import read_json, sha256
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict, judge, judge_document
from fairmark.params.parse import read_yaml, section
from fairmark.params.read import read_params
from fairmark.params.scores import Scores
from fairmark.record import CamelRecord, first_difference
from fairmark.release.statement import FileDigest, Subject
from fairmark.repo import commit
from fairmark.repo.dvc_files import check_workspace, data_outputs
from fairmark.report.evaluation import UNKNOWN
from fairmark.signing.dsse import Envelope, seal
from fairmark.signing.keys import PublicKey, SigningKey

STATEMENT = "evaluation.intoto.json"
VERDICT = "verdict.json"
PREDICATE_TYPE: Literal["urn:fairmark:evaluation:1"] = "urn:fairmark:evaluation:1"

GATHERED = {
    "params.yaml": "params.yaml",
    "scores.yaml": "scores.yaml",
    "schema.json": "artifacts/prepare/schema.json",
    "prepared.json": "artifacts/prepare/summary.json",
    "audit.json": "artifacts/audit/audit.json",
    "measurements.json": "artifacts/evaluate/measurements.json",
    "metrics.json": "artifacts/evaluate/metrics.json",
    "evaluation-card.md": "artifacts/document/evaluation-card.md",
    "report.html": "artifacts/document/report.html",
}
"""File of the folder -> where the project has it; the verdict and the statement are made beside them."""


class DataAddress(CamelRecord):
    """What was judged on: a path that DVC tracks, and its address."""

    path: str
    md5: str


class EvaluationPredicate(CamelRecord):
    """What a statement says of an evaluation."""

    project: str
    made_by: str
    version: str
    scores_sha256: str
    """Of every row's id, score and decision."""
    verdict: str
    judged_on: str
    commit: str
    data: tuple[DataAddress, ...]
    not_known: tuple[str, ...]


class EvaluationStatement(CamelRecord):
    """An in-toto Statement v1 on an evaluation."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(
        validation_alias="_type", serialization_alias="_type"
    )
    predicate: EvaluationPredicate
    predicate_type: Literal["urn:fairmark:evaluation:1"]
    subject: tuple[Subject, ...]


def attest(root: Path, key: SigningKey) -> tuple[Path, Verdict]:
    """Gather an evaluation into `releases/`, seal it, and return its folder and its verdict.

    Raises
    ------
    StateError
        When the tree is dirty, the stages are not up to date with what they are made from, the project judges
        no scores, or the folder exists already.
    """
    if not (root / "scores.yaml").is_file():
        raise StateError(
            "scores.yaml: must say whose scores are judged (fairmark init --scores), got no such file"
        )
    seen = commit.trace(root)
    commit.refuse_dirty(seen)
    check_workspace(root)
    params = read_params(root / "params.yaml")
    scores = section(Scores, read_yaml(root / "scores.yaml"), "scores.yaml")
    measurements = Measurements.read(root / GATHERED["measurements.json"])
    day = dt.date.fromisoformat(seen.committed[:10])
    groups = Schema.read(root / GATHERED["schema.json"]).groups
    verdict = judge(measurements, params.policy, day, expected_groups=groups)
    folder = root / "releases" / f"{params.project.name}-evaluation-{seen.commit[:12]}"
    if folder.exists():
        raise StateError(
            f"{folder}: must be new, got the evaluation of this commit (fairmark attest --check tells)"
        )
    draft = root / ".fairmark" / "attest"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, place in GATHERED.items():
        shutil.copyfile(root / place, draft / name)
    verdict.write(draft / VERDICT)
    predicate = EvaluationPredicate(
        project=params.project.name,
        made_by=scores.made_by,
        version=scores.version,
        scores_sha256=measurements.model.sha256,
        verdict=verdict.state,
        judged_on=day.isoformat(),
        commit=seen.commit,
        data=tuple(DataAddress(path=path, md5=found.md5) for path, found in data_outputs(root).items()),
        not_known=UNKNOWN,
    )
    statement = EvaluationStatement(
        type_="https://in-toto.io/Statement/v1",
        predicate=predicate,
        predicate_type=PREDICATE_TYPE,
        subject=tuple(_subjects(draft)),
    )
    seal(statement.to_json(), key).write(draft / STATEMENT)
    check(draft, [key.public])
    folder.parent.mkdir(exist_ok=True)
    draft.rename(folder)
    return folder, verdict


def _subjects(folder: Path) -> list[Subject]:
    names = sorted(path.name for path in folder.iterdir() if path.name != STATEMENT)
    return [Subject(name=name, digest=FileDigest(sha256=sha256(folder / name))) for name in names]


def check(folder: Path, keys: Sequence[PublicKey]) -> EvaluationPredicate:
    """Return what the statement of an evaluation says, once all that can be checked without the table holds.

    Its signature is of one of `keys`, its files are all that it names and nothing else, and the verdict is
    what the policy in its params.yaml says of its measurements. Report and card are held by their digests.

    Raises
    ------
    VerificationError
        With a line for each that does not hold.
    InputError
        When the folder holds no such statement.
    """
    envelope = Envelope.read(folder / STATEMENT)
    if not envelope.signers(keys):
        raise VerificationError(
            f"{STATEMENT}: must be signed by a key that you trust, got {', '.join(envelope.keyids)}"
        )
    try:
        statement = EvaluationStatement.from_json(envelope.statement, STATEMENT)
    except InputError as error:
        raise VerificationError(*error.faults) from error
    named = {each.name: each.digest.sha256 for each in statement.subject}
    here = {each.name: each.digest.sha256 for each in _subjects(folder)}
    faults = [
        f"{name}: must be the file that the statement names, got "
        f"{'none' if name not in here else 'other bytes'}"
        for name, digest in named.items()
        if here.get(name) != digest
    ]
    faults += [
        (f"{name}: must be named by the statement, got a file beside it")
        for name in here
        if name not in named
    ]
    faults += [
        (f"{name}: must be part of an evaluation, got none")
        for name in (*GATHERED, VERDICT)
        if name not in named
    ]
    if faults:
        raise VerificationError(*faults)
    _check_verdict(folder, statement.predicate)
    return statement.predicate


def _check_verdict(folder: Path, said: EvaluationPredicate) -> None:
    try:
        written = Verdict.read(folder / VERDICT)
        policy = read_params(folder / "params.yaml").policy
        groups = Schema.read(folder / "schema.json").groups
        day = dt.date.fromisoformat(said.judged_on)
        again = judge_document(read_json(folder / "measurements.json"), policy, day, expected_groups=groups)
        measured = Measurements.read(folder / "measurements.json").model.sha256
    except (InputError, ValueError) as error:
        raise VerificationError(
            f"{folder.name}: must hold the documents of an evaluation, got {error}"
        ) from error
    if apart := first_difference(again.to_json(), written.to_json()):
        raise VerificationError(f"{VERDICT}: must be what the policy says of the measurements, got {apart}")
    if said.verdict != written.state:
        raise VerificationError(f"{STATEMENT}: must name the verdict {written.state}, got {said.verdict}")
    if measured != said.scores_sha256:
        raise VerificationError(
            "measurements.json: must be of the scores that the statement names, got others"
        )
