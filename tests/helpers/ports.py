"""Ports for servers that can't be given a socket that listens already."""

import itertools
import os
import socket

# Below the ports that systems give to outgoing connections (from 32,768 on Linux, 49,152 elsewhere): such a
# port would be free when it is chosen and another's when its server starts.
_FIRST, _COUNT = 20_000, 12_000
# Each process begins at another one, so that two that choose at the same time choose different ones.
_NUMBERS = (_FIRST + number % _COUNT for number in itertools.count(97 * os.getpid()))


def free_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens; none is returned twice in a row of 12,000."""
    for number in _NUMBERS:
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", number))
            except OSError:
                continue
            return number
    raise AssertionError("the numbers never end")
