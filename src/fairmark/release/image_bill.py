"""The bill of materials of a container image, made of its layers alone: CycloneDX 1.6.

Whoever has the image can make the bill again and compare it whole, without an engine and without running
anything: Python's distributions by their METADATA and RECORD, Debian's packages by dpkg's status and lists,
the interpreter and the operating system. A hash of a part is over what the image holds of it.
"""

import email
import email.policy
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageMetadata, version
from typing import NamedTuple, cast

from fairmark.errors import VerificationError
from fairmark.files import lines_of
from fairmark.release.image_files import Entry, ImageFiles
from fairmark.release.sbom import licences
from fairmark.release.sbom.cyclonedx import (
    Bill,
    Commit,
    Component,
    Dependency,
    Metadata,
    Pedigree,
    Property,
    sha256_hash,
)
from fairmark.release.sbom.installed import read_record
from fairmark.release.sbom.licences import licence_of
from fairmark.release.sbom.requirements import normal, over

HOME = "opt/fairmark"
"""Where an image has its Python environment."""

METHOD = "SHA-256 over the sorted lines `sha256  path` of the files of a part that the image holds"

_METADATA = ".dist-info/METADATA"
_MOST_LINKS = 20


class Built(NamedTuple):
    """What an image was built as: its name and version, the commit, and the commit's time."""

    name: str
    version: str
    commit: str
    committed: str


def bill_of(image: ImageFiles, built: Built) -> Bill:
    """Return the bill of an image.

    Raises
    ------
    VerificationError
        When the image is no whole one, or a distribution of it has no name, version or RECORD.
    """
    parts = [*distributions(image), *_packages(image.files), *_platform(image.files)]
    container = Component(
        type="container",
        bom_ref="image",
        name=built.name,
        version=built.version,
        purl=f"pkg:oci/{built.name}@sha256:{image.digest}",
        hashes=(sha256_hash(image.digest),),
        pedigree=Pedigree(commits=(Commit(uid=built.commit),)),
    )
    made = Bill(
        schema_="http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format="CycloneDX",
        spec_version="1.6",
        version=1,
        metadata=Metadata(
            tools={
                "components": [{"type": "application", "name": "fairmark", "version": version("fairmark")}]
            },
            properties=(Property(name="fairmark:hash", value=METHOD),),
            timestamp=built.committed,
            component=container,
        ),
        components=tuple(sorted(parts, key=lambda part: part.bom_ref)),
        dependencies=(Dependency(ref="image", depends_on=tuple(sorted(part.bom_ref for part in parts))),),
        serial_number="",
    )
    return made.model_copy(update={"serial_number": made.number})


def distributions(image: ImageFiles, home: str = "") -> Iterator[Component]:
    """Yield the component of each Python distribution below a folder of the image."""
    for path, entry in image.files.items():
        if path.endswith(_METADATA) and path.startswith(home) and entry.content is not None:
            yield _distribution(image.files, path, entry.content)


def _distribution(files: Mapping[str, Entry], path: str, content: bytes) -> Component:
    said = email.message_from_bytes(content, policy=email.policy.compat32)
    name, number = str(said["Name"] or ""), str(said["Version"] or "")
    folder = path.removesuffix("/METADATA")
    home = folder.rpartition("/")[0]
    record = files.get(f"{folder}/RECORD")
    if not name or not number or record is None or record.content is None:
        raise VerificationError(f"{folder}: must have a name, a version and a RECORD, got one without")
    try:
        lines = read_record(record.content.decode("utf-8", "replace"), f"/{home}").lines
    except ValueError as error:
        raise VerificationError(f"{folder}: must have a RECORD of three columns, got {error}") from error
    there = ((files.get(_beside(home, line.path)), line.path) for line in lines)
    licence = licence_of(cast("PackageMetadata", said), list)
    own = normal(name) == "fairmark"
    return Component(
        type="library",
        bom_ref=f"{home}/{normal(name)}@{number}",
        name=name,
        version=number,
        purl=f"pkg:{'generic' if own else 'pypi'}/{normal(name)}@{number}",
        hashes=(sha256_hash(over((e.sha256, at) for e, at in there if e is not None and e.sha256)),),
        licenses=licences.entry(licence.expression, licence.words, licence.acknowledgement),
    )


def _beside(home: str, path: str) -> str:
    parts = home.split("/")
    for part in path.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _packages(files: Mapping[str, Entry]) -> Iterator[Component]:
    """Yield the component of each of Debian's packages (deb-control(5); dpkg's own lists of files)."""
    status = files.get("var/lib/dpkg/status")
    if status is None or status.content is None:
        return
    for stanza in status.content.decode("utf-8", "replace").split("\n\n"):
        said = email.message_from_string(stanza)
        name, number, arch = (str(said[key] or "") for key in ("Package", "Version", "Architecture"))
        if not name or "installed" not in str(said["Status"] or "").split():
            continue
        listed = next(
            (
                entry.content
                for each in (name, f"{name}:{arch}")
                if (entry := files.get(f"var/lib/dpkg/info/{each}.list")) is not None and entry.content
            ),
            b"",
        )
        pairs = (
            (found.sha256, path)
            for path in lines_of(listed.decode("utf-8", "replace"))
            if (found := files.get(real(files, path.strip("/")))) is not None and found.sha256
        )
        yield Component(
            type="library",
            bom_ref=f"dpkg/{name}@{number}/{arch}",
            name=name,
            version=number,
            purl=f"pkg:deb/debian/{name}@{number}?arch={arch}",
            hashes=(sha256_hash(over(pairs)),),
        )


def _platform(files: Mapping[str, Entry]) -> Iterator[Component]:
    """Yield the components of the interpreter and of the operating system."""
    python = files.get(real(files, f"{HOME}/bin/python"))
    if python is not None and python.sha256:
        yield Component(
            type="platform",
            bom_ref="python",
            name="python",
            version=python_version(files),
            hashes=(sha256_hash(python.sha256),),
        )
    release = files.get(real(files, "etc/os-release"))
    if release is not None and release.content and release.sha256:
        said = dict(line.partition("=")[::2] for line in lines_of(release.content.decode("utf-8", "replace")))
        yield Component(
            type="operating-system",
            bom_ref="os",
            name=said.get("ID", "").strip('"') or "unknown",
            version=said.get("VERSION_ID", "").strip('"') or "unknown",
            hashes=(sha256_hash(release.sha256),),
        )


def python_version(files: Mapping[str, Entry]) -> str:
    """Return the version of the Python that the environment was made with, such as 3.11.14.

    Raises
    ------
    VerificationError
        When the image has no environment.
    """
    found = files.get(f"{HOME}/pyvenv.cfg")
    lines = lines_of((found.content or b"").decode("utf-8", "replace")) if found is not None else []
    pairs = (line.partition("=") for line in lines)
    said = {name.strip(): text.strip() for name, _, text in pairs}
    if "version" not in said:
        raise VerificationError(f"{HOME}: must be a Python environment, got none")
    return said["version"]


def real(files: Mapping[str, Entry], path: str) -> str:
    """Return where a path leads when its links, and those of the folders on its way, are followed."""
    done: list[str] = []
    left = path.split("/")
    for _ in range(_MOST_LINKS * 10):
        if not left:
            break
        part = left.pop(0)
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        entry = files.get("/".join([*done, part]))
        if entry is None or entry.target is None:
            done.append(part)
            continue
        left = entry.target.split("/") + left
        done = [] if entry.target.startswith("/") else done
    return "/".join([*done, *left])
