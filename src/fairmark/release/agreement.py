"""Do the parts of a release agree: params, pipeline, data, model, measurements, verdict and bill."""

from typing import Any

from fairmark.errors import VerificationError
from fairmark.files import steady
from fairmark.release.contents import BILL, GATHERED, VERDICT
from fairmark.release.hashes import address, data_outputs, folder_address, folder_sha256, read_lock
from fairmark.release.locks import MARKERS, locked
from fairmark.release.opened import Opened

MARKER = "fairmark:marker:"


def params(opened: Opened) -> str:
    """Check that params.yaml says what the statement says was chosen."""
    stated = {**opened.external["params"], "policy": opened.external["policy"]}
    _same(stated, opened.params, "params.yaml", "what the statement says was chosen")
    _same(opened.external["name"], opened.params["project"]["name"], "params.yaml", "of the statement's name")
    return "what params.yaml says is what was chosen, policy included"


def pipeline(opened: Opened) -> str:
    """Check that dvc.lock ran with the params of this release, and the model with the settings it chose."""
    stages = read_lock(opened.folder / "dvc.lock")
    for name, stage in stages.items():
        for file, values in (stage.get("params") or {}).items():
            for key, value in values.items():
                if file == "params.yaml":
                    _same(value, _at(opened.params, key), f"dvc.lock: {name}: {key}", "what params.yaml says")
                elif key == "chosen":
                    made = opened.json("model/model.json")["chosen"]
                    _same(value, made, f"dvc.lock: {name}: chosen", "what the model was made with")
    return f"{len(stages)} stages ran with these params"


def data(opened: Opened) -> str:
    """Check that the data files stated, data.dvc and what the stages read are the same data."""
    named = data_outputs(opened.folder)
    read = {
        (dep["path"], dep["md5"])
        for stage in read_lock(opened.folder / "dvc.lock").values()
        for dep in stage.get("deps") or []
        if dep["path"] in named
    }
    if not read:
        raise VerificationError("dvc.lock: must read the data of data.dvc, got no stage that does")
    count = 0
    for path, entry in named.items():
        stated = [item for item in opened.inputs.values() if _output(item) == path]
        for where, found in (
            ("dvc.lock", {md5 for p, md5 in read if p == path}),
            ("statement", _sums(path, stated)),
        ):
            if found - {entry["md5"]}:
                raise VerificationError(
                    f"{where}: must speak of the data {entry['md5']}, got {sorted(found)}"
                )
        count += len(stated)
    return f"{count} data files, at the address of data.dvc, are what the stages read"


def outputs(opened: Opened) -> str:
    """Check that the stages' outputs in the release have the bytes that dvc.lock names."""
    stages = read_lock(opened.folder / "dvc.lock").values()
    named = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs") or []}
    made = {name: source for name, source in GATHERED.items() if source.startswith("artifacts/")}
    faults = [
        f"{name}: must be the {source} of dvc.lock, got other bytes"
        for name, source in made.items()
        if named.get(source) != address(opened.folder / name)
    ]
    if faults:
        raise VerificationError(*faults)
    return f"{len(made)} outputs have the bytes that dvc.lock names"


def model(opened: Opened) -> str:
    """Check that the measurements are of this model at this threshold."""
    digest, threshold = folder_sha256(opened.folder / "model"), opened.json("model/model.json")["threshold"]
    _same(opened.measurements["model"]["sha256"], digest, "measurements.json", "of this model")
    _same(
        opened.measurements["model"]["threshold"], threshold, "measurements.json", "at the model's threshold"
    )
    return f"model {digest[:12]}… was measured at its threshold {threshold:.4g}"


def bill(opened: Opened) -> str:
    """Check that the bill of materials lists what the lock files ask for, and this model, data and commit."""
    found = opened.bill
    properties = {entry["name"]: entry["value"] for entry in found["metadata"]["properties"]}
    machine = {key: str(properties[MARKER + key]) for key in MARKERS}
    listed = {_plain(part["name"]): part for part in found["components"]}
    wanted = locked(opened.text("requirements.lock"), machine)
    faults = [
        f"{BILL}: must list {name} {version} as required, got {_told(listed.get(name))}"
        for name, version in wanted.items()
        if _told(listed.get(name)) != f"{version} required"
    ]
    known = wanted | locked(opened.text("requirements-dev.lock"), machine)
    faults += [
        f"{BILL}: {name} must be at its locked version {known[name]}, got {part['version']}"
        for name, part in listed.items()
        if name in known and part.get("version") != known[name]
    ]
    faults += [
        f"{BILL}: {name} must be excluded, because no lock file requires it"
        for name, part in listed.items()
        if part["type"] == "library" and name not in wanted and part.get("scope") != "excluded"
    ]
    if faults:
        raise VerificationError(*faults)
    _material(opened, found)
    return f"{len(wanted)} requirements at their locked versions, this model, its data and its commit"


def verdict(opened: Opened) -> str:
    """Check that judging the measurements by the policy again gives the verdict, and that it is a pass."""
    _same(opened.verdict, judged(opened), VERDICT, "what the policy gives on these measurements")
    outcome = str(opened.verdict["outcome"])
    stated = opened.definition["internalParameters"]["verdict"]
    _same([stated, outcome], ["pass", "pass"], VERDICT, "a pass, here and in the statement")
    return f"{outcome}, and the same when judged again"


def metrics(opened: Opened) -> str:
    """Check that metrics.json says what was measured."""
    found, measured = opened.json("metrics.json"), opened.measurements
    overall = {name: measured["overall"][name]["value"] for name in found if name in measured["overall"]}
    _same({name: found[name] for name in overall}, overall, "metrics.json", "what was measured")
    for attribute, gaps in found["fairness"].items():
        wanted = {name: measured["disparities"][attribute][name]["value"] for name in gaps}
        _same(gaps, wanted, f"metrics.json: {attribute}", "what was measured")
    if not overall or set(found["fairness"]) != set(measured["disparities"]):
        raise VerificationError("metrics.json: must have quality, and every attribute, got less")
    return f"{len(overall)} measures, and the gaps by {', '.join(found['fairness'])}, as measured"


def judged(opened: Opened) -> Any:
    """Return the verdict of the policy on the measurements, as JSON, as of the day it was judged."""
    import datetime as dt

    from fairmark.judge.verdict import judge
    from fairmark.params import Policy, typed

    day = opened.verdict["judged_on"]
    return judge(
        opened.measurements,
        typed(Policy, opened.params["policy"], "params.yaml: policy"),
        None if day is None else dt.date.fromisoformat(day),
        expected_model=folder_sha256(opened.folder / "model"),
        expected_threshold=opened.json("model/model.json")["threshold"],
        expected_groups={name: it["groups"] for name, it in opened.json("schema.json")["attributes"].items()},
    ).to_json()


def _material(opened: Opened, found: dict[str, Any]) -> None:
    commits = {entry["uid"] for entry in found["metadata"]["component"]["pedigree"]["commits"]}
    _same(commits, {opened.commit}, BILL, "of the statement's commit")
    kinds = {
        kind: [part for part in found["components"] if part["type"] == kind]
        for kind in ("machine-learning-model", "data")
    }
    models = [_sha256(part) for part in kinds["machine-learning-model"]]
    _same(models, [folder_sha256(opened.folder / "model")], BILL, "of this model")
    paths = set(data_outputs(opened.folder))
    stated = {
        name: item["digest"]["sha256"] for name, item in opened.inputs.items() if _output(item) in paths
    }
    _same({part["name"]: _sha256(part) for part in kinds["data"]}, stated, BILL, "of the data stated")


def _sums(path: str, stated: list[dict[str, Any]]) -> set[str]:
    """Return the addresses that the stated data files give, the one they add up to included."""
    sums = [
        {"md5": item["annotations"]["md5"], "relpath": item["name"].removeprefix(f"{path}/")}
        for item in stated
    ]
    whole = sums[0]["md5"] if [entry["relpath"] for entry in sums] == [path] else folder_address(sums)
    return {whole, *(item["annotations"]["outputAddress"] for item in stated)}


def _output(item: dict[str, Any]) -> str | None:
    return (item.get("annotations") or {}).get("output")


def _sha256(part: dict[str, Any]) -> str | None:
    return next((entry["content"] for entry in part["hashes"] if entry["alg"] == "SHA-256"), None)


def _told(part: dict[str, Any] | None) -> str:
    return "nothing" if part is None else f"{part.get('version')} {part.get('scope')}"


def _plain(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def _at(value: Any, key: str) -> Any:
    """Return what stands at a key of DVC: parts joined by dots."""
    for part in key.split("."):
        value = value[part]
    return value


def _same(found: Any, wanted: Any, where: str, what: str) -> None:
    if steady(found) != steady(wanted):
        raise VerificationError(f"{where}: must be {what}, got something else")
