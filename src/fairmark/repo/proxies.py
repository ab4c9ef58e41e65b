"""Proxies of the environment: none between programs of one machine, and named where they may be a cause.

A module of its own, because the command asks it before it imports anything that takes time.
"""

import os
from collections.abc import Mapping, MutableMapping

from fairmark.terminal import redacted

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def spare_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let no proxy stand before the loopback addresses, whatever proxies the environment names.

    Programs read `no_proxy` or `NO_PROXY`, and most of them the first that they find: both say the same then.
    """
    if not named(environment):
        return
    spared = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = [host.strip() for text in spared for host in text.split(",") if host.strip()]
    hosts = list(dict.fromkeys([*hosts, *LOOPBACK]))
    if "*" not in hosts:
        environment["no_proxy"] = environment["NO_PROXY"] = ",".join(hosts)


def named(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the proxies that the environment names, as `NAME=address` without their passwords."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    return [
        f"{name}={redacted(text)}"
        for name, text in sorted(environment.items())
        if name.lower() in names and text.strip()
    ]
