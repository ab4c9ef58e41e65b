"""What a stranger wrote reaches no terminal as he wrote it, and a secret reaches none at all."""

import ast
import io
import json
import sys
import time
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmark.errors import StateError
from fairmark.terminal import HIDDEN, Steps, plain, printable, redacted, say, say_exact, say_json, stopped

ROOT = Path(__file__).parents[1]

HOSTILE = [
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]0;title\x07",  # sets the title
    "\x1b]52;c;ZXZpbA==\x1b\\",  # writes the clipboard
    "\x9b31m",  # CSI as one character
    "\x90q\x9c",  # DCS
    "\x9d0;title\x9c",  # OSC as one character
    "fine\rverified: all of it",
    "fine\nverified: all of it",
    "fine\u2028verified",
    "fine\x85verified",
    "fine\x0bverified",
    "\u202egnitset\u202c",
    "\u2066hidden\u2069",
    "a\u200bb\u2060\ufeff",
    "\U000e0041\U000e007f",  # tags: text without a glyph
    "\udc9b31m",  # what is no UTF-8, as Python reads it
    "\x00\x08\x08\x7f",
]


def obeyed(text: str) -> list[str]:
    """Return the characters that a terminal acts on, by their Unicode categories."""
    return [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_one_harmless_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    stopped(f"who {text}", [text])
    say_exact("")
    out, err = capsys.readouterr()

    assert out.count("\n") == 1
    assert err.count("\n") == 2
    assert not obeyed((out + err).replace("\n", ""))


@given(st.text())
def test_whatever_is_printed_is_one_line_that_no_terminal_obeys(text: str) -> None:
    assert not obeyed(printable(text))
    assert printable(printable(text)) == printable(text)


@given(st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S"])))
def test_letters_of_every_script_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_what_is_hidden_in_a_text_is_seen() -> None:
    assert printable("a\x1b[31m\u202e\x9b") == r"a\x1b[31m\u202e\x9b"
    assert printable("a\tb\r\nc") == "a b  c"


@given(st.recursive(st.none() | st.text() | st.integers(), lambda each: st.dictionaries(st.text(), each)))
def test_json_says_the_same_without_a_character_that_a_terminal_obeys(value: object) -> None:
    stream, before = io.StringIO(), sys.stdout
    sys.stdout = stream
    try:
        say_json(value)
    finally:
        sys.stdout = before

    assert not obeyed(stream.getvalue().replace("\n", ""))
    hidden = HIDDEN in stream.getvalue()
    assert hidden or json.loads(stream.getvalue()) == value


# A secret in every place that an address, a header or a message of git, DVC or a driver shows one.
SECRET = "hunter2-Zq9xKfLm"  # noqa: S105
PLACES = [
    "https://user:{}@host/x.git",
    "https://{}@host/x.git",
    "https://{}:x-oauth-basic@github.com/a/b",
    "fatal: unable to access 'https://user:{}@host/x/': Could not resolve host",
    "postgresql+asyncpg://prefect:{}@127.0.0.1:5432/prefect",
    "mysql://root:{}@h/d?charset=utf8",
    "mysql://root:a/{}@h/d",
    "redis://:{}@h:6379/0",
    "ssh://git:{}@host/x",
    "https://h/p?token={}",
    "https://h/p?a=1&access_token={}&b=2",
    "https://h/p?sig={}",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=a&X-Amz-Signature={}",
    "https://h/p?api_key={}#end",
    "pkcs11:token=fairmark;object=key?pin-value={}",
    "pkcs11:object=key;pin-value={};token=fairmark",
    "host=h user=u password={} dbname=d",
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    "two: https://a:{}@h/x and https://b:c@i/y",
    "https://h/x#access_token={}",
    "https://h/x;jsessionid={}",
    "//user:{}@host/x",
    "aws_secret_access_key={}",
    "AWS_SECRET_ACCESS_KEY = {}",
    "MLFLOW_TRACKING_TOKEN={}",
    "DB_PASS={}",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}",
    "SharedAccessSignature={}",
    "Endpoint=sb://x;SharedAccessKey={}",
    "PRIVATE-TOKEN: {}",
    "X-Auth-Token: {}",
    "X-Api-Key: {}",
    "authorization=Bearer {}",
    "password: {}",
    "password = {}",
    'password="{} more"',
    '{{"client_secret": "{}"}}',
    "{{'token': '{}'}}",
    "usage: dvc remote --password {}",
    "got --token {}",
    "a key hf_{}",
    "a key sk-{}",
    "a key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "PREFECT_API_AUTH_STRING=ada:{}",
    "curl -u ada:{} http://x",
    "curl --user ada:{} http://x",
    "nonnumeric port: '{}@127.0.0.1'",
    "http_proxy=ada:{}@proxy:3128",
    "remote: ada:{}@example.org:/x",
    "https%3A%2F%2Fada%3A{}%40example.org",
    "https://h/?next=https%3A%2F%2Fada%3A{}%40h&x=1",
    "Cookie: session={}",
    "{{'Authorization': 'Basic {}'}}",
    '{{"Authorization": "Bearer {}"}}',
    "headers={{b'authorization': b'Basic {}'}}",
    '{{\\"password\\": \\"{}\\"}}',
    "MYSQL_PWD={}",
    "credentials={}",
    "FERNET_KEY={}",
    "SESSION_KEY: {}",
    "http:\\/\\/ada:{}@host",
    "https://hooks.slack.com/services/T000/B000/{}",
    "https://discord.com/api/webhooks/1/{}",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_printed(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(place.format(SECRET))
    say_json({place.format(SECRET): [place.format(SECRET)]})
    stopped("who", [place.format(SECRET)])
    out, err = capsys.readouterr()

    assert SECRET not in out + err
    assert HIDDEN in out
    assert HIDDEN in err


@given(st.sampled_from(PLACES[:8]), st.text(min_size=6).map(lambda text: quote(text, safe="")))
def test_no_quoted_password_is_printed(place: str, secret: str) -> None:
    shown = plain(place.format(f"Q{secret}Q"))

    assert f"Q{secret}Q" not in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:4200/api",
        "http://[::1]:4200/api",
        "ssh://git@host/x.git",
        "git@github.com:x/y.git",
        "https://host:443/x@y",
        "git+https://github.com/x/y@v1",
        "pkcs11:token=fairmark;object=key",
        "loans@v0.1.0: key=3, sex=Female, tokens 5, secretary",
        "https://h/p?page=3&keyword=x",
        "pkcs11:object=key;token=fairmark",
        "key file: password: must be given, got none",
        "--token must be one word",
        "pass: ROC AUC 0.9, compass=3, tokens_read=4, secrets: none",
        "loans@v0.1.0: waits; where:loans@v0.1.0; image lib:3@sha256:0123",
        "policy by role:owner, mail ada@example.org, 12:30 @noon",
        "a cookie that says nothing, and authorization by two people",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "a://b:",
        "?token",
        "passwd",
        "token=a",
        "-token",
        "x_pass=",
        "//",
        "token: ",
        "eyJ.",
        "a.",
        "a://b:c@",
        "?a=&",
        "bearer ",
        "a:b",
        "-u a:",
        "%3A%2F%2F%3A",
        "//a/services/",
        "nonnumeric port: '",
        "cookie: ",
    ],
)
def test_redaction_takes_linear_time(piece: str) -> None:
    began = time.process_time()
    redacted(piece * 2_000)

    # Processor time, whatever else runs: a text that is looked through anew at each piece would take minutes.
    assert time.process_time() - began < 60


def test_a_stream_that_is_not_utf_8_or_is_closed_ends_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding="latin-1", write_through=True))
    say("Zürich… 東京")
    monkeypatch.setattr(sys, "stdout", None)
    say("nobody listens")

    assert kept.getvalue() == b"Z\xfcrich\\u2026 \\u6771\\u4eac\n"


# `console` draws the progress of flows; `isolation` is a program of its own, run by its path: its parent
# reads its lines, and says them by `terminal`.
PRINT = {"terminal.py", "isolation.py", "console.py"}


def printers() -> list[str]:
    """Return the places outside `terminal` that print or write to a standard stream by themselves."""
    found = []
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "flows").glob("*.py")]:
        if path.name in PRINT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            words = ast.unparse(node.func)
            if words == "print" or words.startswith(
                ("sys.stdout.write", "sys.stderr.write", "warnings.warn")
            ):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {words}")
    return found


def test_nothing_prints_but_the_one_module() -> None:
    assert printers() == []


def test_an_error_carries_no_secret_wherever_it_is_written() -> None:
    error = StateError(*(place.format(SECRET) for place in PLACES))

    assert SECRET not in f"{error} {error.faults} {error.args}"


def test_short_work_prints_no_step_and_long_work_each_of_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 1.0, 2.5, 63.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))

    step = Steps("evaluate")
    for what in ("reading", "slices", "disturbed rows"):
        step(what)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "evaluate: slices (after 2 s)",
        "evaluate: disturbed rows (after 63 s)",
    ]
