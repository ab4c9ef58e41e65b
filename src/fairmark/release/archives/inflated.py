"""Read what is deflated (RFC 1951), piece by piece: as much as is asked for, and nothing behind its end."""

import zlib

from fairmark.release.archives.unpacking import CHUNK, Reader, Unpacking

GZIP, RAW = 31, -15
"""Around the deflated bytes: one member of gzip (RFC 1952) with its sum, or nothing."""


class Inflated:
    """What `source` holds when it is inflated; no more of it is in memory than was asked for."""

    def __init__(self, source: Reader, into: Unpacking, around: int) -> None:
        self._source, self._into = source, into
        self._inflate = zlib.decompressobj(wbits=around)

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end alone.

        Raises
        ------
        VerificationError
            When it is broken, or there is something behind its end.
        """
        found = b""
        while len(found) < size and not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._source.read(CHUNK)
            try:
                more = self._inflate.decompress(given, size - len(found))
            except zlib.error as error:
                raise self._into.fault(f"must be deflated as it says, got {error}") from error
            if not given and not more:
                raise self._into.fault("must be whole, got a stream that breaks off")
            found += more
        if self._inflate.eof and (self._inflate.unused_data or self._source.read(1)):
            raise self._into.fault("must end with its stream, got something behind it")
        return found
