"""Stage `tune`: hyperparameter search for the least disparity at the quality that is needed.

Reads `table`, `evidence` and `schema` of `prepare`, and `rows` of `split`. Writes `tuned` (YAML: the section
`chosen`, a params file of `train`), `trials` (CSV: one line a trial) and `summary` (JSON: the baseline, the
unmitigated model, the frontier, the choice and its reason). Read by `train` and `document`. Test rows are not
looked at. Where trials run, and where finished ones are kept in case of a stop, is the environment's matter:
`FAIRMARK_WORKERS`, `FAIRMARK_DASK_SCHEDULER`, `FAIRMARK_STATE`.
"""

import sys
from functools import partial
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.data.split import read_parts, sizes
from fairmark.data.summaries import SampledPart
from fairmark.entry import run
from fairmark.errors import InputError, ParamsError, StateError
from fairmark.extras import require
from fairmark.files import canonical_floats, write_csv, write_text
from fairmark.learn.alternatives import alternatives
from fairmark.learn.group_threshold_search import reaches
from fairmark.learn.policy_limits import Limits
from fairmark.learn.search import Search
from fairmark.learn.search_results import SearchResults
from fairmark.learn.search_summary import report
from fairmark.learn.search_summary import summary as summary_of
from fairmark.learn.space import Aim
from fairmark.learn.summaries import RivalRow
from fairmark.learn.threshold import Goal
from fairmark.learn.training_data import Ready, ready, searched
from fairmark.learn.trial import Setup, attempt
from fairmark.learn.workers import Checkpoint, Progress, key_of, workers
from fairmark.model.monotone import require_ordered
from fairmark.params.learn import Train, Tune
from fairmark.params.policy import Policy
from fairmark.yaml12 import format_yaml

HEADER = "# Written by the stage tune, read by the stage train: change params.yaml instead.\n"


def tune(  # noqa: PLR0913, PLR0917 - it names every path and section that it reads
    table: Path,
    evidence: Path,
    schema: Path,
    rows: Path,
    tuned: Path,
    trials: Path,
    summary: Path,
    search: Tune,
    base: Train,
    policy: Policy,
) -> None:
    """Write what was chosen, and every trial.

    Raises
    ------
    InputError
        When the files don't fit together, no trial came to anything, or none is of use.
    ParamsError
        When the threshold is for accuracy, one label is rare, and nobody insists;
        When groups are to have thresholds of their own, and no limit says what these are to draw together;
        when a waiver or an override names a group that its attribute does not have, or a column that is none;
        when a monotone constraint is on a column without an order.
    StateError
        When it was stopped by Ctrl-C; the next run goes on where it stood.
    """
    require("pipeline")  # before the first trials, which need less of it than the ones after them
    if base.threshold.by is not None:
        reaches(base.threshold.by, policy)  # before any trial, each of which would fail by it
    described = Schema.read(schema)
    require_ordered(described, base.monotone)
    # The audit looks at withheld columns too.
    columns = [column.name for column in described.columns]
    if strangers := policy.strangers(
        described.groups, columns
    ):  # a waiver of a group that nobody is in would cover nothing
        raise ParamsError(*(f"params.yaml: {fault}" for fault in strangers))
    paths = (table, evidence, schema, rows)
    # Blind in choosing: limits on groups are measured of every trial, and no trial or threshold follows them.
    whole_policy, policy = policy, policy.blind if search.blind == "choice" else policy
    known, stated = _seen(paths, search, base)
    aim, why = _aim(known, search, base, policy.following("accuracy"))
    goal = Goal.of(aim.maximise or "accuracy")
    followed = policy.following(goal.measure)
    if wrong := [limit.name for limit in followed.limits if limit.measure == "profit"]:
        raise ParamsError(
            f"params.yaml: policy.limits.{wrong[0]}.measure: must be another one than goal where thresholds "
            "are for a profit, whose gain policy.constant_answer gates, got goal"
        )
    sections = [section.model_dump_json() for section in (search, base, policy)]
    key = key_of(paths, sections)
    record = Checkpoint.open(key)
    sample = None if search.sample is None else (search.sample, search.seed, search.blind is None)
    rules = (search.margin, key, search.pruning, search.useful, sample)
    trying = partial(attempt, Setup.of(paths, base, policy, *rules))
    try:
        with workers() as executor, Progress(_most(search), goal.spoken) as progress:
            rows_known = len(known.train.label)
            asked = Search(search, followed, trying, executor, record, progress.show, aim, rows_known)
            trials_run = asked.run()
    except KeyboardInterrupt as stop:
        kept = f"{len(record.found)} finished trials kept"
        raise StateError(f"tune: must run to its end, got stopped: run it again, {kept}") from stop
    result = SearchResults(search, followed, goal.measure, trials_run, why, asked.brackets)
    if not result.done:
        raise InputError(*sorted({f"tune: {trial.outcome.failure}" for trial in trials_run}))
    if not result.useful:
        raise InputError(*report(result, float(known.train.label.mean())))
    chosen = {"chosen": canonical_floats(result.best.chosen.model_dump(mode="json"))}
    write_text(tuned, HEADER + format_yaml(chosen))
    write_csv(trials, result.table())
    beside = _rivals(known, result, search, base, goal)
    front = {"alternatives": alternatives(result, whole_policy.following(goal.measure))}
    summary_of(result).model_copy(update=front | beside | stated).write(summary)
    record.forget()


def _seen(
    paths: tuple[Path, Path, Path, Path], search: Tune, base: Train
) -> tuple[Ready, dict[str, dict[str, SampledPart]]]:
    """Return the rows that trials see, and what the summary says of them where they are a sample.

    All rows are let go of on return: a worker in this process reads them once more.
    """
    whole = read_parts(*paths)
    seen = searched(whole, search.sample, search.seed, search.blind is None)
    return ready(seen, base), {} if seen is whole else {"sample": sizes(seen, whole)}


def _rivals(
    known: Ready, result: SearchResults, search: Tune, base: Train, goal: Goal
) -> dict[str, list[RivalRow]]:
    """Return what the summary says of Fairlearn's mitigators; nothing where params do not ask for them."""
    if search.rivals is None:
        return {}
    from fairmark.learn.rivals import rivals

    plain = next((trial.outcome.rounds for trial in result.done if trial.chosen.family == "boosted"), None)
    step = search.mitigation[0]
    return {"rivals": rivals(known, search.rivals, step, base, result.policy, goal, plain)}


def _aim(known: Ready, search: Tune, base: Train, policy: Policy) -> tuple[Aim, str]:
    """Return what all trials share, and why they are cross-fitted, where they are.

    Raises
    ------
    ParamsError
        When the threshold is for accuracy, one label is rare, and nobody insists.
    """
    threshold = base.threshold.resolved(known.positives)
    if refused := threshold.refused(known.positives):
        raise ParamsError(refused)
    why = "" if search.crossfit is None else _too_few(known, search, search.crossfit.below, policy)
    return (
        Aim(
            margin=search.margin,
            folds=search.crossfit.folds if search.crossfit is not None and why else None,
            maximise=threshold.maximise,
            selected=None if search.useful is None else search.useful.selected,
            price=search.price,
            blind=search.blind,
        ),
        why,
    )


def _too_few(known: Ready, search: Tune, below: int, policy: Policy) -> str:
    """Return why validation rows alone say too little, or nothing where they say enough."""
    label = known.valid.label
    rarer = int(min((label == value).sum() for value in (0, 1)))
    if rarer < below:
        return f"{rarer} validation rows have the rarer label, fewer than {below}"
    unknown = Limits(policy, known.rows, search.margin).unknown
    names = ", ".join(limit.name for limit in unknown)
    return f"validation rows are too few for {names}" if unknown else ""


def _most(search: Tune) -> int:
    final = search.finalists
    return search.trials + (final.trials + len(final.near) if final is not None else 0)


if __name__ == "__main__":
    run(tune, sys.argv)
