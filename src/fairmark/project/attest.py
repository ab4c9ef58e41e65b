"""Release an evaluation: judge scores that were made elsewhere, and seal the verdict as a release is sealed.

It is made whatever the verdict is: that a model fails is worth saying too. Everything is asked of a draft
that a passing key has sealed, as a stranger would ask it (`fairmark.verify.verify`); the maker's key signs
after that, and the tag is set last. Killed anywhere, it leaves nothing in the way of the next run.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.errors import StateError, UsageError
from fairmark.governance import policy_gate
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict, judge
from fairmark.params.parse import read_yaml, section
from fairmark.params.read import Params, read_params
from fairmark.params.scores import Scores
from fairmark.project.params_text import TODO
from fairmark.release.build import assemble
from fairmark.release.layout import EVALUATION, SCORES
from fairmark.repo import commit
from fairmark.repo.commit import Trace
from fairmark.repo.dvc_files import check_workspace, stage_outputs
from fairmark.repo.locks import locked
from fairmark.repo.machine import refuse_behind
from fairmark.signing.git_tags import evaluation_line, set_tag
from fairmark.signing.keys import SigningKey
from fairmark.verify.verify import Acceptance, Fact


@dataclass(frozen=True)
class Attested:
    """A release of an evaluation that was made.

    Parameters
    ----------
    facts
        What was verified of it.
    """

    folder: Path
    tag: str
    verdict: Verdict
    facts: Sequence[Fact]


def attest(root: Path, key: SigningKey, version: str | None = None) -> Attested:
    """Release the evaluation of HEAD into `releases/`, signed by `key` and named by a signed tag.

    Parameters
    ----------
    version
        Such as `v1.0.0`; by default the next minor version, or that of HEAD's own tag whose folder is gone.

    Raises
    ------
    StateError
        When the tree is dirty, the stages are not up to date with what they are made from, the project judges
        no scores or does not say whose, or HEAD's evaluation is there already.
    RefusedError
        When the policy was loosened without approvals, or the release would show more of people than privacy
        allows.
    VerificationError, UndeterminedError
        When what was gathered does not hold together.
    """
    if not (root / SCORES).is_file():
        raise StateError(
            f"{SCORES}: must say whose scores are judged (fairmark init --scores), got no such file"
        )
    state = root / ".fairmark"
    state.mkdir(exist_ok=True)
    with locked(state / "release.lock", f"{root}: must have one release at a time, got another that runs"):
        return _attested(root, key, version)


def _attested(root: Path, key: SigningKey, version: str | None) -> Attested:
    seen = commit.trace(root)
    commit.refuse_dirty(seen)
    refuse_behind(seen.committed, dt.datetime.now(tz=dt.UTC))
    params = read_params(root / "params.yaml")
    scores = section(Scores, read_yaml(root / SCORES), SCORES)
    _refuse_unsaid(scores)
    aim, tagged = _aim(root, params, seen, version)
    policy_gate.refuse_unless_approved(root, key.public)
    check_workspace(root)
    _refuse_unmade(root)
    verdict = judged(root, params, scores, seen)
    name = params.project.name
    of = evaluation_line(scores.made_by, scores.version)
    message = f"{params.project.title} {aim}: verdict {verdict.state}\n\n{of}"
    acceptance = Acceptance(root, name, aim, message, seen.commit, key, tagged=tagged)
    folder = root / "releases" / f"{name}-{aim}"
    assemble(root, folder, aim, seen, params, verdict, key, acceptance, EVALUATION)
    # The tag last: until it stands the folder is no evaluation.
    if acceptance.tag is not None:
        set_tag(root, f"{name}@{aim}", acceptance.tag)
    return Attested(folder, f"{name}@{aim}", verdict, acceptance.facts)


def judged(root: Path, params: Params, scores: Scores, seen: Trace) -> Verdict:
    """Return the verdict on what was measured, as of the commit's day, held to the scores and the groups."""
    return judge(
        Measurements.read(root / EVALUATION.gathered["measurements.json"]),
        params.policy,
        dt.date.fromisoformat(seen.committed[:10]),
        expected_threshold=scores.measured_threshold,
        expected_groups=Schema.read(root / EVALUATION.gathered["schema.json"]).groups,
        # No trail counts evaluations: each is judged as the last one that was planned.
        earlier=None if params.policy.budget is None else params.policy.budget.verdicts - 1,
    )


def _refuse_unsaid(scores: Scores) -> None:
    """Do nothing when it is said whose scores were judged: the signed words of an evaluation turn on that."""
    said = {"made_by": scores.made_by, "version": scores.version}
    if open_ := [name for name, text in said.items() if text.startswith(TODO)]:
        raise StateError(
            f"{SCORES}: {' and '.join(open_)} must say who made the model and which version it is, got "
            f"{TODO} (write it, run dvc repro, commit)"
        )


def _refuse_unmade(root: Path) -> None:
    """Do nothing when the pipeline makes all that is gathered, and nothing of it lies there by hand."""
    made = stage_outputs(root)
    places = [place for place in EVALUATION.gathered.values() if place.startswith("artifacts/")]
    if lacking := [place for place in places if place not in made]:
        raise StateError(
            f"dvc.lock: must make {', '.join(lacking)}, got a pipeline that does not "
            "(fairmark init --scores writes one; run dvc repro)"
        )


def _aim(root: Path, params: Params, seen: Trace, asked: str | None) -> tuple[str, bool]:
    """Return the version that is made, and whether HEAD carries its tag already."""
    name = params.project.name
    own = [
        tag.partition("@")[2] for tag in seen.tags if re.fullmatch(rf"{re.escape(name)}@v\d+\.\d+\.\d+", tag)
    ]
    if own and asked in (None, own[-1]):
        if (root / "releases" / f"{name}-{own[-1]}").exists():
            raise StateError(
                f"{name}@{own[-1]}: must be new, got the evaluation of this commit, which is in "
                f"releases/{name}-{own[-1]} (fairmark verify tells whether it holds)"
            )
        return own[-1], True
    if asked is not None and commit.tagged(root, f"{name}@{commit.check_version(asked)}") is not None:
        raise UsageError(f"--version: must be new, got {asked}, which is tagged already")
    return asked or commit.next_version(root, name), False
