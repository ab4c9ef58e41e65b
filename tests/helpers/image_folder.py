"""An image in a folder, made of a few bytes: a base, an environment with one distribution, and fairmark."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from release_folder import git

from fairmark.files import write_text
from fairmark.release.image import (
    BASE,
    REVISION,
    VERSION,
    BaseInput,
    BaseLayers,
    ImageParameters,
    seal_image,
)
from fairmark.release.layout import IMAGE
from fairmark.release.statement import FileDigest
from fairmark.signing.keys import SigningKey

BASE_NAME = f"docker.io/library/python:3.11@sha256:{'b' * 64}"
SITE = "opt/fairmark/lib/python3.11/site-packages"
EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
BASE_FILES: Mapping[str, str] = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "usr/bin/python3.11": "an interpreter",
    "usr/bin/pip": "taken away by the layer above",
    "var/lib/dpkg/status": (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    ),
    "var/lib/dpkg/info/libc6:amd64.list": "/usr/lib/libc.so.6\n",
    "usr/lib/libc.so.6": "a library",
}
OWN_FILES: Mapping[str, str] = {
    "usr/bin/.wh.pip": "",
    "opt/fairmark/pyvenv.cfg": "home = /usr/bin\nversion = 3.11.14\n",
    f"{SITE}/numpy/__init__.py": "",
    f"{SITE}/numpy-2.0.0.dist-info/METADATA": "Name: numpy\nVersion: 2.0.0\nLicense-Expression: MIT\n",
    f"{SITE}/numpy-2.0.0.dist-info/RECORD": f"numpy/__init__.py,sha256={EMPTY},0\n",
    f"{SITE}/fairmark/__init__.py": "",
    f"{SITE}/fairmark-0.1.0.dist-info/METADATA": "Name: fairmark\nVersion: 0.1.0\n",
    f"{SITE}/fairmark-0.1.0.dist-info/RECORD": "fairmark/__init__.py,,\n",
}
LINKS: Mapping[str, str] = {"opt/fairmark/bin/python": "/usr/bin/python3.11"}
LOCK = f"numpy==2.0.0 --hash=sha256:{'0' * 64}\n"


def repository(root: Path) -> Path:
    """Return a repository whose commit holds a lock, a Dockerfile and one file of fairmark."""
    write_text(root / "requirements-serve.lock", LOCK)
    write_text(root / "requirements.lock", LOCK)
    write_text(root / "Dockerfile", f"ARG BASE_IMAGE={BASE_NAME}\nFROM ${{BASE_IMAGE}}\n")
    write_text(root / "src/fairmark/__init__.py", "")
    git(root, "init", "-q", "-b", "main")
    for key, text in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        git(root, "config", key, text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Start")
    return root


def layer(files: Mapping[str, str | bytes], links: Mapping[str, str] | None = None) -> bytes:
    """Return the tar of a layer."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, text in files.items():
            content = text if isinstance(text, bytes) else text.encode()
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return made.getvalue()


def write_image(
    folder: Path,
    commit: str,
    layers: tuple[bytes, ...],
    *,
    layout: bool = False,
    user: str = "10001:10001",
    version: str = "unreleased",
) -> None:
    """Write an image of these layers as `dir:`, or as an OCI layout."""
    place = folder / "blobs" / "sha256" if layout else folder
    place.mkdir(parents=True)

    def blob(content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (place / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": user, "Labels": {REVISION: commit, VERSION: version, BASE: BASE_NAME}},
        "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]},
    }
    packed = [blob(gzip.compress(each, mtime=0)) for each in layers]
    manifest = {"schemaVersion": 2, "config": blob(json.dumps(config).encode()), "layers": packed}
    text = json.dumps(manifest)
    if not layout:
        (folder / "manifest.json").write_text(text)
        return
    named = blob(text.encode())
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))


def base_input(*layers: bytes) -> BaseInput:
    """Return the base image that has these layers."""
    return BaseInput(
        uri=BASE_NAME,
        digest=FileDigest(sha256="b" * 64),
        annotations=BaseLayers(layers=tuple(hashlib.sha256(each).hexdigest() for each in layers)),
    )


def sealed_image(
    folder: Path,
    root: Path,
    key: SigningKey,
    own: Mapping[str, str | bytes] | None = None,
    *more: bytes,
    target: str = "service",
    layout: bool = False,
    user: str = "10001:10001",
    version: str = "unreleased",
) -> Path:
    """Return the folder of an image whose layer above the base holds `own`, sealed as `make image` seals."""
    lower, upper = layer(BASE_FILES), layer({**OWN_FILES, **(own or {})}, LINKS)
    commit = git(root, "rev-parse", "HEAD").strip()
    write_image(folder / IMAGE, commit, (lower, upper, *more), layout=layout, user=user, version=version)
    asked = ImageParameters(name=f"fairmark-{target}", target=target, version=version)
    seal_image(folder, root, asked, base_input(lower), key)
    return folder
