"""A signature as `ssh-keygen -Y sign` writes it (OpenSSH, PROTOCOL.sshsig), made with the release key.

It is made here and not by ssh-keygen, so that a key in hardware or in a service, which has no file for
ssh-keygen to read, signs tags as well. `git verify-tag` and `ssh-keygen -Y verify` check it as any other.
"""

import base64
import hashlib

from fairmark.release.signatures.keys import SSH, SigningKey

_MAGIC = b"SSHSIG"
_HASH = b"sha512"
_COLUMNS = 70


def ssh_signature(data: bytes, namespace: str, key: SigningKey) -> str:
    """Return the armoured SSH signature of `data` for `namespace` (`git` for tags), by `key`."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    named = _string(namespace.encode()) + _string(b"") + _string(_HASH)
    r, s = decode_dss_signature(key.sign(_MAGIC + named + _string(hashlib.sha512(data).digest())))
    signature = _string(SSH.encode()) + _string(_mpint(r) + _mpint(s))  # RFC 5656, 3.1.2
    public = base64.b64decode(key.public.ssh.split()[1])
    blob = _MAGIC + (1).to_bytes(4, "big") + _string(public) + named + _string(signature)
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def _string(content: bytes) -> bytes:
    """Return a `string` of RFC 4251, 5."""
    return len(content).to_bytes(4, "big") + content


def _mpint(number: int) -> bytes:
    """Return an `mpint` of RFC 4251, 5: two's complement, so a positive number's first bit is 0."""
    return _string(number.to_bytes(number.bit_length() // 8 + 1 if number else 0, "big"))
