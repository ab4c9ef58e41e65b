"""Git tags signed through SSH with the release key, who signed those that are there, and a release's tag.

A signature stands at the end of the tag's own text (gitformat-signature(5)), as `ssh-keygen -Y sign` writes
it (OpenSSH, PROTOCOL.sshsig), and `git verify-tag` checks it through `ssh-keygen`. It is made here and not by
ssh-keygen, so that a key in hardware or in a service, which has no file for ssh-keygen to read, signs tags as
well. Nothing is written into anybody's git config, and nothing in it is trusted: each setting that matters is
given on the command line.

The tag `NAME@vX.Y.Z` that names a release is in the grammar of GTO, and holds the statement's SHA-256.
"""

import base64
import binascii
import datetime as dt
import hashlib
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.files import lines_of
from fairmark.repo.commit import check_version, tagged
from fairmark.repo.git import git, git_bytes, in_words, need
from fairmark.repo.machine import made_on
from fairmark.signing.keys import SSH, SigningKey, public_key

_MAGIC = b"SSHSIG"
_HASH = b"sha512"
_COLUMNS = 70
_SIGNATURE = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+\n-----END SSH SIGNATURE-----\n?")
_ARMOUR = re.compile(
    rb"^-----BEGIN (?:SSH|PGP) (?:SIGNATURE|MESSAGE)-----|^-----BEGIN SIGNED MESSAGE-----", re.MULTILINE
)
_GOOD = re.compile(r'^Good "git" signature for (\S+) with \S+ key SHA256:\S+$', re.MULTILINE)
_UNNAMED = re.compile(r'^Good "git" signature with \S+ key (SHA256:\S+)$', re.MULTILINE)
_TAGGER = re.compile(r"(?P<who>.*) (?P<seconds>\d{1,11}) [+-]\d{4}")
# What git says when it can't hand the signature to ssh-keygen: of the signature that tells nothing.
_UNWRITTEN = re.compile(r"failed writing detached signature|could not create temporary file")
_NOBODY = ("-c", "user.name=fairmark", "-c", "user.email=fairmark@localhost")
# What a clone's own config or refs could use to show another object than the one signed.
_TRUE = ("--no-replace-objects", "-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen")
_ARMOURED = re.compile(rb"-----BEGIN SSH SIGNATURE-----\s(.*?)-----END SSH SIGNATURE-----", re.DOTALL)
_SEAL = "Statement-SHA256: "
_EVALUATION = "Evaluation-Of: "


def ssh_signature(data: bytes, namespace: str, key: SigningKey) -> str:
    """Return the armoured SSH signature of `data` for `namespace` (`git` for tags), by `key`."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    # Signed is not the data but its hash together with the namespace, so that a signature of a tag (`git`)
    # can't be shown as one of a file. The empty string is the field that the protocol reserves.
    named = _string(namespace.encode()) + _string(b"") + _string(_HASH)
    r, s = decode_dss_signature(key.sign(_MAGIC + named + _string(hashlib.sha512(data).digest())))
    signature = _string(SSH.encode()) + _string(mpint(r) + mpint(s))  # RFC 5656, 3.1.2
    public = base64.b64decode(key.public.ssh.split()[1])
    blob = _MAGIC + (1).to_bytes(4, "big") + _string(public) + named + _string(signature)
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def _string(content: bytes) -> bytes:
    """Return a `string` of RFC 4251, 5."""
    return len(content).to_bytes(4, "big") + content


def mpint(number: int) -> bytes:
    """Return an `mpint` of RFC 4251, 5: two's complement, so a positive number's first bit is 0."""
    return _string(number.to_bytes(number.bit_length() // 8 + 1 if number else 0, "big"))


@dataclass(frozen=True)
class TagText:
    """An annotated tag as it stands in a repository.

    Parameters
    ----------
    hash
        Of the tag object.
    commit
        That it names, full hash.
    message
        Without the signature.
    tagger
        `Name <email>`.
    when
        The tagger's own time, in UTC.
    signed
        Whether it carries an SSH signature; whose, and whether it holds, is for `tag_signer` to say.
    """

    hash: str
    commit: str
    message: str
    tagger: str
    when: dt.datetime
    signed: bool


def sign_tag(root: Path, tag: str, commit: str, message: str, key: SigningKey) -> str:
    """Set the annotated tag `tag` on `commit`, signed by `key` through SSH, and return its object's hash.

    Raises
    ------
    StateError
        When the tag exists already, or git can't set it.
    """
    name = write_tag(root, tag, commit, message, key)
    set_tag(root, tag, name)
    return name


def write_tag(root: Path, tag: str, commit: str, message: str, key: SigningKey) -> str:
    """Write the object of a signed, annotated tag that nothing names yet, and return its hash.

    Where git knows no identity, fairmark tags as itself and says so in the message.

    Raises
    ------
    StateError
        When git can't write it.
    """
    if tag.startswith("-"):  # a ref of that name could be set, and no command of git could name it
        raise StateError(f"tag {tag}: must not start with a dash, got {tag[:80]!a}")
    # The tag's text is made here and written by `git mktag`: `git tag --sign` can only sign with a key that
    # ssh-keygen reads from a file or an agent.
    target = need(root, f"hold commit {commit}", "rev-parse", "--verify", f"{commit}^{{commit}}").strip()
    note = message.rstrip("\n") + "\n"
    tagger = git(root, "var", "GIT_COMMITTER_IDENT")
    if tagger.returncode != 0:
        tagger = git(root, *_NOBODY, "var", "GIT_COMMITTER_IDENT")
        note += "Tagger: git knew no user.name and user.email, so fairmark tagged as itself\n"
    text = f"object {target}\ntype commit\ntag {tag}\ntagger {tagger.stdout.strip()}\n\n{note}"
    # A name in git's config need not be UTF-8: what is signed are the bytes that git stores.
    signed = text + ssh_signature(text.encode("utf-8", "surrogateescape"), "git", key)
    return need(root, f"make the tag {tag}", "mktag", given=signed).strip()


def set_tag(root: Path, tag: str, name: str) -> None:
    """Let the new tag `tag` name the object of hash `name`.

    It is signed before it is named: when ssh-keygen fails, `git tag --sign` of git 2.39 sets an unsigned one.

    Raises
    ------
    StateError
        When the tag exists already, or git can't set it.
    """
    need(root, f"set the new tag {tag}", "update-ref", f"refs/tags/{tag}", name, "0" * len(name))


def read_tag(root: Path, tag: str) -> TagText:
    """Return the annotated tag `tag` of the repository at `root`.

    Raises
    ------
    StateError
        When there is none of that name.
    VerificationError
        When it is not annotated, names no commit, is another tag under this name, or says something after
        its signature.
    """
    found = git(root, "--no-replace-objects", "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}")
    if found.returncode != 0:
        raise StateError(f"{root}: must hold the tag {tag}, got a repository without it (fetch the tags)")
    return parse_tag(root, found.stdout.strip(), tag)


def parse_tag(root: Path, name: str, tag: str) -> TagText:
    """Return the tag object of hash `name`, which must say that it is `tag`.

    Raises
    ------
    VerificationError
        As `read_tag`.
    """
    content = git_bytes(root, "--no-replace-objects", "cat-file", "tag", name)
    if content is None:
        raise VerificationError(f"tag {tag}: must be annotated, got a plain one")
    head, _, body = content.partition(b"\n\n")
    lines = [line.partition(" ")[::2] for line in lines_of(head.decode("utf-8", "replace"))]
    header = dict(lines)
    if twice := [key for key, count in Counter(key for key, _ in lines).items() if key and count > 1]:
        # git takes the first, and who reads into a mapping the last: the signature covers both.
        raise VerificationError(f"tag {tag}: must say each word of its head once, got {twice[0][:40]} twice")
    if [key for key, _ in lines[:3]] != ["object", "type", "tag"] or header["type"] != "commit":
        raise VerificationError(f"tag {tag}: must name a commit, got a {header.get('type', 'broken tag')}")
    if header["tag"] != tag:
        raise VerificationError(f"tag {tag}: must be the tag of that name, got {header['tag'][:80]}")
    tagger = _TAGGER.fullmatch(header.get("tagger", ""))
    if tagger is None:
        raise VerificationError(f"tag {tag}: must say who tagged and when, got a tag that does not")
    armour = max(_ARMOUR.finditer(body), key=re.Match.start, default=None)  # git too takes the last
    message = body[: armour.start()] if armour else body
    when = dt.datetime.fromtimestamp(int(tagger["seconds"]), tz=dt.UTC)
    signed = armour is not None and armour[0].startswith(b"-----BEGIN SSH SIGNATURE")
    # git and ssh-keygen read an armour to its end and no further: what stands behind it nobody has signed.
    if armour is not None and signed and not _SIGNATURE.fullmatch(body, armour.start()):
        _, end, behind = body[armour.start() :].partition(b"-----END SSH SIGNATURE-----\n")
        found = f"{behind[:40]!r} behind it" if end and behind else "one that is broken"
        raise VerificationError(f"tag {tag}: must end with its signature, got {found}")
    return TagText(name, header["object"], message.decode("utf-8", "replace"), tagger["who"], when, signed)


def tag_signer(root: Path, tag: str, allowed: Sequence[str], name: str | None = None) -> str:
    """Return the principal whose key signed `tag`, as `git verify-tag` finds it.

    Parameters
    ----------
    allowed
        Lines of an allowed signers file (ssh-keygen(1)); their times are held against the tag's.
    name
        The hash of the tag's object where nothing names it yet.

    Raises
    ------
    StateError
        When there is no such tag, or ssh-keygen is missing or too old.
    VerificationError
        When it is not signed, the signature is of other bytes, or its key is none of those allowed.
    """
    seen = read_tag(root, tag) if name is None else parse_tag(root, name, tag)
    if not seen.signed:
        raise VerificationError(f"tag {tag}: must be signed through SSH, got no signature of it")
    _need_ssh()
    with tempfile.NamedTemporaryFile("w", suffix=".signers", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in allowed))
        file.flush()
        # A user's own list of revoked keys, or a level of trust, would let one tag hold here and not there.
        revoked = ("-c", "gpg.ssh.revocationFile=", "-c", "gpg.minTrustLevel=undefined")
        trusted = ("-c", f"gpg.ssh.allowedSignersFile={file.name}", *revoked)
        answer = git(root, *_TRUE, *trusted, "verify-tag", "--raw", seen.hash)
    good = _GOOD.search(answer.stderr + answer.stdout)
    if answer.returncode == 0 and good is not None:
        return good[1]
    words = in_words(answer.stderr)
    if unnamed := _UNNAMED.search(answer.stderr + answer.stdout):
        words = f"a good signature by key {unnamed[1]}, which is none of these"
    if "openssh version" in words:
        raise StateError(f"ssh-keygen: must be of OpenSSH 8.9 or later, got {words}")
    if _UNWRITTEN.search(words):
        raise StateError(f"disk: must have room for git's temporary file, got {words[:200]}")
    raise VerificationError(f"tag {tag}: must be signed by a key that is allowed to, got {words[:200]}")


def _need_ssh() -> None:
    if shutil.which("ssh-keygen") is None:
        raise StateError("ssh-keygen: must be on PATH to check who signed a tag (install OpenSSH), got none")


def claimed_key(root: Path, kind: str, name: str) -> str | None:
    """Return the key id in the SSH signature of a git object, or None where there is none of our kind.

    Nothing is verified here: whoever asks wants to know whose approval can't count because he made the thing,
    and a false claim would only shut out somebody more. `tag_signer` verifies.

    Parameters
    ----------
    kind, name
        `tag` or `commit`, and its hash or full ref.
    """
    content = git_bytes(root, "--no-replace-objects", "cat-file", kind, name) or b""
    found = _ARMOURED.findall(content)
    if not found:
        return None
    try:
        # PROTOCOL.sshsig: the magic word, a version of four bytes, then the public key as a string.
        blob = base64.b64decode(b"".join(found[-1].split()), validate=True)
        size = int.from_bytes(blob[10:14], "big")
        if blob[:6] != _MAGIC or len(blob) < 14 + size:
            return None
        line = f"{SSH} {base64.b64encode(blob[14 : 14 + size]).decode()}"
        return public_key(line, "signature").keyid
    except (binascii.Error, UsageError):
        return None


def tagged_statement(root: Path, tag: str) -> str | None:
    """Return the SHA-256 of the statement that the annotated tag `tag` names, or None.

    It counts where a signature covers it, and where it is said once: not behind the signature, not twice.
    """
    try:
        return stated_by(read_tag(root, tag).message)
    except (StateError, VerificationError):
        return None


def stated_by(message: str) -> str | None:
    """Return the SHA-256 of the statement that a tag's message names once, or None."""
    named = [line.removeprefix(_SEAL) for line in lines_of(message) if line.startswith(_SEAL)]
    return named[0].strip() if len(named) == 1 else None


def evaluation_line(made_by: str, version: str) -> str:
    """Return the line by which the tag of an evaluation says whose scores were judged."""
    return _EVALUATION + " ".join(f"{made_by} ({version})".split())


def evaluation_of(message: str) -> str | None:
    """Return whose scores a tag's message says that were judged; None for the tag of a model's release."""
    named = [line.removeprefix(_EVALUATION) for line in lines_of(message) if line.startswith(_EVALUATION)]
    return named[0] if len(named) == 1 else None


def is_evaluation(root: Path, tag: str) -> bool:
    """Return whether an annotated tag names the evaluation of scores made elsewhere."""
    try:
        return evaluation_of(read_tag(root, tag).message) is not None
    except (StateError, VerificationError):
        return False


def tag_release(
    root: Path,
    name: str,
    version: str,
    message: str,
    statement_sha256: str,
    commit: str = "HEAD",
    *,
    key: SigningKey,
) -> str:
    """Set the tag `NAME@vX.Y.Z` (the grammar of GTO) on `commit`, signed by `key`, and return it.

    The tag carries the release digest, and so the SHA-256 of every file of the release, and says on what
    machine the release was made, which its statement must not hold.

    Raises
    ------
    StateError
        When the tag exists already, or git can't set it.
    """
    made = write_release_tag(root, name, version, message, statement_sha256, commit, key=key)
    tag = f"{name}@{version}"
    set_tag(root, tag, made)
    return tag


def write_release_tag(
    root: Path, name: str, version: str, message: str, statement_sha256: str, commit: str, *, key: SigningKey
) -> str:
    """Write the object of a release's tag, which nothing names yet, and return its hash.

    Raises
    ------
    StateError
        When the tag exists already, or git can't write it.
    """
    tag = f"{name}@{check_version(version)}"
    if tagged(root, tag) is not None:
        raise StateError(f"git tag {tag}: must be new, got one that exists (choose another version)")
    note = f"{message}\n\n{_SEAL}{statement_sha256}\nMade-On: {made_on()}\n"
    return write_tag(root, tag, commit, note, key)
