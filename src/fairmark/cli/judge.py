"""The verb that judges measurements by a policy."""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.cli.verb import Verb
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict
    from fairmark.params.policy import Budget, Overlay

MEASURED = "artifacts/evaluate/measurements.json"
TRAINED = "artifacts/train/model"
"""What the stages measured, and the model that they trained, in a project."""

SCHEMAS = ("../schema.json", "../../prepare/schema.json")

"""Where the schema lies beside a model: in a release, and among the stages' outputs."""


class Judge(Verb):
    """`fairmark judge [MEASUREMENTS PARAMS]`: the verdict on measurements by a params file's policy.

    Without either it judges what the stages measured in this project, held to the model that they trained.
    """

    name = "judge"
    help = "judge measurements by the policy of a params file"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument(
            "measurements", type=Path, nargs="?", metavar="MEASUREMENTS",
            help="a measurements.json; by default what the stages wrote here",
        )  # fmt: skip
        parser.add_argument("params", type=Path, nargs="?", metavar="PARAMS", help="a params.yaml")
        parser.add_argument(
            "--model",
            type=Path,
            metavar="FOLDER",
            help="a model's folder: "
            "fail measurements of another model, of other thresholds or without a group",
        )
        parser.add_argument(
            "--schema",
            type=Path,
            metavar="FILE",
            help="the schema.json with every group; as a rule it is found beside the model",
        )
        parser.add_argument("--json", action="store_true", help="write the verdict as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Judge by today's date, say what was found, and return 0 for `pass`, else 3.

        Raises
        ------
        UsageError
            When there is a model without a schema, a schema without a model, or no folder of the model.
        InputError
            When the folder holds no model, or a file is not what it should be.
        """
        import datetime as dt

        from fairmark.errors import UsageError
        from fairmark.files import read_json
        from fairmark.judge.verdict import judge_document
        from fairmark.params.read import read_params
        from fairmark.release.plan import in_words

        if given.measurements is None:
            _name_own(given)
        elif given.params is None:
            raise UsageError(f"PARAMS: must be given beside {given.measurements}, got no params.yaml")
        policy, today = read_params(given.params).policy, dt.datetime.now(tz=dt.UTC).date()
        expected = _expected(given.model, given.schema)
        measured = read_json(given.measurements)
        verdict = judge_document(
            measured,
            policy,
            today,
            **expected,
            earlier=_earlier(measured, policy.budget),
        )
        if given.json:
            say_json(verdict.to_json())
        else:
            for finding in verdict.findings:
                say(f"{finding.outcome}: {finding.text}")
            for each in policy.overlays:
                _say_own(each, verdict)
            say(*(f"note: {text}" for text in policy.stale_citations(today)))
            say(*verdict.lines)
            say(f"verdict: {in_words(verdict)}")
        return 0 if verdict.outcome == "pass" else 3


def _say_own(overlay: "Overlay", verdict: "Verdict") -> None:
    """Say what was found of the limits that an overlay adds or replaces."""
    own = {limit.name for limit in overlay.limits}
    found = next(each.verdict for each in verdict.overlays if each.name == overlay.name)
    for finding in found.findings:
        if finding.limit in own:
            say(f"{finding.outcome}: {overlay.name}: {finding.text}")
    say(*(f"fail: {overlay.name}: {fault}" for fault in found.faults))


def _earlier(measured: object, budget: "Budget | None") -> int | None:
    """Return how many other verdicts the project's trail knows on the test set before."""
    from fairmark.errors import FairmarkError
    from fairmark.files import project_of
    from fairmark.governance.test_set_budget import Judged, earlier_verdicts
    from fairmark.governance.trail import entries

    match measured:
        case {"model": {"sha256": str(model)}, "data": {"rows_sha256": str(rows)}} if budget is not None:
            with suppress(FairmarkError):
                return earlier_verdicts(entries(project_of(Path())), Judged(model, rows, budget.test_set))
    return None


def _name_own(given: argparse.Namespace) -> None:
    """Let the call speak of what the stages made in the project around this folder."""
    from fairmark.errors import StateError
    from fairmark.files import project_of

    root = project_of(Path())
    given.measurements, given.params = root / MEASURED, root / "params.yaml"
    if not given.measurements.is_file():
        must = "must be what the stages measured here (dvc repro makes it)"
        raise StateError(f"{given.measurements}: {must}, got no such file")
    if given.model is None and (root / TRAINED).is_dir():
        given.model = root / TRAINED


def _expected(model: Path | None, schema: Path | None) -> dict[str, Any]:
    """Return what measurements must speak of: nothing, or this model, its thresholds and every group."""
    from fairmark.errors import UsageError

    if model is None:
        if schema is not None:
            raise UsageError(f"--schema: must come with --model, got {schema} alone")
        return {}
    if not model.is_dir():
        raise UsageError(f"--model: must be a model's folder, got {model}, which is none")
    from fairmark.data.schema import Schema
    from fairmark.model.model import Model, digest

    if schema is None:
        schema = next((path for place in SCHEMAS if (path := model.resolve() / place).is_file()), None)
    if schema is None:
        raise UsageError(f"--schema: must name a schema.json, because none lies beside {model}, got nothing")
    stated = Model.load(model).stated
    return {
        "expected_model": digest(model),
        "expected_threshold": stated["threshold"],
        "expected_thresholds": stated.get("thresholds"),
        "expected_groups": Schema.read(schema).groups,
    }
