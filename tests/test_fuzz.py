"""Bytes of a stranger end in a value or in one of our own errors, within a second: a target for each parser.

`make fuzz` runs each for a minute or so (FAIRMARK_FUZZ examples each); the suite runs a few of each.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from fixed_keys import ADA, BOB, approver
from hostile_archives import tarred, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_folder import PARAMS, SCHEMA

from fairmark.errors import FairmarkError
from fairmark.files import canonical_json, lines_of
from fairmark.governance import trail
from fairmark.governance.approvers import read_approvers
from fairmark.governance.verify_trail import checked
from fairmark.release import disclosure
from fairmark.release.handover import unpacked
from fairmark.release.sbom.requirements import here, locked
from fairmark.repo.untrusted import strict_json, strict_yaml
from fairmark.signing.dsse import Envelope, seal
from fairmark.signing.keys import public_key
from fairmark.signing.model_signature import read_model_seal, write_model_seal
from fairmark.verify import cards
from fairmark.yaml12 import format_yaml

EXAMPLES = int(os.environ.get("FAIRMARK_FUZZ", "25"))
LONGEST_S = 2.0
PLACE = Path(tempfile.mkdtemp(prefix="fairmark-fuzz-"))
HERE = here()


@dataclass(frozen=True)
class Target:
    """A parser of foreign bytes, and good bytes to begin with."""

    parse: Callable[[bytes], object]
    good: bytes


def of_text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Return a parser of the texts that `foreign_text` lets through: those in UTF-8."""

    def parsed(content: bytes) -> object:
        try:
            return parse(content.decode("utf-8"))
        except UnicodeDecodeError:
            return None

    return parsed


def of_file(parse: Callable[[Path], object]) -> Callable[[bytes], object]:
    def parsed(content: bytes) -> object:
        (PLACE / "it").write_bytes(content)
        return parse(PLACE / "it")

    return parsed


def _unpack(path: Path) -> object:
    with unpacked(path) as folder:
        return sorted(folder.rglob("*"))


def _model_seal() -> bytes:
    (PLACE / "model").mkdir(exist_ok=True)
    (PLACE / "model" / "model.json").write_text("{}")
    write_model_seal(PLACE / "model.sig", PLACE / "model", ADA)
    return (PLACE / "model.sig").read_bytes()


def _entry() -> bytes:
    said = {"who": {"name": None}, "what": {"action": "began"}, "outcome": "began", "signature": None}
    return canonical_json({"number": 1, "previous": trail.FIRST, "when": "2026-01-01T00:00:00Z"} | said)


def _trail(content: bytes) -> object:
    return checked([trail.parse(content, "it")], [ADA.public])


STATEMENT = {
    "_type": "x",
    "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}],
    "predicate": {"a": [1.5]},
}
REPORT = '<section id="reasons"><svg><path d="M0 0"/><path/></svg><article><h4>1</h4></article></section>'
CARD = "### By sex\n\n| Measure | Value (interval) |\n|---|---:|\n| ROC AUC | 0.9 (0.8 to 1.0) |\n"
TREES = "Tree=0\nnum_leaves=3\nnum_cat=0\nleaf_count=20 21 22\ninternal_count=60 40\n\n"

TARGETS = {
    "JSON": Target(of_text(lambda text: strict_json(text, "it")), json.dumps(SCHEMA.to_json()).encode()),
    "YAML": Target(of_text(lambda text: strict_yaml(text, "it")), format_yaml(PARAMS["policy"]).encode()),
    "envelope": Target(
        of_file(lambda path: Envelope.read(path).signers([ADA.public])),
        seal(STATEMENT, ADA).text().encode(),
    ),
    "model signature": Target(of_file(read_model_seal), _model_seal()),
    "public key": Target(of_text(lambda text: public_key(text, "it")), ADA.public.pem.encode()),
    "SSH key": Target(of_text(lambda text: public_key(text, "it")), BOB.public.ssh.encode()),
    "approvers": Target(of_text(read_approvers), f"# us\n{approver('ada@x.org', ADA)}\n".encode()),
    "lock": Target(
        of_text(lambda text: locked(text, HERE)),
        b"a==1.0 ; python_version > '3' \\\n    --hash=sha256:00\n# c\nb[x]==2\n",
    ),
    "trail": Target(_trail, _entry()),
    "tar": Target(of_file(_unpack), tarred()),
    "zip": Target(of_file(_unpack), zipped(b"UT\x05\x00\x01abcd")),
    "report": Target(of_text(disclosure.explained), REPORT.encode()),
    "card": Target(of_text(lambda text: list(cards.table_cells(text))), CARD.encode()),
    "trees": Target(of_text(disclosure.smallest_leaf), TREES.encode()),
}

PIECES = [
    b"", b"\0", b"\n", b"\r", b"\xff", b"\xe2\x80\xa8", b"\xc2\x85", b"\xed\xa0\x80", b"\\ud800", b"\x1b[2J",
    b"[" * 200, b'{"a":' * 70, b"9" * 5000, b"1e999", b"NaN", b"-0", b"true", b"null", b"1:30:30:30",
    b"&a [*a]", b"*a", b"!!python/name:os.system ", b"<<: *a", b"---", b'"', b"'", b"\\", b"|", b"#", b"%",
    b"<", b">", b"</section>", b"<!--", b"=", b"==", b"../", b"PK\x05\x06", b"0" * 512, b"\x80" + bytes(11),
    b"a" * 3000,
]  # fmt: skip

EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.sampled_from(PIECES) | st.binary(max_size=8),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=6,
)


def edited(good: bytes, edits: list[tuple[float, int, bytes, int]]) -> bytes:
    """Return `good` with some stretches replaced, and some said again."""
    found = good
    for share, length, piece, times in edits:
        place = int(share * len(found))
        found = found[:place] + piece * times + found[place + length :]
    return found


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits=EDITS)
def test_foreign_bytes_end_in_a_value_or_an_error_of_ours(
    name: str, edits: list[tuple[float, int, bytes, int]]
) -> None:
    target = TARGETS[name]
    content = edited(target.good, edits)
    began = time.process_time()

    with suppress(FairmarkError):
        target.parse(content)

    assert time.process_time() - began < LONGEST_S, (name, content[:200])


@pytest.mark.parametrize("name", TARGETS)
def test_the_good_bytes_are_taken(name: str) -> None:
    TARGETS[name].parse(TARGETS[name].good)


def test_lines_of_any_text_are_found() -> None:
    assert lines_of("") == []


HUGE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a million lists": ("JSON", lambda: b"[" + b"[],[]," * 2_000_000 + b"[]]"),
    "a million keys": ("JSON", lambda: b"{" + b",".join(b'"%d":{}' % n for n in range(1_000_000)) + b"}"),
    "a number in base 60": ("YAML", lambda: b"a: " + b":".join([b"59"] * 400_000)),
    "a whole number without end": ("YAML", lambda: b"a: " + b"9" * 1_000_000),
    "a hexadecimal number without end": ("YAML", lambda: b"a: 0x" + b"f" * 1_000_000),
    "many anchors": (
        "YAML",
        lambda: b"".join(b"- &a%d x\n- *a%d\n" % (k, k) for k in range(150_000)),
    ),
    "a key without end": ("YAML", lambda: b"? " + b"a" * 3_000_000 + b"\n: 1"),
    "comments without end": ("YAML", lambda: b"# x\n" * 900_000),
    "a report of open tags": ("report", lambda: b'<section id="reasons">' * 500_000),
    "a report of open signs": ("report", lambda: b'<section id="reasons">' + b"<a" * 3_000_000),
    "a table without end": ("card", lambda: b"|" * 3_000_000),
    "trees without end": ("trees", lambda: b"num_leaves=2\n" * 1_000_000),
}


PROGRAM = """
import json, resource, time
import test_fuzz
told = {}
for what, (name, made) in test_fuzz.HUGE.items():
    content, began = made(), time.process_time()
    try:
        test_fuzz.TARGETS[name].parse(content)
    except test_fuzz.FairmarkError as error:
        assert len(str(error)) < 1000, len(str(error))
    told[what] = time.process_time() - began
print(json.dumps([told, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def test_huge_texts_end_soon_and_take_little_room() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": "helpers"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-500:]
    told, kilobytes = json.loads(done.stdout)

    assert {what: seconds for what, seconds in told.items() if seconds > 5} == {}
    assert kilobytes < 1_000_000
