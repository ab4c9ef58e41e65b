"""Which key a git tag or commit says that it was signed with, read off the object itself.

Nothing is verified here: whoever asks wants to know whose approval can't count because he made the thing, and
a false claim would only shut out somebody more. `tags.tag_signer` verifies.
"""

import base64
import binascii
import re
from pathlib import Path

from fairmark.errors import UsageError
from fairmark.release.git import git_bytes
from fairmark.release.signatures.keys import SSH, public_key

_ARMOURED = re.compile(rb"-----BEGIN SSH SIGNATURE-----\s(.*?)-----END SSH SIGNATURE-----", re.DOTALL)
_MAGIC = b"SSHSIG"


def claimed_key(root: Path, kind: str, name: str) -> str | None:
    """Return the key id in the SSH signature of a git object, or None where there is none of our kind.

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
