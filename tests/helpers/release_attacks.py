"""Attacks on a release, each with the check that is meant to catch it."""

import json
import os
import random
import shutil
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from maker_and_forger import FORGER, MINE, renumbered, stated
from release_folder import git

from fairmark.errors import FairmarkError
from fairmark.files import read_json, sha256, write_json
from fairmark.judge.verdict import Verdict
from fairmark.release import folder as opened
from fairmark.release import seal
from fairmark.release.handover import pack
from fairmark.release.layout import BILL, BILL_SEAL, GATHERED, SEALS, STATEMENT, VERDICT, VERDICT_SEAL
from fairmark.release.seal import bill_statement, verdict_statement
from fairmark.release.statement import release_digest
from fairmark.repo.dvc_files import address, names
from fairmark.signing.dsse import Envelope
from fairmark.signing.dsse import seal as sealed
from fairmark.signing.git_tags import sign_tag
from fairmark.signing.keys import SigningKey
from fairmark.signing.model_signature import MODEL_SEAL, write_model_seal
from fairmark.verify.verify import Check, Fact, fact_of, verify

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Attack:
    """Something that a forger does to the release folder given to `change`.

    Parameters
    ----------
    meant
        The checks, each of which must catch it by itself.
    restated
        Whether the maker's own key then signs everything again, with every digest as it is: only what the
        parts say of each other stands in the way then.
    relocked
        Whether dvc.lock names the changed outputs too.
    cloned
        Whether it takes a clone to see it.
    """

    name: str
    change: Change
    meant: Collection[str]
    restated: bool = True
    relocked: bool = False
    cloned: bool = False

    def made(self, folder: Path) -> None:
        """Attack the release in `folder`."""
        self.change(folder)
        if self.relocked:
            relock(folder)
        if self.restated:
            restate(folder, MINE)

    def seen(self, folder: Path) -> list[Fact]:
        """Return what a stranger with the maker's public key finds."""
        return verify(folder, folder.parents[1] if self.cloned else None, MINE.public)


def caught(facts: list[Fact]) -> set[str]:
    """Return the names of the checks that found something wrong."""
    return {fact.name for fact in facts if fact.held is False}


def restate(folder: Path, by: SigningKey) -> None:
    """State the files of `folder` as they are, and put all four seals of `by` on them."""
    with suppress(FairmarkError, AttributeError):
        write_json(folder / BILL, renumbered(read_json(folder / BILL)))
    statement = stated(folder)
    statement["subject"] = [
        {"name": name, "digest": {"sha256": sha256(folder / name)}}
        for name in names(folder)
        if name not in SEALS
    ]
    definition = statement["predicate"]["buildDefinition"]
    made = {source: name for name, source in GATHERED.items()}
    for entry in definition["resolvedDependencies"]:
        source = entry.get("annotations", {}).get("output", entry["name"])
        copy = folder / (made.get(source, "absent") + entry["name"].removeprefix(source))
        if copy.is_file():
            entry["digest"]["sha256"] = sha256(copy)
            if "annotations" in entry and "md5" in entry["annotations"]:
                entry["annotations"]["md5"] = address(copy)
                if source.startswith("artifacts/"):
                    entry["annotations"]["outputAddress"] = address(folder / made[source])
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    definition["externalParameters"] |= {"policy": params.pop("policy"), "params": params}
    sign(folder, statement, by)


def sign(folder: Path, statement: Mapping[str, Any], by: SigningKey) -> None:
    """Put all four seals of `by` on a folder, as far as what it holds can be sealed."""
    digests = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    sealed(statement, by).write(folder / STATEMENT)
    with suppress(FairmarkError):
        stating = verdict_statement(Verdict.read(folder / VERDICT), digests)
        sealed(stating, by).write(folder / VERDICT_SEAL)
    with suppress(FairmarkError):
        sealed(bill_statement(read_json(folder / BILL), digests), by).write(folder / BILL_SEAL)
    write_model_seal(folder / MODEL_SEAL, folder / "model", by)


def relock(folder: Path) -> None:
    """Let dvc.lock name the outputs as they are in `folder`."""
    made = {source: name for name, source in GATHERED.items()}

    def change(lock: Any) -> None:
        for stage in lock["stages"].values():
            for entry in (*(stage.get("deps") or []), *(stage.get("outs") or [])):
                if entry["path"] in made and entry["path"].startswith("artifacts/"):
                    entry["md5"] = address(folder / made[entry["path"]])

    edit_yaml(folder / "dvc.lock", change)


def edit_yaml(path: Path, change: Callable[[Any], object]) -> None:
    """Change the value of a YAML file."""
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")


def of_json(name: str, change: Callable[[Any], object]) -> Change:
    """Return the attack that changes the value of the JSON file `name`."""

    def made(folder: Path) -> None:
        value = read_json(folder / name)
        change(value)
        (folder / name).write_text(json.dumps(value), encoding="utf-8")

    return made


def of_yaml(name: str, change: Callable[[Any], object]) -> Change:
    """Return the attack that changes the value of the YAML file `name`."""
    return lambda folder: edit_yaml(folder / name, change)


def of_text(name: str, old: str, new: str) -> Change:
    """Return the attack that replaces `old`, which must be there, by `new` in `name`."""

    def made(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return made


def of_statement(change: Callable[[Any], object]) -> Change:
    """Return the attack that changes what statement.json says, signed by the maker."""

    def made(folder: Path) -> None:
        statement = stated(folder)
        change(statement)
        sign(folder, statement, MINE)

    return made


def of_seal(name: str, change: Callable[[Any], object]) -> Change:
    """Return the attack that changes what the seal `name` says, signed by the maker."""

    def made(folder: Path) -> None:
        said = opened.ReleaseFolder(folder).stated(name)
        change(said)
        sealed(said, MINE).write(folder / name)

    return made


def all_of(*changes: Change) -> Change:
    """Return the attack that does each of these."""

    def made(folder: Path) -> None:
        for change in changes:
            change(folder)

    return made


def _commit(statement: Any) -> Any:
    made_from = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    return next(entry for entry in made_from if entry["name"] == "commit")


def _external(statement: Any) -> Any:
    return statement["predicate"]["buildDefinition"]["externalParameters"]


def _dropped(folder: Path) -> None:
    (folder / "report.html").unlink()


def _added(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"\x80\x04.")


def _renamed(folder: Path) -> None:
    (folder / "report.html").rename(folder / "report.htm")


def _by_another(folder: Path) -> None:
    sign(folder, stated(folder), FORGER)


def _stripped(folder: Path) -> None:
    envelope = Envelope.read(folder / STATEMENT).to_json()
    (folder / STATEMENT).write_text(
        json.dumps(envelope | {"signatures": []}, sort_keys=True, separators=(",", ":"))
    )


def _other_model(folder: Path) -> None:
    """Swap the model with that of another release: the same family, another threshold and intercept."""
    of_text("model/logistic.json", '"intercept": 0.1', '"intercept": 0.3')(folder)
    _refiled(folder)


def _refiled(folder: Path) -> None:
    made = read_json(folder / "model" / "model.json")
    made["files"] = {name: sha256(folder / "model" / name) for name in made["files"]}
    write_json(folder / "model" / "model.json", made)


def _measured_anew(folder: Path) -> None:
    """Let the measurements speak of the model and threshold that are there."""
    from fairmark.repo.dvc_files import folder_sha256

    threshold = read_json(folder / "model" / "model.json")["threshold"]
    of_json(
        "measurements.json",
        lambda value: value["model"].update(sha256=folder_sha256(folder / "model"), threshold=threshold),
    )(folder)


def _numpy(bill: Any) -> Any:
    return next(part for part in bill["components"] if part["name"] == "numpy")


def _beside(folder: Path, name: str = "notes.txt") -> None:
    (folder / name).write_text("This model was certified.\n")


def _without_numpy(bill: Any) -> None:
    bill["components"] = [part for part in bill["components"] if part["name"] != "numpy"]


def _policy(params: Any) -> Any:
    return next(limit for limit in params["policy"]["limits"] if limit["name"] == "four-fifths")


def _overlays(params: Any) -> Any:
    return params["policy"]["overlays"]


def _without_overlays(name: str) -> Change:
    """Return the attack that takes all overlays out of params.yaml, or out of what dvc.lock says of it."""

    def change(value: Any) -> None:
        stages = value["stages"].values() if name == "dvc.lock" else ()
        ran = [stage["params"]["params.yaml"] for stage in stages]
        for params in ran if name == "dvc.lock" else [value]:
            if "policy" in params:
                params["policy"]["overlays"] = []

    return of_yaml(name, change)


def _policies(statement: Any) -> Any:
    return statement["predicate"]["buildDefinition"]["internalParameters"]["policies"]


def _tag(folder: Path) -> str:
    external = _external(stated(folder))
    return f"{external['name']}@{external['version']}"


def _elsewhere(folder: Path) -> None:
    root, tag = folder.parents[1], _tag(folder)
    git(root, "commit", "-q", "--allow-empty", "-m", "Later")
    git(root, "tag", "-d", tag)
    sign_tag(root, tag, "HEAD", f"x\n\nStatement-SHA256: {release_digest(folder)}\n", MINE)


def _tagged_by(key: SigningKey | None) -> Change:
    def made(folder: Path) -> None:
        root, tag = folder.parents[1], _tag(folder)
        git(root, "tag", "-d", tag)
        text = f"x\n\nStatement-SHA256: {release_digest(folder)}\n"
        if key is None:
            git(root, "-c", "tag.gpgSign=false", "tag", "-a", "-m", text, tag, "HEAD")
        else:
            sign_tag(root, tag, "HEAD", text, key)

    return made


def _behind(folder: Path) -> None:
    """Let a good signature of another tag text be followed by what names this release."""
    root, tag = folder.parents[1], _tag(folder)
    git(root, "tag", "-d", tag)
    name = sign_tag(root, tag, "HEAD", "x", MINE)
    text = git(root, "cat-file", "tag", name) + f"Statement-SHA256: {release_digest(folder)}\n"
    made = subprocess.run(
        ["git", "-C", str(root), "mktag"], input=text.encode(), check=True, capture_output=True
    )
    git(root, "update-ref", f"refs/tags/{tag}", made.stdout.decode().strip())


def _no_pass(folder: Path) -> None:
    """Ask for more than was measured, and let the verdict say `pass` all the same."""
    of_yaml("params.yaml", lambda params: _policy(params).update(at_least=1.2))(folder)
    of_yaml("dvc.lock", lambda lock: _locked_policy(lock).update(at_least=1.2))(folder)


def _locked_policy(lock: Any) -> Any:
    return _policy({"policy": lock["stages"]["train"]["params"]["params.yaml"]["policy"]})


def _forged_blob(name: str) -> Change:
    """Return the attack that puts other bytes in the place of a file's git object; git reads them as its."""

    def made(folder: Path) -> None:
        root = folder.parents[1]
        full = git(root, "rev-parse", f"HEAD:{name}").strip()
        content = (root / name).read_bytes() + b"\n"
        place = root / ".git" / "objects" / full[:2] / full[2:]
        place.chmod(0o644)
        place.write_bytes(zlib.compress(b"blob %d\0" % len(content) + content))

    return made


def _unstated(name: str) -> Change:
    """Return the attack that leaves a file of the commit out of the statement."""

    def change(statement: Any) -> None:
        definition = statement["predicate"]["buildDefinition"]
        definition["resolvedDependencies"] = [
            each for each in definition["resolvedDependencies"] if each["name"] != name
        ]

    return of_statement(change)


EVERY_SEAL = {f"seal {name}" for name in SEALS}


def _other_decisions(value: Any) -> None:
    group = value["groups"]["sex"]["Female"]
    group["tp"], group["fn"] = group["tp"] + 1, group["fn"] - 1


ATTACKS = [
    # Without the maker's key.
    Attack("drop a file", _dropped, {"files"}, restated=False),
    Attack("add a file", _added, {"files"}, restated=False),
    Attack("rename a file", _renamed, {"files"}, restated=False),
    Attack(
        "swap the model with another release's", _other_model, {"digests", "stated model"}, restated=False
    ),
    Attack("sign everything with another key", _by_another, EVERY_SEAL, restated=False),
    Attack("strip the signatures", _stripped, {"statement", "seal statement.json"}, restated=False),
    Attack(
        "forge the bill: the hash of a library",  # nothing else in a release speaks of it
        of_json(BILL, lambda it: _numpy(it)["hashes"][0].update(content="0" * 64)),
        {"digests", "stated bill"},
        restated=False,
    ),
    Attack("take a seal away", lambda folder: (folder / VERDICT_SEAL).unlink(), {"files"}, restated=False),
    # With the maker's key: what the parts say of each other.
    Attack("drop a file, restated", _dropped, {"files"}),
    Attack("rename a file, restated", _renamed, {"files"}),
    Attack("swap the model, restated", _other_model, {"outputs", "model"}),
    Attack("swap the model, relocked", _other_model, {"model"}, relocked=True),
    Attack(
        "edit dvc.lock: what a stage ran with",
        of_yaml("dvc.lock", lambda lock: _locked_policy(lock).update(at_least=0.5)),
        {"pipeline"},
    ),
    Attack(
        "edit dvc.lock: what a stage made",
        of_yaml("dvc.lock", lambda lock: lock["stages"]["train"]["outs"][0].update(md5="0" * 32 + ".dir")),
        {"outputs"},
    ),
    Attack(
        "edit dvc.lock: what a stage read",
        of_yaml("dvc.lock", lambda lock: lock["stages"]["prepare"]["deps"][0].update(md5="0" * 32 + ".dir")),
        {"data"},
    ),
    Attack(
        "edit data.dvc",
        of_yaml("data.dvc", lambda value: value["outs"][0].update(md5="0" * 32 + ".dir")),
        {"data"},
    ),
    Attack(
        "edit the card",
        of_text("model-card.md", "| ROC AUC | 0.", "| ROC AUC | 0.9"),
        {"card"},
        relocked=True,
    ),
    Attack(
        "edit the policy",
        of_yaml("params.yaml", lambda params: _policy(params).update(at_least=0.5)),
        {"pipeline", "verdict"},
    ),
    Attack(
        "loosen an overlay of the policy",
        of_yaml("params.yaml", lambda params: _overlays(params)[0]["limits"][0].update(at_least=0.1)),
        {"pipeline", "verdict"},
    ),
    Attack("drop an overlay of the policy", _without_overlays("params.yaml"), {"pipeline", "verdict"}),
    Attack(
        "drop an overlay from params and dvc.lock, and keep its verdict",
        all_of(_without_overlays("params.yaml"), _without_overlays("dvc.lock")),
        {"verdict"},
    ),
    Attack(
        "let no release wait for an overlay",
        of_yaml("params.yaml", lambda params: _overlays(params)[0].update(must_pass=False)),
        {"pipeline", "verdict"},
    ),
    Attack(
        "a better word for an overlay in the verdict",
        of_json(VERDICT, lambda value: value["overlays"][0]["verdict"].update(level=0.5)),
        {"verdict"},
    ),
    Attack(
        "another word for an overlay in the statement",
        of_statement(lambda it: _policies(it).update(elsewhere="pass with waiver")),
        {"verdict"},
        restated=False,
    ),
    Attack(
        "edit the policy that is stated",
        of_statement(lambda it: _policy(_external(it)).update(at_least=0.5)),
        {"params"},
        restated=False,
    ),
    Attack(
        "edit a threshold in the model",
        of_json("model/model.json", lambda value: value.update(threshold=0.4)),
        {"model"},
        relocked=True,
    ),
    Attack(
        "edit a threshold in the measurements",
        of_json("measurements.json", lambda value: value["model"].update(threshold=0.4)),
        {"model"},
        relocked=True,
    ),
    Attack(
        "edit a threshold in the params",
        of_yaml("params.yaml", lambda params: params["train"]["threshold"].update(margin=0.0)),
        {"pipeline"},
    ),
    Attack(
        "edit a measurement",
        of_json("measurements.json", lambda value: value["overall"]["roc_auc"].update(value=0.999)),
        {"metrics", "card"},
        relocked=True,
    ),
    Attack(
        "edit the decisions of a group in the reference",
        of_json("reference.json", _other_decisions),
        {"reference"},
        relocked=True,
    ),
    Attack(
        "a reference of another model",
        of_json("reference.json", lambda value: value.update(model_sha256="0" * 64)),
        {"reference"},
        relocked=True,
    ),
    Attack(
        "a rival that costs less in the file than its values say",
        of_json(
            "alternatives.json",
            lambda value: value["rivals"][0]["beside"].update(lost=0.001),
        ),
        {"metrics"},
        relocked=True,
    ),
    Attack(
        "rivals that the file leaves out",
        of_json("alternatives.json", lambda value: value.update(rivals=[])),
        {"metrics"},
        relocked=True,
    ),
    Attack("a verdict that the policy does not give", _no_pass, {"verdict"}),
    Attack("a stated file that nothing asks for", _beside, {"files"}),
    Attack("a file too many in the model", lambda folder: _beside(folder, "model/notes.txt"), {"model"}),
    Attack(
        "a false row before the true one on the card",
        of_text("model-card.md", "| ROC AUC |", "| ROC AUC | 0.999 (0.998 to 1.000) | |\n| ROC AUC |"),
        {"card"},
        relocked=True,
    ),
    Attack(
        "an invented row on the card",
        of_text("model-card.md", "| ROC AUC |", "| Trust | 0.999 (0.998 to 1.000) | |\n| ROC AUC |"),
        {"card"},
        relocked=True,
    ),
    Attack(
        "an invented measure in metrics.json",
        of_json("metrics.json", lambda value: value.update(trust=0.999)),
        {"metrics"},
        relocked=True,
    ),
    Attack(
        "another label in schema.json",
        of_json("schema.json", lambda value: value["label"].update(positive="no, owed")),
        {"schema"},
        relocked=True,
    ),
    Attack(
        "another column behind an attribute in schema.json",
        of_json("schema.json", lambda value: value["attributes"]["sex"].update(columns=["home"])),
        {"schema"},
        relocked=True,
    ),
    Attack(
        "the address of another library in the bill",
        of_json(BILL, lambda it: _numpy(it).update(purl="pkg:pypi/evil@1.0")),
        {"bill"},
    ),
    Attack(
        "a library hidden in another in the bill",
        of_json(BILL, lambda it: _numpy(it).update(components=[{"type": "library", "name": "evil"}])),
        {"bill"},
    ),
    Attack(
        "edit the verdict",
        of_json(VERDICT, lambda value: value.update(findings=[])),
        {"verdict"},
    ),
    Attack(
        "edit the stated verdict",
        of_seal(VERDICT_SEAL, lambda it: it["predicate"].update(warnedTests=["x"])),
        {"stated verdict"},
        restated=False,
    ),
    Attack(
        "forge the bill: another version",
        of_json(BILL, lambda it: _numpy(it).update(version="1.0")),
        {"bill"},
    ),
    Attack(
        "a verdict of a day of one's own",  # on which a waiver stood that had expired
        of_json(VERDICT, lambda it: it.update(judged_on="2020-01-01")),
        {"verdict"},
    ),
    Attack("forge the bill: a part left out", of_json(BILL, _without_numpy), {"bill"}),
    Attack(
        "forge the stated bill",
        of_seal(BILL_SEAL, lambda it: it["predicate"].update(components=[])),
        {"stated bill"},
        restated=False,
    ),
    Attack(
        "downgrade the predicate type",
        of_statement(lambda it: it.update(predicateType="https://slsa.dev/provenance/v0.2")),
        {"statement"},
        restated=False,
    ),
    Attack(
        "downgrade the verdict's predicate type",
        of_seal(VERDICT_SEAL, lambda it: it.update(predicateType="https://example.org/any")),
        {"stated verdict"},
        restated=False,
    ),
    Attack(
        "a tree that was not clean",
        of_statement(
            lambda it: it["predicate"]["buildDefinition"]["internalParameters"].update(cleanTree=False)
        ),
        {"clean tree"},
        restated=False,
    ),
    Attack(
        "a signature of another model",
        lambda folder: write_model_seal(folder / MODEL_SEAL, folder, MINE),
        {"stated model"},
        restated=False,
    ),
    # With the maker's key and everything changed after it: what the clone says.
    Attack(
        "a threshold, measured and locked anew",
        all_of(of_json("model/model.json", lambda value: value.update(threshold=0.4)), _measured_anew),
        {"commit", "tag"},
        relocked=True,
        cloned=True,
    ),
    Attack(
        "edit the page",
        of_text("report.html", "#", "x"),
        {"commit", "tag"},
        relocked=True,
        cloned=True,
    ),
    Attack(
        "a commit of another day",
        all_of(
            of_statement(lambda it: _commit(it)["annotations"].update(committed="2020-01-01T00:00:00Z")),
            of_json(BILL, lambda it: it["metadata"].update(timestamp="2020-01-01T00:00:00Z")),
        ),
        {"commit", "tag"},
        cloned=True,
    ),
    Attack(
        "a clone with other bytes under a file's git hash",
        _forged_blob("requirements.wheels"),
        {"commit"},
        restated=False,
        cloned=True,
    ),
    Attack(
        "a file of the commit that is not stated",
        _unstated(".gitignore"),
        {"commit", "tag"},
        restated=False,
        cloned=True,
    ),
    Attack("move the tag to another commit", _elsewhere, {"tag"}, restated=False, cloned=True),
    Attack("a tag by another key", _tagged_by(FORGER), {"tag seal"}, restated=False, cloned=True),
    Attack("a tag without a signature", _tagged_by(None), {"tag seal"}, restated=False, cloned=True),
    Attack("a word behind the tag's signature", _behind, {"tag", "tag seal"}, restated=False, cloned=True),
]


def flips(folder: Path, count: int, seed: int) -> list[tuple[str, int, int]]:
    """Return (file, position, bit mask): every file some, the larger ones more, drawn from a seed."""
    draw = random.Random(seed)  # noqa: S311 - positions, not secrets
    files = names(folder)
    sizes = {name: (folder / name).stat().st_size for name in files}
    each = max(count // (2 * len(files)), 1)
    drawn = [name for name in files for _ in range(each)]
    drawn += draw.choices(files, weights=[sizes[name] for name in files], k=count - len(drawn))
    return [(name, draw.randrange(sizes[name]), 1 << draw.randrange(8)) for name in drawn]


def flipped(folder: Path, name: str, place: int, mask: int, look: Callable[[Path], list[Fact]]) -> list[Fact]:
    """Return what `look` finds while one byte of a file is another; the file is as it was afterwards."""
    path = folder / name
    before = path.read_bytes()
    try:
        path.write_bytes(before[:place] + bytes([before[place] ^ mask]) + before[place + 1 :])
        return look(folder)
    finally:
        path.write_bytes(before)


def quickly(folder: Path) -> list[Fact]:
    """Return the facts that hold the bytes together: form, files, digests and seals."""
    found = opened.ReleaseFolder(folder)
    checks: dict[str, Check] = {
        "statement": seal.statement,
        "files": seal.files,
        "digests": seal.digests,
        **{f"seal {name}": partial(seal.signed, name=name, key=MINE.public, yours=False) for name in SEALS},
    }
    return [fact_of(name, check, found) for name, check in checks.items()]


def fully(folder: Path) -> list[Fact]:
    """Return every fact that a stranger with the public key finds."""
    return verify(folder, None, MINE.public)


def table(told: Mapping[str, Counter[str]]) -> str:
    """Return how often each check caught a flip, by file."""
    checks = sorted({check for counts in told.values() for check in counts})
    width = max(map(len, told))
    head = " ".join([" " * width, *checks])
    rows = [
        " ".join([name.ljust(width), *(str(told[name][check]).rjust(len(check)) for check in checks)])
        for name in sorted(told)
    ]
    return "\n".join([head, *rows])


def untouched(folder: Path, count: int, into: Path, seed: int) -> Iterator[Path]:
    """Yield `count` untouched copies: as they are, renamed, of other times, of other modes, packed."""
    draw = random.Random(seed)  # noqa: S311
    for number in range(count):
        place = into / str(number) / folder.name
        shutil.copytree(folder, place)
        match number % 5:
            case 1:
                place = place.rename(place.with_name("another-name"))
            case 2:
                for path in place.rglob("*"):
                    os.utime(path, (draw.randrange(2**31), draw.randrange(2**31)))
            case 3:
                for path in place.rglob("*"):
                    path.chmod(0o700 if path.is_dir() else draw.choice([0o400, 0o600, 0o755, 0o666]))
            case 4:
                place = packed(place, draw)
        yield place
        shutil.rmtree(into / str(number))


def packed(folder: Path, draw: random.Random) -> Path:
    """Return an archive of `folder`: fairmark's own, or one that another program made, in any order."""
    if draw.random() < 0.3:
        target = folder.with_name(f"{folder.name}.tar.gz")
        pack(folder, target)
        return target
    form, ending = draw.choice([("zip", ".zip"), ("gztar", ".tar.gz"), ("tar", ".tar")])
    made = shutil.make_archive(str(folder.parent / "packed"), form, folder.parent, folder.name)
    assert made.endswith(ending)
    return Path(made)
