"""What is unpacked here is what GNU tar, bsdtar, unzip and Python unpack: the same names, the same bytes."""

import io
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_archives import ARCHIVES, resummed, tarred, zipped

from fairmark.errors import VerificationError
from fairmark.release.handover import unpacked

MUTATIONS = int(os.environ.get("FAIRMARK_FUZZ", "400"))

PROGRAMS = {
    "tar": ["tar", "--extract", "--file", "ARCHIVE"],
    "bsdtar": ["bsdtar", "-x", "-f", "ARCHIVE"],
    "unzip": ["unzip", "-qq", "ARCHIVE"],
}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ours(archive: Path) -> dict[str, bytes] | None:
    try:
        with unpacked(archive) as folder:
            return tree(folder.parent)
    except VerificationError:
        return None


def others(archive: Path, into: Path) -> Iterator[tuple[str, dict[str, bytes] | str]]:
    """Yield what each program that is installed and reads such an archive makes of it."""
    packed = archive.read_bytes()[:2] == b"PK"
    for name, words in PROGRAMS.items():
        if shutil.which(name) is None or ((name == "unzip") != packed and name != "bsdtar"):
            continue
        into.mkdir()
        done = subprocess.run(
            [str(archive) if word == "ARCHIVE" else word for word in words],
            cwd=into,
            capture_output=True,
            check=False,
        )
        yield name, tree(into) if done.returncode == 0 else done.stderr.decode("utf-8", "replace")
        shutil.rmtree(into)
    if packed:
        with zipfile.ZipFile(archive) as made:
            yield "zipfile", {e.filename: made.read(e) for e in made.infolist() if not e.is_dir()}
    else:
        with tarfile.open(archive) as made_tar:
            files = [entry for entry in made_tar.getmembers() if entry.isfile()]
            yield "tarfile", {e.name: made_tar.extractfile(e).read() for e in files}  # type: ignore[union-attr]


def disagreements(archive: Path, into: Path) -> list[str]:
    found = ours(archive)
    if found is None:
        return []
    return [f"{name}: {seen}" for name, seen in others(archive, into) if seen != found]


def test_plain_archives_of_every_program_are_the_same_to_all(tmp_path: Path) -> None:
    (tmp_path / "loans-v0.1.0" / "model").mkdir(parents=True)
    for name in ("a.json", "model/m.txt"):
        (tmp_path / "loans-v0.1.0" / name).write_text(name * 99)
    made = []
    for number, words in enumerate(
        [
            ["tar", "cf"], ["tar", "czf"], ["tar", "--format=ustar", "-cf"], ["tar", "--format=pax", "-cf"],
            ["bsdtar", "--format=ustar", "-cf"], ["bsdtar", "--format=pax", "-czf"],
            ["bsdtar", "--format=zip", "-cf"], ["zip", "-q", "-r"],
        ]
    ):  # fmt: skip
        if shutil.which(words[0]):
            made.append(tmp_path / f"{number}.{words[0]}")
            subprocess.run([*words, made[-1], "loans-v0.1.0"], cwd=tmp_path, check=True)

    for number, archive in enumerate(made):
        if (found := ours(archive)) is not None:
            assert disagreements(archive, tmp_path / "into") == [], number
            assert set(found) == {"loans-v0.1.0/a.json", "loans-v0.1.0/model/m.txt"}
    assert ours(made[0]) is not None
    assert ours(made[1]) is not None


@pytest.mark.parametrize("name", ["GNU's magic with a prefix", "zip's Unicode path"])
def test_the_programs_differ_on_what_is_refused(name: str, tmp_path: Path) -> None:
    """The oracle itself: without our refusal there would be two readings."""
    if shutil.which("bsdtar") is None:
        pytest.skip("needs bsdtar (libarchive-tools)")
    (tmp_path / "it").write_bytes(ARCHIVES[name]())

    readings = {str(seen) for _, seen in others(tmp_path / "it", tmp_path / "into")}
    assert len(readings) > 1
    assert ours(tmp_path / "it") is None


def mutated(draw: random.Random) -> bytes:
    """Return an archive with a few bytes changed, its first header summed anew."""
    kinds = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    made = draw.choice([tarred(draw.choice(kinds), {"comment": "x"}), zipped(b"UT\x05\x00\x01abcd")])
    content = bytearray(made)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(min(len(content), 2048))
        content[place] = draw.choice([0, 32, 47, 48, 49, 55, 0x80, 0xFF, draw.randrange(256)])
    whole = bytes(content)
    return whole if whole[:2] == b"PK" else resummed(whole[:512]) + whole[512:]


def test_no_changed_archive_is_taken_that_another_program_reads_otherwise(tmp_path: Path) -> None:
    draw = random.Random(8)  # noqa: S311 - archives, not secrets
    taken, odd = 0, []
    for number in range(MUTATIONS):
        (tmp_path / "it").write_bytes(mutated(draw))
        if ours(tmp_path / "it") is None:
            continue
        taken += 1
        if taken <= MUTATIONS // 10:
            odd += [f"{number}: {each}" for each in disagreements(tmp_path / "it", tmp_path / "into")]

    assert odd == []
    assert taken


def test_a_zip_of_bytes_is_read_from_its_end_alone() -> None:
    assert zipfile.is_zipfile(io.BytesIO(ARCHIVES["a zip at the end of a tar"]()))
