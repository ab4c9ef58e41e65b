"""Terminal output: the one place that prints, and what it does to text before it does.

Much of what a verb or a flow prints was written by somebody else: reasons and names in tags, approvals and
statements, file names, the words of git and of DVC. An escape sequence among them would be obeyed by the
terminal (clear the screen, write a false line above, set the title, put text into the clipboard), and a
bidirectional override would show another order than the one that was signed. An address among them may carry
a password. So everything goes through `say`, `say_json` or, where a handler of its own prints, `plain`.
"""

import os
import re
import sys
import time
from collections.abc import Sequence
from typing import TextIO

HIDDEN = "***"
"""What stands in the place of a secret."""

_BLANK = dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")

# Every length is bounded, so that no text made for it takes long. A password may hold a slash
# (SQLAlchemy takes one), and a port is no password.
_LOGIN = re.compile(
    r"(?:\b(?P<scheme>[a-z][a-z0-9+.-]{0,30}):)?(?P<at>//|\\/\\/)(?P<user>[^\s/:@'\"]{0,2048})"
    r"(?P<secret>:(?!\d+(?:/|$))[^\s'\"]{0,2048}?)?@(?=[^\s@]*(?:[\s'\"]|$))",
    re.IGNORECASE,
)
_WORDS = (
    r"[\w.-]{0,40}(?:token|secret|passw(?:or)?d|passphrase|pwd|pin-value|signature|credential|api[-_]?key|jwt)"
    r"[\w.-]{0,40}"
)
_QUERY = re.compile(
    rf"((?:[?&#](?:{_WORDS}|sig|key|pin|pass|auth|code)|;jsessionid)=)[^&\s'\"#]+", re.IGNORECASE
)
_QUOTE = r"\\?[\"']"
_VALUE = r"(?:\"[^\"]{1,2048}\"|'[^']{1,2048}'|\\\"[^\"\\]{1,2048}\\\"|[^\s;&,'\")}]+)"
_NAMED = (
    r"(?:token|secret|passw(?:or)?d|passphrase|jwt|auth[-_]string|accesssignature"
    r"|(?:access|account|api|private|secret|encryption|signing|fernet|session)[-_]?key)"
)
# After a colon prose may follow, of ours too: `password: must be given`.
_PAIR = re.compile(
    rf"(?<![\w.-])([\w.-]{{0,40}}{_NAMED}(?:{_QUOTE})?\s{{0,3}}(?:=|:(?=\s{{0,3}}(?!must\b)\S))\s{{0,3}})"
    rf"(?!//){_VALUE}"
    rf"|\b((?:[\w.-]{{0,40}}[-_](?:pass|pwd|credentials?)|dbpass|pwd|pin-value|credentials?)=){_VALUE}"
    rf"|(--[\w-]{{0,40}}(?:token|secret|passw(?:or)?d|passphrase|api-key|auth) (?!must\b)){_VALUE}",
    re.IGNORECASE,
)
_HEADER = re.compile(
    rf"\b((?:authorization|(?:set-)?cookie)(?:{_QUOTE})?\s{{0,3}}[:=]\s{{0,3}}\[?(?:b?{_QUOTE})?"
    rf"(?:\w{{1,20}}\s+)?|bearer\s+(?=\S{{16}}))(?!must\b)[^\s'\"]+",
    re.IGNORECASE,
)
# A login without a scheme before it, as curl, a proxy's variable, and Python's own `nonnumeric port` show it.
# What is behind the @ of a tag or of an image is a version or a digest.
_BARE = re.compile(
    r"(?<![\w/:@.+-])([\w.+-]{1,64}:)(?!/)[^\s/@:'\"]{1,256}(?=@(?!v\d|sha\d)[\w\[])"
    r"|((?<![\w-])(?:-u|--user)[ =][^\s:@/'\"]{1,64}:)[^\s'\"]{1,256}"
    r"|(nonnumeric port: ['\"])[^@'\"]{1,2048}(?=@)",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"(%3A%2F%2F(?:(?!%40)[^\s&'\"/]){0,256}?%3A)(?:(?!%40)[^\s&'\"/]){1,2048}(?=%40)",
    re.IGNORECASE,
)
_HOOK = re.compile(
    r"(//(?:hooks\.[\w.-]{1,250}/|[\w.-]{1,253}/(?:[\w.-]{1,64}/){0,4}webhooks?/))[^\s'\"]{1,2048}",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"\b(?:gh[pousr]_|github_pat_|glpat-|hvs\.|xox[abp]-|xapp-|hf_|npm_|pypi-|dckr_pat_|AIza|sk-(?=[\w-]*\d))"
    r"[\w.-]{12,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
)
_PEM = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?:(?!-----END).){0,20000}", re.DOTALL)


def printable(text: str) -> str:
    r"""Return `text` as one line without a character that a terminal obeys.

    White space becomes blanks; what is not printable (control characters, bidirectional overrides, characters
    without width, lone surrogates) is written as Python escapes it, such as ``\x1b``, so that it is seen.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text.translate(_BLANK))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def redacted(text: str) -> str:
    """Return `text` with every secret that an address or a header in it carries replaced by `HIDDEN`.

    Hidden are the login of a web address, the password of any other, the values of parameters named like a
    secret (`?token=`, `&X-Amz-Signature=`), what is given under such a name (`AWS_SECRET_ACCESS_KEY=`,
    `"token": "…"`, `--password …`), a login without an address (`-u ada:…`), an authorization header or a
    cookie, the path of a webhook, the tokens of well-known services, and the inside of a private key.
    Applying it twice changes nothing more.
    """
    if "//" in text or r"\/" in text:
        text = _HOOK.sub(rf"\1{HIDDEN}", _LOGIN.sub(_login, text))
    if "%40" in text:
        text = _QUOTED.sub(rf"\1{HIDDEN}", text)
    if "PRIVATE KEY-----" in text:
        text = _PEM.sub(rf"\1{HIDDEN}", text)
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    text = _PAIR.sub(_pair, text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _BARE.sub(lambda found: f"{found[1] or found[2] or found[3]}{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, text)


def _login(found: "re.Match[str]") -> str:
    scheme, at, user, secret = found["scheme"], found["at"], found["user"], found["secret"]
    if scheme is None:
        return f"{at}{user}:{HIDDEN}@" if secret else found[0]
    if scheme.lower().endswith(("http", "https")):
        return f"{scheme}:{at}{HIDDEN}@"  # a token is often the user's name there
    return f"{scheme}:{at}{user}{f':{HIDDEN}' if secret else ''}@"


def _pair(found: "re.Match[str]") -> str:
    # Of PKCS #11 a token is a device, and its name no secret (RFC 7512).
    before = found.string[max(found.start() - 200, 0) : found.start()]
    if found[0].startswith("token=") and "pkcs11:" in before.rsplit(" ", 1)[-1]:
        return found[0]
    return f"{found[1] or found[2] or found[3]}{HIDDEN}"


def plain(text: str) -> str:
    """Return one line of output as it may be shown or logged: no secret, nothing that a terminal obeys."""
    return printable(redacted(text))


def plain_values(value: object) -> object:
    """Return a value of JSON with the secrets in its texts hidden."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted(str(key)): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return value


def say(*lines: str, error: bool = False) -> None:
    """Print each text as one line; with `error` to the standard error, at once."""
    stream = sys.stderr if error else sys.stdout
    for line in lines:
        _write(stream, plain(line))


class Steps:
    """The steps of one piece of work: a line each on the error stream, which no output file ever holds.

    Work that ends within `QUIET` seconds prints none.
    """

    QUIET = 2.0

    def __init__(self, who: str) -> None:
        self._who = who
        self._start = time.monotonic()

    def __call__(self, what: str) -> None:
        """Print what begins now, and how long the work has been going on."""
        past = time.monotonic() - self._start
        if past >= self.QUIET:
            say(f"{self._who}: {what} (after {past:.0f} s)", error=True)


def silent(_: str) -> None:
    """Print no step: what work takes for its steps where nobody asked."""


def stopped(who: str, faults: Sequence[str]) -> None:
    """Print to the standard error why `who` stopped: one fault a line, below its name."""
    say(f"{who}:", *(f"  {fault}" for fault in faults), error=True)


def say_json(value: object) -> None:
    """Print `value` as JSON with sorted keys; what is not printable is escaped, which JSON reads the same."""
    import json  # here, because a verb that writes none should not pay for it

    text = json.dumps(plain_values(value), indent=2, sort_keys=True, ensure_ascii=False)
    kept = (char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
    _write(sys.stdout, "".join(kept))


def say_exact(text: str) -> None:
    """Print a file's own text byte for byte to a file or a pipe, and line by line as `say` to a terminal."""
    if sys.stdout is not None and not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    for line in text.removesuffix("\n").split("\n"):
        _write(sys.stdout, printable(line))


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None:  # the caller closed it before we began
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "") != "utf8":
        line = line.encode(encoding, "backslashreplace").decode(encoding)
    print(line, file=stream, flush=stream is sys.stderr)


def finish() -> None:
    """Write out what is left to be written, so that a reader who has left is met here and not at the exit."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def silence() -> None:
    """Let nothing more be written: the reader has left, and Python would complain of it when it ends."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
