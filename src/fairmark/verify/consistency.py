"""Do the parts of a release agree: params, pipeline, data, model, measurements and verdict."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import VerificationError
from fairmark.files import canonical_floats
from fairmark.judge.alternatives import gains, mean_of
from fairmark.model.model_file import MODEL_JSON
from fairmark.model.protected_use import ProtectedUse
from fairmark.params.learn import stated_goal
from fairmark.params.prepare import ByCross
from fairmark.record import first_difference
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import ALTERNATIVES, DATASHEET, EVALUATION, REFERENCE, SCORES, VERDICT
from fairmark.release.statement import FileInput, stated_policies
from fairmark.repo.dvc_files import Output, address, files_of, folder_address, names

if TYPE_CHECKING:
    from fairmark.judge.measurements import ConfusionCounts, Measurements
    from fairmark.judge.verdict import Verdict


def params(release: ReleaseFolder) -> str:
    """Check that params.yaml says what the statement says was chosen."""
    chosen = release.statement.external
    stated = {**chosen.params, "policy": chosen.policy}
    same(release.written_params, stated, "params.yaml", "what the statement says was chosen")
    same(release.params.project.name, chosen.name, "params.yaml: project.name", "the statement's name")
    if release.kind is EVALUATION:
        same(release.written_scores, {"scores": chosen.scores}, SCORES, "what the statement says was judged")
    return "what params.yaml says is what was chosen, policy included"


def pipeline(release: ReleaseFolder) -> str:
    """Check that dvc.lock ran with the params of this release, and the model with the settings it chose."""
    stages, written = release.lock.stages, release.written_params
    for name, stage in stages.items():
        if name in written and name not in stage.params.get("params.yaml", {}):
            raise VerificationError(
                f"dvc.lock: {name}: must have run with its section of params.yaml, got none"
            )
        for file, values in stage.params.items():
            for key, value in values.items():
                if file == "params.yaml":
                    same(value, _at(written, key), f"dvc.lock: {name}: {key}", "what params.yaml says")
                elif file == SCORES and release.kind is EVALUATION:
                    said = _at(release.written_scores, key, SCORES)
                    same(value, said, f"dvc.lock: {name}: {key}", f"what {SCORES} says")
                elif key == "chosen" and release.kind is not EVALUATION:
                    made = release.model_file.chosen.model_dump(mode="json")
                    same(
                        value,
                        made,
                        f"dvc.lock: {name}: chosen",
                        "what the model was made with",
                    )
                else:
                    raise VerificationError(
                        f"dvc.lock: {name}: must have run with params of the release, got "
                        f"{key[:80]!a} of {file[:80]!a}"
                    )
    return f"{len(stages)} stages ran with these params"


def data(release: ReleaseFolder) -> str:
    """Check that the data files stated, data.dvc and what the stages read are the same data."""
    read: dict[str, set[str]] = {}
    for stage in release.lock.stages.values():
        for path, dep in stage.deps.items():
            if path in release.data:
                read.setdefault(path, set()).add(dep.md5)
    if not read:
        raise VerificationError("dvc.lock: must read the data of data.dvc, got no stage that does")
    # DVC knows data by MD5, the statement by SHA-256: only together do they tie rows to a hash that holds.
    belonging, count = _by_output(release), 0
    for path, output in release.data.items():
        stated = belonging.get(path, [])
        sums = _sums(path, stated)
        for where, found, held in (
            ("dvc.lock", read.get(path, set()), read.get(path, set()) <= {output.md5}),
            ("statement", sums, sums == {output.md5}),  # naming no file of the data says nothing of it
        ):
            if not held:
                raise VerificationError(f"{where}: must speak of the data {output.md5}, got {sorted(found)}")
        count += len(stated)
    return f"{count} data files, at the address of data.dvc, are what the stages read"


def outputs(release: ReleaseFolder) -> str:
    """Check that the stages' outputs in the release have the bytes that dvc.lock and the statement name."""
    named = release.lock.outputs
    kind = release.kind
    made = {name: source for name, source in kind.gathered.items() if source.startswith("artifacts/")}
    if not release.has_reference:
        made.pop(REFERENCE, None)
    faults = [
        f"{name}: must be the {source} of dvc.lock, got the MD5 {address(release.folder / name)}"
        for name, source in made.items()
        if source not in named or named[source].md5 != address(release.folder / name)
    ]
    sheet = Path(DATASHEET).name
    if DATASHEET in release.statement.inputs or sheet in release.files:
        made[sheet] = DATASHEET
    faults += [
        f"{name}: must be the {source} of the statement, got {_found(release, name)}"
        for name, source in made.items()
        if not _as_stated(release, name, source)
    ]
    faults += _addresses(release, named)
    if faults:
        raise VerificationError(*faults)
    return f"{len(made)} outputs have the bytes that dvc.lock and the statement name"


def model(release: ReleaseFolder) -> str:
    """Check that the measurements are of this model at this threshold."""
    found, measured = release.model_file, release.measurements.model
    there = {name: release.sha256(f"model/{name}") for name in names(release.folder / "model")}
    # It names the hashes of the other files, and can't name its own.
    there.pop(MODEL_JSON, None)
    same(found.files, there, f"model/{MODEL_JSON}", "of the files of the model")
    digest, own, stated = release.model_sha256, found.thresholds, measured.thresholds
    same(measured.sha256, digest, "measurements.json", "of this model")
    same(measured.threshold, found.threshold, "measurements.json", "at the model's threshold")
    wanted = found.group_thresholds
    same(stated and stated.to_json(), wanted, "measurements.json", "at its groups' thresholds")
    goal = None if measured.goal is None else measured.goal.to_json()
    same(
        goal,
        stated_goal(found.chosen).get("goal"),
        "measurements.json",
        "for what the model's threshold is for",
    )
    if own is None:
        return f"model {digest[:12]}… was measured at its threshold {found.threshold:.4g}"
    each = ", ".join(f"{group} {cut:.4g}" for group, cut in own.groups.items())
    return f"model {digest[:12]}… was measured at its thresholds by {own.attribute}: {each}"


def verdict(release: ReleaseFolder) -> str:
    """Check that judging the measurements by the policy again gives the verdict, and that a model passes."""
    committed = release.statement.commit.annotations.committed[:10]
    # Waivers end on a day, so the verdict has to name it, and it can't be chosen after the commit.
    if release.verdict.judged_on not in (None, committed):  # a day of one's own lets any waiver stand
        raise VerificationError(
            f"{VERDICT}: must be judged on the commit's day, {committed}, "
            f"got {str(release.verdict.judged_on)[:40]!a}"
        )
    same(
        release.verdict.to_json(),
        judged(release).to_json(),
        VERDICT,
        "what the policy gives on these measurements",
    )
    outcome = release.verdict.outcome
    stated = release.statement.predicate.build_definition.internal_parameters.verdict
    state = release.verdict.state
    if release.kind is EVALUATION:
        same(stated, state, VERDICT, "the verdict of the statement")
    else:
        same([stated, outcome], [state, "pass"], VERDICT, "a pass, here and in the statement")
    policies = release.statement.predicate.build_definition.internal_parameters.policies
    same(policies or {}, stated_policies(release.verdict) if release.verdict.overlays else {}, VERDICT,
         "the verdicts by overlay of the statement")  # fmt: skip
    _same_uses(release)
    each = "".join(f"; {line}" for line in release.verdict.lines)
    return f"{state}, and the same when judged again{each}"


def _same_uses(release: ReleaseFolder) -> None:
    """Refuse a statement that says otherwise than the model how protected attributes were used.

    A model of another blindness than params.yaml asks of the search is refused too.
    """
    uses = release.statement.predicate.build_definition.internal_parameters.protected_attributes
    if release.kind is EVALUATION:  # it has no model
        return
    if uses is None:  # silence would be the way round the comparison below
        raise VerificationError(
            "statement.json: protectedAttributes: must say how protected attributes were used, got nothing"
        )
    params = release.params
    blind = release.model_file.chosen.blind
    same(blind, params.tune.blind, f"model/{MODEL_JSON}: chosen: blind", "the tune.blind of params.yaml")
    made = ProtectedUse.of_file(
        release.model_file, params.policy, params.prepare.singles, params.split.weighed_by
    )
    same(uses.to_json(), made.to_json(), "statement.json: protectedAttributes", "as the model was made")


def metrics(release: ReleaseFolder) -> str:
    """Check that metrics.json says what was measured, and nothing besides."""
    found, measured = release.metrics, release.measurements
    threshold, own = _thresholds(release)
    # A name that was never measured is missing here, and so comes out as a difference.
    overall = {name: measured.overall[name].value for name in found.overall if name in measured.overall}
    same(dict(found.overall), overall, "metrics.json", "what was measured")
    same(found.threshold, threshold, "metrics.json: threshold", "the one that decides")
    stated = None if found.thresholds is None else dict(found.thresholds)
    same(stated, own, "metrics.json: thresholds", "those of the model")
    wanted = {
        attribute: {name: entry.value for name, entry in gaps.items()}
        for attribute, gaps in measured.disparities.items()
    }
    same(
        {name: dict(gaps) for name, gaps in found.fairness.items()},
        wanted,
        "metrics.json",
        "what was measured",
    )
    if not overall:
        raise VerificationError("metrics.json: must have quality, got no measure of all rows")
    if release.kind is not EVALUATION:
        _same_rivals(release)
    return f"{len(overall)} measures, and the gaps by {', '.join(found.fairness)}, as measured"


def _same_rivals(release: ReleaseFolder) -> None:
    """Refuse alternatives of another model, or with other means than the gate reads or its values give."""
    found, asked = release.alternatives, release.params.evaluate.alternatives
    same(found.model_sha256, release.model_sha256, ALTERNATIVES, "of this model")
    same(
        found.smallest_cell,
        release.params.privacy.smallest_cell,
        ALTERNATIVES,
        "of the cells that privacy allows",
    )
    known = release.measurements.alternatives
    read = None if known is None else [each.to_json() for each in known]
    wanted = None if asked is None else [each.to_json() for each in found.judged]
    same(read, wanted, "measurements.json: alternatives", f"what {ALTERNATIVES} says of each rival")
    for each in found.rivals:
        same(
            each.mean.to_json(),
            mean_of([each.beside, *each.refits]).to_json(),
            ALTERNATIVES,
            "the mean over refits",
        )
        beside = gains(release.params.policy, found.test, each.test) if found.test is not None else None
        same(each.beside.to_json(), beside and beside.to_json(), ALTERNATIVES, "what both models come to")


def reference(release: ReleaseFolder) -> str:
    """Check that reference.json counts the features of this model, and the decisions that were measured."""
    if not release.has_reference:
        return "none: the fairmark that made the release wrote no reference, so that it can't be watched"
    found, measured, params = release.reference, release.measurements, release.params
    same(found.model_sha256, release.model_sha256, REFERENCE, "of this model")
    same(found.smallest_cell, params.privacy.smallest_cell, REFERENCE, "of the cells that privacy allows")
    same(found.test_rows, measured.data.rows, REFERENCE, "of the rows that were measured")
    known = [(column.name, column.kind) for column in release.encoder_file.columns]
    same(
        [[each.name, each.kind] for each in found.features],
        [[*each] for each in known],
        REFERENCE,
        "of the features that the model knows",
    )
    for name, entry in (("all", measured.cells), *_cells(measured)):
        decided = found.decided if name == "all" else found.groups.get(name[0], {}).get(name[1])
        same(
            None if decided is None else decided.to_json(),
            dict(entry.each()),
            f"{REFERENCE}: {name if name == 'all' else ' '.join(name)}",
            "the decisions that were measured",
        )
    same(_groups(found.groups), _groups(measured.groups), REFERENCE, "of the groups that were measured")
    most = params.evaluate.reference_bins
    for each in found.features:
        categories = next((it.categories for it in release.schema.features if it.name == each.name), None)
        if each.edges is not None and each.bins > most:
            raise VerificationError(
                f"{REFERENCE}: {each.name}: must have at most {most} bins, got {each.bins}"
            )
        if categories is not None and (strange := {*(each.categories or ()), *each.others} - {*categories}):
            raise VerificationError(
                f"{REFERENCE}: {each.name}: must have categories of schema.json, got {min(strange)[:80]!a}"
            )
    merged = f", {found.merged} places in a cell with others" if found.merged else ""
    return (
        f"{len(known)} features on {found.train_rows} train and {found.test_rows} test rows, and the "
        f"decisions as measured; counts of {found.smallest_cell} or more{merged}"
    )


def _cells(measured: "Measurements") -> Iterator[tuple[tuple[str, str], "ConfusionCounts"]]:
    for attribute, groups in measured.groups.items():
        yield from (((attribute, group), entry.cells) for group, entry in groups.items())


def _groups(found: Mapping[str, Mapping[str, object]]) -> dict[str, list[str]]:
    return {attribute: sorted(groups) for attribute, groups in found.items()}


def _thresholds(release: ReleaseFolder) -> tuple[float, "Mapping[str, float] | None"]:
    """Return the threshold that decides, and those of its groups where the model has some."""
    if release.kind is EVALUATION:
        return release.scores.measured_threshold, None
    model = release.model_file
    return model.threshold, None if model.thresholds is None else model.thresholds.groups


def schema(release: ReleaseFolder) -> str:
    """Check that schema.json is what the params ask for, and what the model and the measurements know."""
    found, prepare = release.schema, release.params.prepare
    target, label = prepare.target, found.label
    same(label.column, target.column, "schema.json: label", "the target of params.yaml")
    for end, spelled, wanted in (
        ("positive", label.positive, target.positive),
        ("negative", label.negative, target.negative),
    ):
        if isinstance(wanted, str):
            same(spelled, wanted, f"schema.json: label: {end}", "what params.yaml says")
    for key, value, said in (
        ("row_id", found.row_id, prepare.row_id),
        ("timed", found.timed, prepare.time is not None),
        ("weighted", found.weighted, prepare.weight is not None),
        ("test_file", found.test_file, prepare.files.test is not None),
    ):
        same(value, said, f"schema.json: {key}", "what params.yaml says")
    attributes, protected = found.attributes, prepare.grouped
    probable = {name: each.to_json() for name, each in (found.by_probability or {}).items()}
    stated = {name: each.model_dump(exclude={"by"}) for name, each in prepare.by_probability.items()}
    same(probable, stated, "schema.json: byProbability", "what params.yaml says of probabilities")
    measured = release.measurements.by_probability or {}
    told = {name: each.about for name, each in measured.items()}
    same(told, {name: each | {"columns": sorted(each["columns"].values())} for name, each in stated.items()},
         "measurements.json: by_probability", "what params.yaml says of probabilities")  # fmt: skip
    same(sorted(attributes), sorted(protected), "schema.json: attributes", "those of params.yaml")
    for name, entry in attributes.items():
        attribute = protected[name]
        same(entry.by, attribute.by, f"schema.json: {name}", "made as params.yaml says")
        if isinstance(attribute, ByCross):
            parts = [attributes[part] for part in attribute.of]
            columns = [*dict.fromkeys(each for part in parts for each in part.columns)]
        else:
            columns = [attribute.column]
        same(entry.columns, columns, f"schema.json: {name}", "of the columns that params.yaml says")
        groups = sorted(release.measurements.groups[name])
        same(sorted(entry.groups), groups, f"schema.json: {name}", "of the groups that were measured")
    others = f"{len(attributes)} attributes and the label"
    if release.kind is EVALUATION:
        judged = [name for name in (release.scores.score, release.scores.decision) if name is not None]
        same(sorted(found.feature_names), sorted(judged), "schema.json: features", f"the columns of {SCORES}")
        return f"{others}, as params say; kept beside them: {', '.join(judged)}"
    known = {column.name: column for column in release.encoder_file.columns}
    same(found.feature_names, list(known), "schema.json: features", "the model's")
    for feature in found.features:
        column, where = known[feature.name], f"schema.json: {feature.name}"
        same(feature.kind, column.kind, where, "of the kind that the model knows")
        if lacking := [each for each in column.categories or () if each not in (feature.categories or ())]:
            raise VerificationError(
                f"{where}: must have the categories that the model knows, got no {lacking[0][:80]!a}"
            )
    return f"{len(known)} features, {others}, as params and model say"


def judged(release: ReleaseFolder) -> "Verdict":
    """Return the verdict of the policy on the measurements, as of the day it was judged."""
    import datetime as dt

    from fairmark.judge.verdict import judge

    day = release.verdict.judged_on
    when = None if day is None else dt.date.fromisoformat(day)
    if release.kind is EVALUATION:
        return judge(
            release.measurements,
            release.params.policy,
            when,
            expected_threshold=release.scores.measured_threshold,
            expected_groups=release.schema.groups,
            earlier=release.verdict.earlier,
        )
    return judge(
        release.measurements,
        release.params.policy,
        when,
        expected_model=release.model_sha256,
        expected_threshold=release.model_file.threshold,
        expected_thresholds=release.model_file.group_thresholds,
        expected_groups=release.schema.groups,
        earlier=release.verdict.earlier,
    )


def _by_output(release: ReleaseFolder) -> dict[str, list[FileInput]]:
    """Return the files of each output of DVC, as the statement names them."""
    belonging: dict[str, list[FileInput]] = {}
    for item in release.statement.inputs.values():
        if item.output is not None:
            belonging.setdefault(item.output, []).append(item)
    return belonging


def _addresses(release: ReleaseFolder, named: Mapping[str, Output]) -> Iterator[str]:
    """Yield a fault for each output whose files, as the statement names them, are not what dvc.lock says."""
    belonging = _by_output(release)
    for path, output in named.items():
        if (sums := _sums(path, belonging.get(path, []))) != {output.md5}:
            yield f"statement: must name the files of {path} by {output.md5} of dvc.lock, got {sorted(sums)}"


def _as_stated(release: ReleaseFolder, name: str, source: str) -> bool:
    """Return whether the file or folder `name` has the SHA-256 of what the release was made from."""
    stated = release.statement.digests_of_inputs
    return all(
        stated.get(source + file.removeprefix(name)) == release.sha256(file)
        for file in files_of(release.folder, name)
    )


def _found(release: ReleaseFolder, name: str) -> str:
    files = [*files_of(release.folder, name)]
    return f"the SHA-256 {release.sha256(files[0])[:12]}…" if files == [name] else f"{len(files)} files of it"


def _sums(path: str, stated: list[FileInput]) -> set[str]:
    """Return the addresses that the stated files of an output give, the one they add up to included."""
    if not stated:
        return set()
    files = {item.name.removeprefix(f"{path}/"): item.md5 for item in stated}
    whole = files[path] if [*files] == [path] else folder_address(files)
    return {whole, *(item.annotations.output_address for item in stated if item.annotations is not None)}


def _at(value: object, key: str, where: str = "params.yaml") -> object:
    """Return what stands in a params file at a key of DVC: parts joined by dots.

    Raises
    ------
    VerificationError
        When nothing stands there.
    """
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise VerificationError(f"{where}: must hold {key[:80]!a}, got no {part[:80]!a} in it")
        value = value[part]
    return value


def same(found: object, wanted: object, where: str, what: str) -> None:
    """Do nothing for equal values, floats to the digits that are written; else raise VerificationError."""
    if difference := first_difference(canonical_floats(wanted), canonical_floats(found)):
        raise VerificationError(f"{where}: must be {what}, got {difference}")
