"""The flow `release`: from a clean commit to a verified release, or to a plain refusal.

Refuse a dirty tree, retrain, judge, gather (bill of materials and statement with it), verify, and only then
sign, tag and register. What it decides stands in `plan`; what it does stands in `fairmark.release`.

Killed anywhere, it leaves nothing that stands in the way of the next run: the folder takes its name when
it is whole, the tag is set after it, the registry follows the tag, and each of them is made once only.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin(
        "release",
        "Make a release of HEAD.",
        preflight.release,
        version="such as v1.0.0; by default the next minor version",
        costs="no leaves unmeasured what one model costs in time and energy, which no release holds",
    )

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
import datetime as dt
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow
from prefect.artifacts import create_link_artifact, create_table_artifact

from fairmark.errors import StateError
from fairmark.evaluate.costs import costs, costs_line
from fairmark.files import read_json
from fairmark.governance import policy_gate, test_set_budget, trail
from fairmark.params.read import Params, read_params
from fairmark.release import plan
from fairmark.release.layout import GATHERED, MEASUREMENTS, MODEL, VERDICT
from fairmark.release.statement import release_digest
from fairmark.repo import commit, dvc
from fairmark.repo.dvc_files import check_workspace, folder_sha256
from fairmark.repo.machine import refuse_behind
from fairmark.signing.git_tags import set_tag
from fairmark.signing.key_store import own_key, own_public
from flows import preflight, retrain
from flows.audited import audited, note, task
from flows.console import Progress, say
from flows.settings import LOG, ROOT

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict
    from fairmark.release.mlflow_registry import Registered
    from fairmark.repo.commit import Trace

REPORT = GATHERED["report.html"]
SCHEMA = GATHERED["schema.json"]
STATE = ROOT / ".fairmark"


@task()
def judge(params: Params, seen: "Trace") -> "Verdict":
    """Judge what was measured by the policy, and show it in Prefect whatever it is.

    The verdict is that of the commit's day, so that the same commit makes the same release on any day; a
    waiver or override that has expired since then, or does not stand yet, still stops it.
    """
    judged_on = _test_set(params)
    earlier = test_set_budget.earlier_verdicts(trail.entries(ROOT), judged_on)
    note(**judged_on.noted(earlier))
    committed, today = dt.date.fromisoformat(seen.committed[:10]), dt.datetime.now(tz=dt.UTC).date()
    verdict = judged(params, committed, earlier)
    if params.policy.every_waiver and verdict.outcome == "pass" and today != committed:
        now = judged(params, today, earlier)
        if now.outcome != "pass":
            say(f"by the clock here it is {today}: what stood on the commit's day, {committed}, does not now")
            verdict = now
    show(verdict, params.project.name)
    return verdict


def _test_set(params: Params) -> test_set_budget.Judged:
    """Return which model is judged on which test rows."""
    from fairmark.judge.measurements import Measurements

    budget, measured = params.policy.budget, Measurements.read(ROOT / MEASUREMENTS)
    name = None if budget is None else budget.test_set
    return test_set_budget.Judged(measured.model.sha256, measured.data.rows_sha256, name)


def judged(params: Params, day: dt.date, earlier: int) -> "Verdict":
    """Return the verdict on the measurements, held to the model and the groups that they must be of."""
    from fairmark.data.schema import Schema
    from fairmark.judge import verdict
    from fairmark.model.model_file import ModelFile

    made = ModelFile.of(ROOT / MODEL)
    return verdict.judge_document(
        read_json(ROOT / MEASUREMENTS),
        params.policy,
        day,
        expected_model=folder_sha256(ROOT / MODEL),
        expected_threshold=made.threshold,
        expected_thresholds=made.group_thresholds,
        expected_groups=Schema.read(ROOT / SCHEMA).groups,
        earlier=earlier,
    )


def show(verdict: "Verdict", name: str) -> None:
    """Put the verdict and a link to the report into Prefect."""
    told = f"Verdict: {plan.in_words(verdict)}"
    create_table_artifact(plan.table(verdict), key=f"{name}-verdict", description=told)
    create_link_artifact((ROOT / REPORT).as_uri(), link_text="Report", key=f"{name}-report")


@task()
def assemble(
    goal: plan.Goal, seen: "Trace", params: Params, verdict: "Verdict"
) -> tuple[Path, str | None, list[str]]:
    """Gather the release folder, verify and seal it; return it, its tag's object and what was verified."""
    from fairmark.release.build import assemble as gathered
    from fairmark.verify.verify import Acceptance

    folder = folder_of(params, goal.version)
    if folder.exists():
        set_aside(folder)
    # The key is read where it is used, so that Prefect never sees it among a task's parameters.
    key = own_key(make=False)
    message = f"{params.project.title} {goal.version}: verdict {verdict.state}"
    acceptance = Acceptance(
        ROOT, params.project.name, goal.version, message, seen.commit, key, tagged=goal.tagged
    )
    gathered(ROOT, folder, goal.version, seen, params, verdict, key, acceptance)
    return folder, acceptance.tag, [fact.line() for fact in acceptance.facts]


def set_aside(folder: Path) -> None:
    """Move away a folder that no tag names: a killed run left it, or it is not what the tag states."""
    left = STATE / "left" / folder.name
    shutil.rmtree(left, ignore_errors=True)
    left.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, left)
    say(f"{folder.name}: no tag names what stood there; it is in {left.relative_to(ROOT)} now")


@task()
def tag(folder: Path, name: str, made: str | None) -> str:
    """Let the release's tag name the object that was made for it, now that its folder is whole."""
    if made is None:
        return "stands already"
    try:
        set_tag(ROOT, name, made)
    except StateError:
        # Without its tag the folder is no release, and the next run must not take it for one.
        set_aside(folder)
        raise
    return name


@task()
def register(folder: Path, seen: "Trace", params: Params, verdict: "Verdict") -> "Registered":
    """Put the release into MLflow's registry, unless it is there."""
    from fairmark.release.mlflow_registry import register as registered

    return registered(folder, seen, params, verdict, os.environ.get("MLFLOW_TRACKING_URI"))


@task()
def weigh(params: Params) -> dict[str, dict[str, float]]:
    """Measure what the model costs beside the simple first one, and show it in Prefect."""
    found = costs(ROOT / "artifacts", params)
    rows = [{"model": name} | figures for name, figures in found.items()]
    create_table_artifact(rows, key=f"{params.project.name}-costs", description="Costs of one model each")
    return found


@task()
def record(folder: Path, version: "Registered", found: dict[str, dict[str, float]]) -> None:
    """Record what the model costs beside its version in the registry."""
    from fairmark.release.mlflow_registry import record as recorded

    flat = {f"cost.{name}.{key}": value for name, figures in found.items() for key, value in figures.items()}
    recorded(folder, version, flat, os.environ.get("MLFLOW_TRACKING_URI"))


@task()
def verify(folder: Path) -> None:
    """Check every claim of the release, offline, and say of each in one line whether it holds."""
    from fairmark.verify.verify import refuse
    from fairmark.verify.verify import verify as verified

    facts = verified(folder, ROOT, own_public())
    for fact in facts:
        say(fact.line())
    refuse(folder.name, facts)


def ready(root: Path, uri: str | None) -> None:
    """Do nothing when the registry answers; imported here, because it takes a second."""
    from fairmark.release.mlflow_registry import refuse_unready

    refuse_unready(root, uri)


def folder_of(params: Params, version: str) -> Path:
    """Return the folder of a version."""
    return ROOT / "releases" / f"{params.project.name}-{version}"


def aim(asked: str | None, seen: "Trace", params: Params) -> plan.Goal:
    """Return the version that the flow is after.

    Raises
    ------
    StateError
        When the version asked for is tagged already.
    """
    name = params.project.name
    if asked is not None:
        preflight.refuse_taken(ROOT, name, asked)
    return plan.goal(
        asked,
        seen.tags,
        name,
        lambda v: folder_of(params, v).exists(),
        lambda: commit.next_version(ROOT, name),
    )


@flow(name="release")
@audited(lambda: ROOT, needed=True)
def release(version: str | None = None, costs: str | None = None) -> None:
    """Make a release of HEAD, or finish the one that HEAD carries already.

    Parameters
    ----------
    version
        Such as `v1.0.0`; by default the next minor version.
    costs
        `no` leaves unmeasured what one model costs in time and energy.
    """
    with preflight.alone(STATE):
        retrain.put_right()
        seen = commit.trace(ROOT)
        commit.refuse_dirty(seen)
        params = read_params(ROOT / "params.yaml")
        goal = aim(version, seen, params)
        if goal.tagged and goal.present:
            confirm(goal, seen, params)
        else:
            make(goal, seen, params, metered=costs != "no")


def confirm(goal: plan.Goal, seen: "Trace", params: Params) -> None:
    """Check the release that HEAD carries, and register it if a killed run could not."""
    from fairmark.judge.verdict import Verdict

    folder, progress = folder_of(params, goal.version), Progress(["verify", "register"])
    LOG.info("%s is released already: nothing has been committed since", folder.name)
    with progress.step("verify"):
        verify(folder)
    verdict = Verdict.read(folder / VERDICT)
    with progress.step("register") as step:
        step.note = register(folder, seen, params, verdict).text
    summarise(progress, folder, seen, verdict)


def make(goal: plan.Goal, seen: "Trace", params: Params, *, metered: bool = True) -> None:
    """Refuse a policy loosened without approvals; retrain, judge, weigh, gather and verify; tag, register."""
    # By a clock that is behind, waivers would stand that have ended.
    refuse_behind(seen.committed, dt.datetime.now(tz=dt.UTC))
    preflight.need_key()
    held_to(policy_gate.refuse_unless_approved(ROOT))
    progress = Progress([*retrain.steps(), "judge", "costs", "gather", "tag", "register"])
    retrain.run_stages(progress)
    plan.refuse_changed(commit.trace(ROOT).dirty)
    # Before anything is signed: nobody could rebuild a release whose data lies here alone.
    dvc.refuse_unpushed(ROOT)
    with progress.step("judge"):
        check_workspace(ROOT)
        verdict = judge(params, seen)
    note(verdict=verdict.state)
    plan.refuse_unless_passed(verdict, REPORT)
    with progress.step("costs") as step:
        cost = weigh(params) if metered else {}
        step.idle = not metered
    with progress.step("gather"):
        # Before the tag is set, after which there is no way back.
        ready(ROOT, os.environ.get("MLFLOW_TRACKING_URI"))
        goal, folder, made = gather(goal, seen, params, verdict)
    with progress.step("tag") as step:
        name = f"{params.project.name}@{goal.version}"
        step.note, step.idle = tag(folder, name, made), goal.tagged
    with progress.step("register") as step:
        version = register(folder, seen, params, verdict)
        record(folder, version, cost)
        step.note = version.text
    summarise(progress, folder, seen, verdict, costs_line(cost) if metered else "")


def held_to(found: policy_gate.PolicyComparison) -> None:
    """Say what the policy was compared with, as `fairmark policy` does, and note it for the audit trail."""
    note(policy_base=found.base)
    for line in found.lines():
        say(line)


def gather(
    goal: plan.Goal, seen: "Trace", params: Params, verdict: "Verdict"
) -> tuple[plan.Goal, Path, str | None]:
    """Make the folder; if HEAD's tag is not of what can be made here, make the next version."""
    folder, made, lines = assemble(goal, seen, params, verdict)
    name = f"{params.project.name}@{goal.version}"
    why = preflight.tag_difference(ROOT, name, folder) if goal.tagged else None
    if why is not None:
        set_aside(folder)
        goal = plan.Goal(commit.next_version(ROOT, params.project.name), tagged=False, present=False)
        say(f"{name} {why}: making {goal.version} instead")
        folder, made, lines = assemble(goal, seen, params, verdict)
    for line in lines:
        say(line)
    return goal, folder, made


def stale_citations() -> list[str]:
    """Return which laws that the released policy cites are to be read again, by today."""
    from fairmark.params.read import read_params

    return read_params(ROOT / "params.yaml").policy.stale_citations(dt.datetime.now(tz=dt.UTC).date())


def summarise(progress: Progress, folder: Path, seen: "Trace", verdict: "Verdict", cost: str = "") -> None:
    """Tell what was made, what was measured and how long it took."""
    from fairmark.judge.measurements import Measurements

    note(release=folder.name, statement_sha256=release_digest(folder), verdict=verdict.state)
    name, _, version = folder.name.rpartition("-")
    lines = [
        ("release", str(folder.relative_to(ROOT))),
        ("tag", f"{name}@{version} on commit {seen.commit[:12]}"),
        ("signed", preflight.signed_by()),
        ("verdict", verdict.state),
        *(("stands on", each) for each in verdict.stands_on),
        *(("policy", each) for each in verdict.lines),
        *(("note", each) for each in stale_citations()),
        *plan.figures(Measurements.read(folder / "measurements.json")),
        *([("costs", cost)] if cost else []),
        ("report", str((folder / "report.html").relative_to(ROOT))),
        ("time", progress.split({"stages": retrain.steps()})),
    ]
    width = max(len(title) for title, _ in lines)
    LOG.info("")
    for title, text in lines:
        LOG.info("%s  %s", title.ljust(width), text)


if __name__ == "__main__":
    command.run(release, **GIVEN)
