"""Do the parts of a release agree: params, pipeline, data, model, measurements and verdict."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fairmark.errors import VerificationError
from fairmark.files import sha256, steady
from fairmark.release.folder import Opened
from fairmark.release.layout import DATASHEET, GATHERED, VERDICT
from fairmark.repo.dvc_files import address, files_of, folder_address, folder_sha256, names


def params(opened: Opened) -> str:
    """Check that params.yaml says what the statement says was chosen."""
    stated = {**opened.external["params"], "policy": opened.external["policy"]}
    same(stated, opened.params, "params.yaml", "what the statement says was chosen")
    same(opened.external["name"], opened.params["project"]["name"], "params.yaml", "of the statement's name")
    return "what params.yaml says is what was chosen, policy included"


def pipeline(opened: Opened) -> str:
    """Check that dvc.lock ran with the params of this release, and the model with the settings it chose."""
    stages = opened.stages
    for name, stage in stages.items():
        taken = stage.get("params") or {}
        if name in opened.params and name not in taken.get("params.yaml", {}):
            raise VerificationError(
                f"dvc.lock: {name}: must have run with its section of params.yaml, got none"
            )
        for file, values in taken.items():
            for key, value in values.items():
                if file == "params.yaml":
                    same(value, _at(opened.params, key), f"dvc.lock: {name}: {key}", "what params.yaml says")
                elif key == "chosen":
                    made = opened.json("model/model.json")["chosen"]
                    same(value, made, f"dvc.lock: {name}: chosen", "what the model was made with")
    return f"{len(stages)} stages ran with these params"


def data(opened: Opened) -> str:
    """Check that the data files stated, data.dvc and what the stages read are the same data."""
    named = opened.data
    read = {
        (dep["path"], dep["md5"])
        for stage in opened.stages.values()
        for dep in stage.get("deps") or []
        if dep["path"] in named
    }
    if not read:
        raise VerificationError("dvc.lock: must read the data of data.dvc, got no stage that does")
    by_path: dict[str, set[str]] = {}
    for path, md5 in read:
        by_path.setdefault(path, set()).add(md5)
    belonging: dict[str | None, list[dict[str, Any]]] = {}
    for item in opened.inputs.values():
        belonging.setdefault(output_of(item), []).append(item)
    count = 0
    for path, entry in named.items():
        stated = belonging.get(path, [])
        for where, found in (
            ("dvc.lock", by_path.get(path, set())),
            ("statement", _sums(path, stated)),
        ):
            if found - {entry["md5"]}:
                raise VerificationError(
                    f"{where}: must speak of the data {entry['md5']}, got {sorted(found)}"
                )
        count += len(stated)
    return f"{count} data files, at the address of data.dvc, are what the stages read"


def outputs(opened: Opened) -> str:
    """Check that the stages' outputs in the release have the bytes that dvc.lock and the statement name."""
    stages = opened.stages.values()
    named = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs") or []}
    made = {name: source for name, source in GATHERED.items() if source.startswith("artifacts/")}
    faults = [
        f"{name}: must be the {source} of dvc.lock, got other bytes"
        for name, source in made.items()
        if named.get(source) != address(opened.folder / name)
    ]
    sheet = Path(DATASHEET).name
    if DATASHEET in opened.inputs or sheet in opened.files:
        made[sheet] = DATASHEET
    faults += [
        f"{name}: must be the {source} of the statement, got other bytes"
        for name, source in made.items()
        if not _as_stated(opened, name, source)
    ]
    faults += _addresses(opened, named)
    if faults:
        raise VerificationError(*faults)
    return f"{len(made)} outputs have the bytes that dvc.lock and the statement name"


def model(opened: Opened) -> str:
    """Check that the measurements are of this model at this threshold."""
    listed = opened.json("model/model.json")["files"]
    there = {name: sha256(opened.folder / "model" / name) for name in names(opened.folder / "model")}
    there.pop("model.json", None)
    same(dict(listed), there, "model/model.json", "of the files of the model")
    digest, threshold = folder_sha256(opened.folder / "model"), opened.json("model/model.json")["threshold"]
    same(opened.measurements["model"]["sha256"], digest, "measurements.json", "of this model")
    same(
        opened.measurements["model"]["threshold"], threshold, "measurements.json", "at the model's threshold"
    )
    own = opened.json("model/model.json").get("thresholds")
    same(
        opened.measurements["model"].get("thresholds"), own, "measurements.json", "at its groups' thresholds"
    )
    if own is None:
        return f"model {digest[:12]}… was measured at its threshold {threshold:.4g}"
    each = ", ".join(f"{group} {cut:.4g}" for group, cut in own["groups"].items())
    return f"model {digest[:12]}… was measured at its thresholds by {own['attribute']}: {each}"


def verdict(opened: Opened) -> str:
    """Check that judging the measurements by the policy again gives the verdict, and that it is a pass."""
    committed = str(opened.inputs["commit"]["annotations"]["committed"])[:10]
    if opened.verdict["judged_on"] not in (None, committed):  # a day of one's own lets any waiver stand
        raise VerificationError(
            f"{VERDICT}: must be judged on the commit's day, {committed}, "
            f"got {str(opened.verdict['judged_on'])[:40]!a}"
        )
    same(opened.verdict, judged(opened), VERDICT, "what the policy gives on these measurements")
    outcome = str(opened.verdict["outcome"])
    stated = opened.definition["internalParameters"]["verdict"]
    state = str(opened.verdict["state"])
    same([stated, outcome], [state, "pass"], VERDICT, "a pass, here and in the statement")
    return f"{state}, and the same when judged again"


def metrics(opened: Opened) -> str:
    """Check that metrics.json says what was measured, and nothing besides."""
    found, measured, model = opened.json("metrics.json"), opened.measurements, opened.json("model/model.json")
    beside = {"fairness", "threshold", "thresholds"}
    overall = {name: measured["overall"][name]["value"] for name in found if name not in beside}
    same({name: found[name] for name in overall}, overall, "metrics.json", "what was measured")
    same(found["threshold"], model["threshold"], "metrics.json: threshold", "the model's")
    own = model.get("thresholds")
    same(found.get("thresholds"), own and own["groups"], "metrics.json: thresholds", "the model's")
    for attribute, gaps in found["fairness"].items():
        wanted = {name: entry["value"] for name, entry in measured["disparities"][attribute].items()}
        same(gaps, wanted, f"metrics.json: {attribute}", "what was measured")
    if not overall or set(found["fairness"]) != set(measured["disparities"]):
        raise VerificationError("metrics.json: must have quality, and every attribute, got less")
    return f"{len(overall)} measures, and the gaps by {', '.join(found['fairness'])}, as measured"


def schema(opened: Opened) -> str:
    """Check that schema.json is what the params ask for, and what the model and the measurements know."""
    found, prepare = opened.json("schema.json"), opened.params["prepare"]
    target, label = prepare["target"], found["label"]
    same(label["column"], target["column"], "schema.json: label", "the target of params.yaml")
    for end in ("positive", "negative"):
        if isinstance(target[end], str):
            same(label[end], target[end], f"schema.json: label: {end}", "what params.yaml says")
    for key, wanted in (
        ("row_id", prepare["row_id"]),
        ("timed", prepare["time"] is not None),
        ("weighted", prepare["weight"] is not None),
        ("test_file", prepare["files"]["test"] is not None),
    ):
        same(found[key], wanted, f"schema.json: {key}", "what params.yaml says")
    attributes, protected = found["attributes"], prepare["protected"]
    same(sorted(attributes), sorted(protected), "schema.json: attributes", "those of params.yaml")
    for name, entry in attributes.items():
        asked = protected[name]
        same(entry["by"], asked["by"], f"schema.json: {name}", "made as params.yaml says")
        parts = [attributes[part] for part in asked["of"]] if asked["by"] == "cross" else []
        crossed = dict.fromkeys(each for part in parts for each in part["columns"])
        columns = [*crossed] or [asked.get("column")]
        same(entry["columns"], columns, f"schema.json: {name}", "of the columns that params.yaml says")
        groups = sorted(opened.measurements["groups"][name])
        same(sorted(entry["groups"]), groups, f"schema.json: {name}", "of the groups that were measured")
    known = {column["name"]: column for column in opened.json("model/encoder.json")["columns"]}
    same([it["name"] for it in found["features"]], list(known), "schema.json: features", "the model's")
    for feature in found["features"]:
        column, where = known[feature["name"]], f"schema.json: {feature['name']}"
        same(feature["kind"], column["kind"], where, "of the kind that the model knows")
        if not set(column["categories"] or ()) <= set(feature["categories"] or ()):
            raise VerificationError(f"{where}: must have the categories that the model knows, got others")
    return f"{len(known)} features, {len(attributes)} attributes and the label, as params and model say"


def judged(opened: Opened) -> Any:
    """Return the verdict of the policy on the measurements, as JSON, as of the day it was judged."""
    import datetime as dt

    from fairmark.judge.verdict import judge
    from fairmark.params.parse import typed
    from fairmark.params.policy import Policy

    day = opened.verdict["judged_on"]
    return judge(
        opened.measurements,
        typed(Policy, opened.params["policy"], "params.yaml: policy"),
        None if day is None else dt.date.fromisoformat(day),
        expected_model=folder_sha256(opened.folder / "model"),
        expected_threshold=opened.json("model/model.json")["threshold"],
        expected_thresholds=opened.json("model/model.json").get("thresholds"),
        expected_groups={name: it["groups"] for name, it in opened.json("schema.json")["attributes"].items()},
    ).to_json()


def _addresses(opened: Opened, named: Mapping[str, Any]) -> Iterator[str]:
    """Yield a fault for each output whose files, as the statement names them, are not what dvc.lock says."""
    belonging: dict[str | None, list[dict[str, Any]]] = {}
    for item in opened.inputs.values():
        belonging.setdefault(output_of(item), []).append(item)
    for path, md5 in named.items():
        if _sums(path, belonging.get(path, [])) != {md5}:
            yield f"statement: must name the files of {path} as dvc.lock does, got others"


def _as_stated(opened: Opened, name: str, source: str) -> bool:
    """Return whether the file or folder `name` has the SHA-256 of what the release was made from."""
    return all(
        opened.inputs[source + file.removeprefix(name)]["digest"]["sha256"] == sha256(opened.folder / file)
        for file in files_of(opened.folder, name)
    )


def _sums(path: str, stated: list[dict[str, Any]]) -> set[str]:
    """Return the addresses that the stated data files give, the one they add up to included."""
    sums = [
        {"md5": item["annotations"]["md5"], "relpath": item["name"].removeprefix(f"{path}/")}
        for item in stated
    ]
    if not sums:
        return set()
    whole = sums[0]["md5"] if [entry["relpath"] for entry in sums] == [path] else folder_address(sums)
    return {whole, *(item["annotations"]["outputAddress"] for item in stated)}


def output_of(item: dict[str, Any]) -> str | None:
    """Return which output of DVC a file that the statement names belongs to."""
    return (item.get("annotations") or {}).get("output")


def _at(value: Any, key: str) -> Any:
    """Return what stands at a key of DVC: parts joined by dots."""
    for part in key.split("."):
        value = value[part]
    return value


def same(found: Any, wanted: Any, where: str, what: str) -> None:
    """Do nothing for equal values, floats to the digits that are written; else raise VerificationError."""
    if steady(found) != steady(wanted):
        raise VerificationError(f"{where}: must be {what}, got something else")
