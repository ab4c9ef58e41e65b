"""A container image is verified like a release: what it holds, stands on and was made from."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_folder import BASE_FILES, OWN_FILES, SITE, base_input, layer, repository, sealed_image
from release_folder import git

from fairmark.cli.main import main
from fairmark.errors import VerificationError
from fairmark.files import canonical_json
from fairmark.release.image import ImageFolder, bill_statement
from fairmark.release.image_files import ImageFiles
from fairmark.release.layout import IMAGE
from fairmark.signing.dsse import seal
from fairmark.signing.key_store import passing_key
from fairmark.signing.keys import SigningKey
from fairmark.verify.image import verify_image
from fairmark.verify.verify import exit_code

pytest_plugins = ("release_fixtures",)

Bill = dict[str, Any]
KEY = b"-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    """Return the maker's key."""
    return passing_key()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository that the image is built from, never to be written to."""
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def sealed(root: Path, key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an image, never to be written to."""
    return sealed_image(tmp_path_factory.mktemp("images") / "fairmark-service", root, key)


@pytest.fixture
def image(sealed: Path, tmp_path: Path) -> Path:
    """Return the folder of an image, of one's own."""
    return Path(shutil.copytree(sealed, tmp_path / "image"))


def wrong(folder: Path, key: SigningKey, clone: Path | None = None) -> dict[str, str]:
    """Return the claims that do not hold, and why."""
    facts = verify_image(folder, clone, key.public)
    return {fact.name: fact.text for fact in facts if fact.asked and fact.held is not True}


@pytest.mark.parametrize("layout", [False, True])
def test_an_image_that_was_sealed_holds_in_both_forms(
    layout: bool, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    folder = sealed_image(tmp_path / "image", root, key, layout=layout)
    facts = verify_image(folder, root, key.public)

    assert [fact.line() for fact in facts if fact.held is not True] == []
    assert exit_code(facts) == 0


def test_the_command_takes_its_folder_like_that_of_a_release(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(image)]) == 5  # signed by a key that is not one's own

    (image / "requirements.lock").write_text("numpy==1.0.0\n")
    assert main(["verify", str(image)]) == 4
    assert "requirements.lock: must have the SHA-256" in capsys.readouterr().out


def test_the_bill_lists_what_the_layers_hold_and_not_what_was_taken_away(sealed: Path) -> None:
    bill = json.loads((sealed / "sbom.cdx.json").read_text())

    assert {part["bom-ref"] for part in bill["components"]} == {
        "dpkg/libc6@2.36-9/amd64",
        f"{SITE}/fairmark@0.1.0",
        f"{SITE}/numpy@2.0.0",
        "os",
        "python",
    }
    [libc] = [part for part in bill["components"] if part["name"] == "libc6"]
    digest = hashlib.sha256(b"a library").hexdigest()
    line = hashlib.sha256(f"{digest}  /usr/lib/libc.so.6\n".encode()).hexdigest()
    assert libc["hashes"] == [{"alg": "SHA-256", "content": line}]
    assert bill["metadata"]["component"]["purl"].endswith(ImageFiles(sealed / IMAGE).digest)


def test_the_same_image_is_sealed_to_the_same_bytes_but_for_the_signatures(
    sealed: Path, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    again = sealed_image(tmp_path / "image", root, key)

    assert (again / "sbom.cdx.json").read_bytes() == (sealed / "sbom.cdx.json").read_bytes()
    assert ImageFolder(again).statement == ImageFolder(sealed).statement


def resealed(folder: Path, key: SigningKey, change: Callable[[Bill], None]) -> None:
    """Change the bill, and sign it and the statement anew: what a maker who lies could do."""
    bill = json.loads((folder / "sbom.cdx.json").read_text())
    change(bill)
    text = json.dumps(bill, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "sbom.cdx.json").write_text(text)
    statement = ImageFolder(folder).statement.to_json()
    for each in statement["subject"]:
        if each["name"] == "sbom.cdx.json":
            each["digest"]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    digests = ImageFolder(folder).statement.digests
    seal(bill_statement(bill, digests), key).write(folder / "sbom.intoto.json")
    seal(statement, key).write(folder / "statement.json")


def test_a_component_that_the_bill_leaves_out_is_found_though_it_is_signed(
    image: Path, key: SigningKey
) -> None:
    def forget(bill: Bill) -> None:
        bill["components"] = [part for part in bill["components"] if part["name"] != "libc6"]

    resealed(image, key, forget)

    assert list(wrong(image, key)) == ["bill"]
    assert "must list dpkg/libc6@2.36-9/amd64, got none" in wrong(image, key)["bill"]


def test_a_component_that_the_image_has_not_and_another_hash_are_found(image: Path, key: SigningKey) -> None:
    def add(bill: Bill) -> None:
        bill["components"].append({"bom-ref": "x", "name": "x", "type": "library"})

    def other(bill: Bill) -> None:
        bill["components"].pop()
        bill["components"][0]["hashes"][0]["content"] = "0" * 64

    resealed(image, key, add)
    assert "got x beside it" in wrong(image, key)["bill"]
    resealed(image, key, other)
    assert "at components.0.hashes.0.content" in wrong(image, key)["bill"]


@pytest.mark.parametrize("name", ["statement.json", "sbom.intoto.json", "sbom.cdx.json", "requirements.lock"])
def test_what_is_missing_is_wrong(name: str, image: Path, key: SigningKey) -> None:
    (image / name).unlink()

    assert f"{name}: must be there, got nothing" in wrong(image, key)["files"]


def test_an_image_that_nobody_or_another_signed_is_refused(image: Path, key: SigningKey) -> None:
    other = passing_key()

    assert "alone, got key" in wrong(image, other)["seal statement.json"]
    assert exit_code(verify_image(image, key=None)) == 5
    (image / "statement.json").unlink()
    assert exit_code(verify_image(image, key=key.public)) == 4


def blobs(image: Path) -> list[Path]:
    """Return the blobs of an image, the configuration first and then the layers."""
    files = ImageFiles(image / IMAGE)
    return [files.blob(f"sha256:{digest}") for digest in (files.config_sha256, *files.layers)]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_another_byte_in_a_layer_or_the_configuration_is_found(
    number: int, image: Path, key: SigningKey
) -> None:
    blob = blobs(image)[number]
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(bytes(content))

    assert "layers" in wrong(image, key)


def test_another_image_under_the_same_statement_is_found(
    image: Path, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    other = sealed_image(tmp_path / "other", root, key, {"opt/fairmark/more": "x"})
    shutil.rmtree(image / IMAGE)
    shutil.copytree(other / IMAGE, image / IMAGE)

    assert "manifest: must have the SHA-256" in wrong(image, key)["digests"]


def test_an_image_on_another_base_is_found(image: Path, key: SigningKey, root: Path) -> None:
    statement = ImageFolder(image).statement
    lie = base_input(layer({"etc/other": "x"}))
    inputs = [lie if each.name == "base image" else each
              for each in statement.definition.resolved_dependencies]  # fmt: skip
    definition = statement.definition.model_copy(update={"resolved_dependencies": tuple(inputs)})
    predicate = statement.predicate.model_copy(update={"build_definition": definition})
    seal(statement.model_copy(update={"predicate": predicate}).to_json(), key).write(image / "statement.json")

    assert "got an image that stands on others" in wrong(image, key, root)["base"]


def test_a_base_that_the_dockerfile_of_the_commit_does_not_pin_is_found(
    key: SigningKey, tmp_path: Path
) -> None:
    root = repository(tmp_path / "repository")
    (root / "Dockerfile").write_text(f"ARG BASE_IMAGE=docker.io/library/python:3.11@sha256:{'c' * 64}\n")
    git(root, "commit", "-qam", "Another base")
    folder = sealed_image(tmp_path / "image", root, key)

    assert "base: must be the one that the Dockerfile" in wrong(folder, key, root)["commit"]


@pytest.mark.parametrize(
    ("own", "claim", "why"),
    [
        ({"root/.bash_history": "ls"}, "contents", "got a private key or a history in layer 1"),
        ({"opt/fairmark/k": KEY}, "contents", "got a private key or a history in layer 1"),
        ({"root/.cache/pip/x": "x"}, "contents", "root/.cache/pip/x: must not be in an image"),
        ({"usr/bin/gcc": "x"}, "contents", "usr/bin/gcc: must not be in an image"),
        ({f"{SITE}/numpy/tests/test_a.py": ""}, "contents", "numpy/tests/test_a.py: must not"),
        ({f"{SITE}/fairmark/more.py": "x"}, "code", "got 1 unlike files: fairmark/more.py"),
        ({f"{SITE}/fairmark/__init__.py": "x"}, "code", "got 1 unlike files"),
        (
            {
                f"{SITE}/extra-1.dist-info/METADATA": "Name: extra\nVersion: 1\n",
                f"{SITE}/extra-1.dist-info/RECORD": "",
            },
            "environment",
            "extra: must be there at no version, got 1",
        ),
        (
            {f"{SITE}/numpy-2.0.0.dist-info/METADATA": "Name: numpy\nVersion: 1.9\n"},
            "environment",
            "numpy: must be there at 2.0.0, got 1.9",
        ),
        ({"releases/loans-v0.1.0/model/a": "x"}, "release", "must hold nothing, got ['loans-v0.1.0']"),
    ],
)
def test_what_no_image_of_ours_holds_is_found_though_it_is_signed(
    own: dict[str, str | bytes], claim: str, why: str, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    folder = sealed_image(tmp_path / "image", root, key, own)

    assert why in wrong(folder, key)[claim]


def test_a_module_may_be_called_after_the_test_set(key: SigningKey, tmp_path: Path) -> None:
    root = repository(tmp_path / "repository")
    (root / "src/fairmark/test_set_budget.py").write_text("x = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "More")
    own = {f"{SITE}/fairmark/test_set_budget.py": "x = 1\n"}

    assert wrong(sealed_image(tmp_path / "image", root, key, own), key) == {}


def test_a_key_that_a_later_layer_hides_is_still_found(root: Path, key: SigningKey, tmp_path: Path) -> None:
    hiding = layer({"opt/fairmark/.wh.k": ""})
    folder = sealed_image(tmp_path / "image", root, key, {"opt/fairmark/k": KEY}, hiding)

    assert "opt/fairmark/k" not in ImageFiles(folder / IMAGE).files
    assert "opt/fairmark/k: must not be in any layer" in wrong(folder, key)["contents"]


def test_an_image_that_runs_as_root_is_refused(root: Path, key: SigningKey, tmp_path: Path) -> None:
    folder = sealed_image(tmp_path / "image", root, key, user="0:0")

    assert wrong(folder, key) == {"user": "user: must be 10001:10001, got '0:0'"}


def test_a_release_inside_is_verified_like_any_other(small_release: Path, root: Path, tmp_path: Path) -> None:
    from fairmark.signing.key_store import own_key

    key = own_key(make=False)
    files = {
        f"releases/{small_release.name}/{path.relative_to(small_release)}": path.read_bytes()
        for path in small_release.rglob("*")
        if path.is_file()
    }
    said = {"target": "released", "version": small_release.name}
    held = sealed_image(tmp_path / "held", root, key, files, **said)  # type: ignore[arg-type]
    changed = {**files, f"releases/{small_release.name}/verdict.json": b"{}"}
    other = sealed_image(tmp_path / "other", root, key, changed, **said)  # type: ignore[arg-type]

    assert wrong(held, key) == {}
    assert "verdict.json: must have the SHA-256" in wrong(other, key)["release"]


def test_whiteouts_take_away_as_the_specification_says(tmp_path: Path, root: Path, key: SigningKey) -> None:
    lower = layer({"a/b/c": "1", "a/d": "2", "e/f": "3", "g/h": "4"})
    upper = layer({"a/.wh.b": "", "e/.wh..wh..opq": "", "e/new": "5", "g": "a file now"})
    folder = sealed_image(tmp_path / "image", root, key, {}, lower, upper)
    names = {"a/b/c", "a/d", "e/f", "e/new", "g", "g/h"}

    assert names & set(ImageFiles(folder / IMAGE).files) == {"a/d", "e/new", "g"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (layer({"../../etc/x": ""}), "must hold paths inside"),
        (b"no tar at all, but long enough to be read as one" * 20, "must be a tar"),
    ],
)
def test_a_hostile_layer_is_refused(
    content: bytes, why: str, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    with pytest.raises(VerificationError, match=why):
        sealed_image(tmp_path / "image", root, key, {}, content)


def test_a_layer_that_is_packed_small_and_has_no_end_is_refused(
    root: Path, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairmark.release.image_files.MOST_BYTES", 10**6)

    with pytest.raises(VerificationError, match="must come to less than 1000000 bytes"):
        sealed_image(tmp_path / "image", root, key, {}, layer({"zeros": b"0" * 10**6}))


def test_a_manifest_is_read_by_its_digests_alone(image: Path, key: SigningKey) -> None:
    place = image / IMAGE / "manifest.json"
    manifest = json.loads(place.read_text())
    manifest["layers"][0]["digest"] = "sha256:../../../etc/passwd"
    place.write_bytes(canonical_json(manifest))

    assert "must name its parts by SHA-256" in wrong(image, key)["layers"]


def test_the_layers_of_the_stand_in_are_what_gzip_makes(sealed: Path) -> None:
    packed = [gzip.decompress(blob.read_bytes()) for blob in blobs(sealed)[1:]]

    assert packed[0] == layer(BASE_FILES)
    assert len(OWN_FILES) == packed[1].count(b"ustar") - 1  # and one link
