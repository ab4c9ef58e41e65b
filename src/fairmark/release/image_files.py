"""The files of a container image: its manifest and configuration, and every file that a container would see.

Read from a folder in one of two forms: skopeo's `dir:` (manifest.json, and each blob by its hex digest) or an
OCI image layout (OCI image-spec v1.1, image-layout.md). Layers are merged as image-spec's layer.md says, with
whiteouts. Nothing is unpacked: a layer is read as a stream, and only a few small files are kept.
"""

import gzip
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fairmark.errors import VerificationError
from fairmark.repo.untrusted import foreign_text, strict_json

MOST_ENTRIES = 1_000_000
"""Of one image, all layers together; the largest of ours has 90,000."""

MOST_BYTES = 32 * 2**30
"""Of one image, unpacked: what is packed small may else be without end."""

MOST_KEPT_BYTES = 16 * 2**20

PRIVATE_KEY = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----\s*$", re.MULTILINE)

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_KEPT = re.compile(
    r"(?:.*/)?[^/]+\.dist-info/(?:METADATA|RECORD)|var/lib/dpkg/(?:status|info/[^/]+\.list)|"
    r"(?:etc|usr/lib)/os-release|(?:.*/)?pyvenv\.cfg|releases/.+"
)
"""The files whose content is looked at."""

_SECRET = re.compile(
    r"(?:.*/)?(?:\.[a-z]+_history|\.netrc|\.pypirc|\.git-credentials|id_(?:rsa|ecdsa|ed25519))"
)

_KEY_BYTES = 64 * 2**10
"""A file larger than this is not looked through for a private key."""


@dataclass(frozen=True)
class Entry:
    """One path of an image, as the last layer that names it leaves it.

    Parameters
    ----------
    layer
        Which layer it is of, from 0 for the lowest.
    sha256
        Of a regular file's content, 64 hex digits; None for anything else.
    target
        Where a symbolic link leads.
    content
        Of the few files whose content is looked at.
    private_key
        Whether a line of it begins a private key in PEM.
    """

    layer: int
    sha256: str | None = None
    target: str | None = None
    content: bytes | None = None
    private_key: bool = False


class Hashing:
    """A stream that hashes what is read from it; `hex` is the SHA-256 so far.

    Parameters
    ----------
    stream
        Where it is read from.
    most
        How many bytes there may be, at most.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self.left, self._sum = stream, most, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        VerificationError
            When there are more than there may be.
        """
        content = self._stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise VerificationError(f"layer: must come to less than {MOST_BYTES} bytes, got more")
        self._sum.update(content)
        return content

    @property
    def hex(self) -> str:
        """The digest, 64 hex digits."""
        return self._sum.hexdigest()


@dataclass(frozen=True)
class ImageFiles:
    """An image in a folder, each part read when it is asked for.

    Parameters
    ----------
    folder
        As `skopeo copy IMAGE dir:FOLDER` or `oci:FOLDER` writes it.
    """

    folder: Path

    def blob(self, digest: str) -> Path:
        """Return the file that holds a blob.

        Raises
        ------
        VerificationError
            When the digest is none of SHA-256.
        """
        found = _DIGEST.fullmatch(digest)
        if found is None:
            raise VerificationError(f"image: must name its parts by SHA-256, got {digest[:80]!a}")
        place = self.folder / "blobs" / "sha256" if self._layout else self.folder
        return place / found[1]

    @property
    def _layout(self) -> bool:
        return (self.folder / "oci-layout").is_file()

    @cached_property
    def manifest_text(self) -> str:
        """The manifest's text, whose SHA-256 is the image's digest in a registry.

        Raises
        ------
        VerificationError
            When a layout holds another number of images than one.
        InputError
            When it is missing, or is no text.
        """
        if not self._layout:
            return foreign_text(self.folder / "manifest.json")
        index = _mapping(foreign_text(self.folder / "index.json"), "index.json")
        listed = index.get("manifests")
        if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
            raise VerificationError("index.json: must list one image, got another number")
        return foreign_text(self.blob(str(listed[0].get("digest"))))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest, 64 hex digits: by it a registry knows the image."""
        return hashlib.sha256(self.manifest_text.encode()).hexdigest()

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """What the manifest says."""
        return _mapping(self.manifest_text, "manifest.json")

    @cached_property
    def config_sha256(self) -> str:
        """SHA-256 of the configuration, 64 hex digits: the image's ID, however its layers are packed."""
        return self._named(self.manifest.get("config"))

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """SHA-256 of each layer as it is packed, the lowest first."""
        listed = self.manifest.get("layers")
        if not isinstance(listed, list):
            raise VerificationError("manifest.json: must list layers, got none")
        return tuple(self._named(each) for each in listed)

    @staticmethod
    def _named(entry: object) -> str:
        digest = str(entry.get("digest")) if isinstance(entry, dict) else ""
        if found := _DIGEST.fullmatch(digest):
            return found[1]
        raise VerificationError(f"manifest.json: must name its parts by SHA-256, got {digest[:80]!a}")

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The configuration: architecture, labels, user, and the digests of the unpacked layers.

        Raises
        ------
        VerificationError
            When it is not the one that the manifest names.
        """
        text = foreign_text(self.blob(f"sha256:{self.config_sha256}"))
        if (found := hashlib.sha256(text.encode()).hexdigest()) != self.config_sha256:
            raise VerificationError(
                f"config: must have the SHA-256 {self.config_sha256[:12]}…, got {found[:12]}…"
            )
        return _mapping(text, "config")

    @cached_property
    def run_config(self) -> Mapping[str, Any]:
        """How a container of it is run: user, environment, entry point, labels."""
        found = self.config.get("config")
        return found if isinstance(found, dict) else {}

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The labels, by name."""
        found = self.run_config.get("Labels")
        return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}

    @cached_property
    def unpacked_layers(self) -> tuple[str, ...]:
        """SHA-256 of each layer unpacked (OCI's DiffID) as the configuration says, the lowest first."""
        match self.config:
            case {"rootfs": {"diff_ids": list(found)}}:
                return tuple(str(each).removeprefix("sha256:") for each in found)
        return ()

    @property
    def files(self) -> Mapping[str, Entry]:
        """Every path that a container sees, without a leading slash, sorted.

        Raises
        ------
        VerificationError
            When a layer is missing or is not the one that manifest and configuration name, leads outside, or
            there is more than an image may hold.
        """
        return self._read[0]

    @property
    def secrets(self) -> Sequence[tuple[int, str]]:
        """Layer and path of each private key and shell history, of all layers: what a later one hides too."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Mapping[str, Entry], Sequence[tuple[int, str]]]:
        if len(self.layers) != len(self.unpacked_layers):
            raise VerificationError(
                f"image: must have as many layers as its configuration names, "
                f"{len(self.unpacked_layers)}, got {len(self.layers)}"
            )
        seen: dict[str, Entry] = {}
        secrets: list[tuple[int, str]] = []
        left = _Left(MOST_BYTES, MOST_ENTRIES)
        for number, (packed, wanted) in enumerate(zip(self.layers, self.unpacked_layers, strict=True)):
            layer = _layer(self.blob(f"sha256:{packed}"), number, packed, wanted, left)
            # What a layer takes away is taken from those below it, wherever its own entries stand.
            seen = {path: entry for path, entry in seen.items() if not layer.hides(path)} | layer.added
            secrets += [(number, p) for p, e in layer.added.items() if e.private_key or _SECRET.fullmatch(p)]
        return dict(sorted(seen.items())), secrets


@dataclass
class _Left:
    """How much an image may still hold."""

    bytes: int
    entries: int


@dataclass(frozen=True)
class _Layer:
    """What a layer adds, what it takes away, and the folders of which it takes away all that is in them."""

    added: dict[str, Entry]
    removed: set[str]
    emptied: set[str]

    def hides(self, path: str) -> bool:
        """Return whether a path of a lower layer is gone with this one."""
        if path in self.removed:
            return True
        at = path.rfind("/")
        while at > 0:
            above = path[:at]
            # A file in the place of a folder takes away what was in it.
            if above in self.removed or above in self.emptied or self._is_file(above):
                return True
            at = path.rfind("/", 0, at)
        return "" in self.emptied

    def _is_file(self, path: str) -> bool:
        entry = self.added.get(path)
        return entry is not None and (entry.sha256 is not None or entry.target is not None)


def _layer(blob: Path, number: int, packed: str, wanted: str, left: _Left) -> _Layer:
    found = _Layer({}, set(), set())
    with _opened(blob, packed, wanted, left) as stream:
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as tar:
                for each in tar:
                    left.entries -= 1
                    if left.entries < 0:
                        raise VerificationError(f"image: must hold at most {MOST_ENTRIES} files, got more")
                    _add(found, tar, each, number)
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise VerificationError(f"layer {packed[:12]}…: must be a tar, got {error}") from error
    return found


def _add(found: _Layer, tar: tarfile.TarFile, each: tarfile.TarInfo, number: int) -> None:
    path = _inside(each.name)
    folder, _, name = path.rpartition("/")
    if name == _OPAQUE:
        found.emptied.add(folder)
    elif name.startswith(_WHITEOUT):
        found.removed.add(f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/"))
    elif path:
        found.added[path] = _entry(tar, each, number, found.added)


def _entry(tar: tarfile.TarFile, each: tarfile.TarInfo, layer: int, own: Mapping[str, Entry]) -> Entry:
    if each.islnk():
        found = own.get(_inside(each.linkname))
        return Entry(layer) if found is None else found
    if each.issym():
        return Entry(layer, target=each.linkname)
    stream = tar.extractfile(each) if each.isreg() else None
    if stream is None:
        return Entry(layer)
    path = _inside(each.name)
    if each.size > max(MOST_KEPT_BYTES, _KEY_BYTES):
        return Entry(layer, sha256=_hashed(stream))
    content = stream.read()
    key = each.size <= _KEY_BYTES and PRIVATE_KEY.search(content) is not None
    kept = content if _KEPT.fullmatch(path) else None
    return Entry(layer, hashlib.sha256(content).hexdigest(), content=kept, private_key=key)


def _hashed(stream: IO[bytes]) -> str:
    found = hashlib.sha256()
    while part := stream.read(2**20):
        found.update(part)
    return found.hexdigest()


def _inside(name: str) -> str:
    parts = [part for part in PurePosixPath(name).parts if part not in {"/", "."}]
    if ".." in parts:
        raise VerificationError(f"layer: must hold paths inside, got {name[:80]!a}")
    return "/".join(parts)


@contextmanager
def _opened(blob: Path, packed: str, wanted: str, left: _Left) -> Iterator[Hashing]:
    """Yield a layer's tar unpacked, and check both digests when it was read."""
    if not blob.is_file() or blob.is_symlink():
        raise VerificationError(f"layer {packed[:12]}…: must be there as a file, got none")
    with blob.open("rb") as file:
        outer = Hashing(file, left.bytes)
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        stream = gzip.GzipFile(fileobj=cast("IO[bytes]", outer)) if zipped else outer
        inner = Hashing(cast("IO[bytes]", stream), left.bytes)
        yield inner
        try:
            while inner.read(2**20):
                pass
            while outer.read(2**20):
                pass
        except (EOFError, OSError) as error:
            raise VerificationError(f"layer {packed[:12]}…: must be whole, got {error}") from error
        left.bytes = inner.left
        for found, must in ((outer.hex, packed), (inner.hex if zipped else outer.hex, wanted)):
            if found != must:
                raise VerificationError(
                    f"layer {packed[:12]}…: must have the SHA-256 {must[:12]}…, got {found[:12]}…"
                )


def _mapping(text: str, where: str) -> Mapping[str, Any]:
    found = strict_json(text, where)
    if not isinstance(found, dict):
        raise VerificationError(f"{where}: must be a mapping, got {json.dumps(found)[:80]}")
    return found
