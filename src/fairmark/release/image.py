"""A container image and what is stated of it: a folder that `fairmark verify` checks, made by `make image`.

The grammar is a release's: an in-toto Statement with SLSA provenance v1 in a DSSE envelope, which names the
image by its digests and what it was made from (the commit and every file of it, and the base image with its
layers), and a CycloneDX bill of materials with a statement of its own. The folder holds the image beside
them, as it is pushed.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag

from fairmark.errors import FairmarkError, InputError, StateError, UsageError, VerificationError
from fairmark.files import sha256, write_json
from fairmark.record import CamelRecord
from fairmark.release.image_bill import Built, bill_of
from fairmark.release.image_files import ImageFiles
from fairmark.release.layout import BILL, BILL_SEAL, IMAGE, STATEMENT
from fairmark.release.seal import BOM
from fairmark.release.statement import (
    BUILDER,
    PREDICATE_TYPE,
    Builder,
    CommitAnnotations,
    CommitDigest,
    CommitInput,
    FileDigest,
    FileInput,
    RunDetails,
    Subject,
    made_with,
    stated_files,
)
from fairmark.repo import process
from fairmark.repo.commit import Trace, trace
from fairmark.signing.dsse import STATEMENT_TYPE, Envelope, seal
from fairmark.signing.key_store import own_key
from fairmark.signing.keys import SigningKey
from fairmark.terminal import say, stopped

BUILD_TYPE = "urn:fairmark:image:1"
LOCK = "requirements.lock"

LOCK_OF: Mapping[str, str] = {
    "service": "requirements-serve.lock",
    "released": "requirements-serve.lock",
    "worker": "requirements.lock",
    "pipeline": "requirements.lock",
}
"""Which lock each target of the Dockerfile installs."""

REVISION = "org.opencontainers.image.revision"
VERSION = "org.opencontainers.image.version"
BASE = "org.opencontainers.image.base.name"
"""Labels of the image, as OCI's annotations name them."""


class BaseLayers(CamelRecord):
    """SHA-256 of each layer of the base image unpacked, the lowest first."""

    layers: tuple[str, ...]


class BaseInput(CamelRecord):
    """The image that it was built on: the reference as the Dockerfile has it, its digest and its layers."""

    name: Literal["base image"] = "base image"
    uri: str
    digest: FileDigest
    annotations: BaseLayers


InputT = TypeVar("InputT", CommitInput, BaseInput)


def _kind(value: object) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return {"commit": "commit", "base image": "base"}.get(str(name), "file")


ImageInput = Annotated[
    Annotated[CommitInput, Tag("commit")]
    | Annotated[BaseInput, Tag("base")]
    | Annotated[FileInput, Tag("file")],
    Discriminator(_kind),
]


class ImageParameters(CamelRecord):
    """What a person chose: the image's name, the target of the Dockerfile, and the version as labelled."""

    name: str
    target: str
    version: str


class ImageFound(CamelRecord):
    """What was found: whether nothing stood uncommitted, and for which platform the image is."""

    clean_tree: bool
    platform: str


class ImageDefinition(CamelRecord):
    """What was asked for, and all that it was made from: the commit, the base image, then every file."""

    build_type: str
    external_parameters: ImageParameters
    internal_parameters: ImageFound
    resolved_dependencies: tuple[ImageInput, ...]


class ImageProvenance(CamelRecord):
    """SLSA provenance v1, as far as an image states it."""

    build_definition: ImageDefinition
    run_details: RunDetails


class ImageStatement(CamelRecord):
    """The in-toto Statement of an image: its digests, and what it was made from."""

    type_: str = Field(validation_alias="_type", serialization_alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: ImageProvenance

    @property
    def definition(self) -> ImageDefinition:
        """What was asked for, and what it was made from."""
        return self.predicate.build_definition

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each subject: `config`, `manifest`, and the files beside the image."""
        return {each.name: each.digest.sha256 for each in self.subject}

    @cached_property
    def commit(self) -> CommitInput:
        """The commit that the image was made from.

        Raises
        ------
        VerificationError
            When none or several are named.
        """
        return self._one(CommitInput, "commit")

    @cached_property
    def base(self) -> BaseInput:
        """The image that it was built on.

        Raises
        ------
        VerificationError
            When none or several are named.
        """
        return self._one(BaseInput, "base image")

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        """SHA-256 of every file of the commit, by name."""
        found = self.definition.resolved_dependencies
        return {each.name: each.digest.sha256 for each in found if isinstance(each, FileInput)}

    @property
    def built(self) -> Built:
        """Name, version, commit and the commit's time."""
        said = self.definition.external_parameters
        return Built(
            said.name, said.version, self.commit.digest.git_commit, self.commit.annotations.committed
        )

    def _one(self, kind: type[InputT], what: str) -> InputT:
        found = [each for each in self.definition.resolved_dependencies if isinstance(each, kind)]
        if len(found) != 1:
            raise VerificationError(f"{STATEMENT}: must name one {what}, got {len(found)}")
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """Return the statement as plain JSON values."""
        return self.model_dump(mode="json", by_alias=True)


class ImageFolder:
    """The folder of an image as somebody handed it over.

    Parameters
    ----------
    folder
        Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = ImageFiles(folder / IMAGE)

    def envelope(self, name: str) -> Envelope:
        """Return one of its two signed files."""
        return Envelope.read(self.folder / name)

    @cached_property
    def statement(self) -> ImageStatement:
        """What statement.json states, whoever signed it.

        Raises
        ------
        VerificationError
            When it has not the form of an image's statement.
        """
        try:
            return ImageStatement.from_json(self.envelope(STATEMENT).statement, STATEMENT)
        except InputError as error:
            raise VerificationError(*error.faults) from error


def state_image(
    image: ImageFiles, found: Trace, root: Path, asked: ImageParameters, base: BaseInput, beside: Path
) -> ImageStatement:
    """Return the statement of an image that was built in the working folder `root`.

    Parameters
    ----------
    beside
        The folder that holds its lock and its bill.
    """
    commit = CommitInput(
        name="commit",
        digest=CommitDigest(git_commit=found.commit),
        annotations=CommitAnnotations(committed=found.committed),
    )
    files = (
        FileInput(name=name, digest=FileDigest(sha256=digest))
        for name, digest in sorted(stated_files(root, found.commit).items())
    )
    digests = {
        "config": image.config_sha256,
        "manifest": image.digest,
        LOCK: sha256(beside / LOCK),
        BILL: sha256(beside / BILL),
    }
    platform = f"{image.config.get('os', 'unknown')}/{image.config.get('architecture', 'unknown')}"
    return ImageStatement(
        type_=STATEMENT_TYPE,
        subject=tuple(
            Subject(name=name, digest=FileDigest(sha256=digest)) for name, digest in sorted(digests.items())
        ),
        predicate_type=PREDICATE_TYPE,
        predicate=ImageProvenance(
            build_definition=ImageDefinition(
                build_type=BUILD_TYPE,
                external_parameters=asked,
                internal_parameters=ImageFound(clean_tree=not found.dirty, platform=platform),
                resolved_dependencies=(commit, base, *files),
            ),
            run_details=RunDetails(builder=Builder(id=BUILDER, version=made_with())),
        ),
    )


def bill_statement(bill: Mapping[str, object], digests: Mapping[str, str]) -> dict[str, object]:
    """Return the bill of materials as a statement about the image's two digests."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digests[name]}} for name in ("config", "manifest")],
        "predicateType": BOM,
        "predicate": dict(bill),
    }


def seal_image(folder: Path, root: Path, asked: ImageParameters, base: BaseInput, key: SigningKey) -> None:
    """Write into a folder that holds an image its lock, its bill and the two signed statements.

    Raises
    ------
    UsageError
        When the Dockerfile has no such target.
    StateError
        When git or the key can't be asked.
    """
    if asked.target not in LOCK_OF:
        raise UsageError(f"target: must be one of {', '.join(LOCK_OF)}, got {asked.target[:40]!a}")
    image, found = ImageFiles(folder / IMAGE), trace(root)
    shutil.copyfile(root / LOCK_OF[asked.target], folder / LOCK)
    bill = bill_of(image, Built(asked.name, asked.version, found.commit, found.committed)).to_json()
    write_json(folder / BILL, bill)
    statement = state_image(image, found, root, asked, base, folder)
    seal(bill_statement(bill, statement.digests), key).write(folder / BILL_SEAL)
    seal(statement.to_json(), key).write(folder / STATEMENT)


def export(engine: str, name: str, target: Path) -> None:
    """Write an image of an engine's store into a folder, with packed layers, as it will be pushed.

    Raises
    ------
    StateError
        When the engine, or with docker skopeo, can't.
    """
    words: Mapping[str, Sequence[str]] = {
        "podman": (engine, "save", "--quiet", "--compress", "--format", "docker-dir", "-o", str(target),
                   name),
        "buildah": (engine, "push", "--quiet", "--format", "v2s2", "--compression-format", "gzip", name,
                    f"dir:{target}"),
        "docker": ("skopeo", "copy", "--quiet", "--dest-compress", f"docker-daemon:{name}", f"dir:{target}"),
    }  # fmt: skip
    process.need(
        process.run, f"image: must be written into a folder ({name})", words[_engine_kind(engine)], Path()
    )


def base_of(engine: str, name: str) -> BaseInput:
    """Return the base image as an engine knows it.

    Raises
    ------
    StateError
        When the engine does not know it.
    """
    kind = _engine_kind(engine)
    inspect = ("inspect", "--type", "image") if kind == "buildah" else ("image", "inspect")
    ended = process.run((engine, *inspect, name), Path())
    if ended.code:  # a builder of its own may have taken it elsewhere than into the store
        process.need(
            process.run, f"base image: must be pulled ({name})", (engine, "pull", "--quiet", name), Path()
        )
        ended = process.run((engine, *inspect, name), Path())
    try:
        said = json.loads("\n".join(line for line in ended.lines if not line.startswith("time=")))
        said = said[0] if isinstance(said, list) else said
        layers = said["OCIv1"]["rootfs"]["diff_ids"] if kind == "buildah" else said["RootFS"]["Layers"]
        identity = str(said["FromImageID"] if kind == "buildah" else said["Id"]).removeprefix("sha256:")
    except (ValueError, LookupError, TypeError) as error:
        raise StateError(f"{name}: must be known to {kind}, got {error!r:.80}") from error
    digest = name.partition("@sha256:")[2] or identity
    return BaseInput(
        uri=name,
        digest=FileDigest(sha256=digest),
        annotations=BaseLayers(layers=tuple(str(each).removeprefix("sha256:") for each in layers)),
    )


def _engine_kind(engine: str) -> str:
    said = " ".join(process.run((engine, "--version"), Path()).lines).lower()
    for kind in ("podman", "buildah", "docker"):
        if kind in said:
            return kind
    raise StateError(f"{engine}: must be podman, buildah or docker, got {said[:80]!a}")


def main(argv: Sequence[str] | None = None) -> int:
    """Write an image that was built into a folder, with its signed statements, and return the exit code."""
    parser = argparse.ArgumentParser(prog="image", description=main.__doc__, allow_abbrev=False)
    parser.add_argument("image", help="the image's name in the engine's store")
    parser.add_argument("--engine", required=True, help="podman, buildah or docker")
    parser.add_argument("--target", required=True, help="the target of the Dockerfile that it was built by")
    parser.add_argument("--into", required=True, type=Path, help="the folder to write")
    given = parser.parse_args(argv)
    try:
        sealed = _main(given)
    except FairmarkError as error:
        stopped("make image", error.faults)
        return error.exit_code
    say(*sealed)
    return 0


def _main(given: argparse.Namespace) -> list[str]:
    draft = given.into.with_name(f".{given.into.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        export(given.engine, given.image, draft / IMAGE)
        image = ImageFiles(draft / IMAGE)
        base = base_of(given.engine, image.labels.get(BASE, ""))
        asked = ImageParameters(
            name=f"fairmark-{given.target}", target=given.target, version=image.labels.get(VERSION, "")
        )
        seal_image(draft, Path(), asked, base, own_key(make=True))
        shutil.rmtree(given.into, ignore_errors=True)
        draft.rename(given.into)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    size = sum(path.stat().st_size for path in (given.into / IMAGE).iterdir())
    parts = len(bill_parts(given.into))
    return [
        f"{given.image}: sha256:{image.digest}, {size / 1e6:.0f} MB packed, {parts} parts",
        f"check it with: fairmark verify {given.into}",
    ]


def bill_parts(folder: Path) -> list[object]:
    """Return the components that a folder's bill lists."""
    found = json.loads((folder / BILL).read_text(encoding="utf-8"))["components"]
    return list(found)


if __name__ == "__main__":
    sys.exit(main())
