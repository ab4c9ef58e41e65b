"""The service's process: releases verified and loaded, the journal opened, the socket served until SIGTERM.

One process serves one champion; more throughput is more processes. A champion that can't be loaded leaves the
verified fallback to answer, and says so; without one, nothing is served.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, StateError, UsageError, VerificationError
from fairmark.journal.place import SUBJECT_KEY, open_journal, open_memberships, subject_key
from fairmark.serve.access import KEYS, Access
from fairmark.serve.desk import Desk
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer, init, warm_up
from fairmark.serve.stage import promotion_in

if TYPE_CHECKING:
    from fairmark.governance.promotion_tags import Promotion
    from fairmark.signing.keys import PublicKey

log = logging.getLogger("fairmark.serve")
DRAIN_S = 30
"""How long requests that have begun may go on after SIGTERM."""
KEEP_ALIVE_S = 75
SWITCH_S = 0.001
"""How long one thread may hold the interpreter while another waits."""
FOLLOW_S = 5.0
"""How often the promotions of a clone are looked at."""


@dataclass(frozen=True)
class Settings:
    """Where a service runs, and with which releases.

    Parameters
    ----------
    champion
        A release; None where `stage` names it.
    key
        The public key that every release must be signed by.
    stage, clone, name
        Serve what this stage of the clone's signed promotions holds, and follow it.
    trusted
        Keys that may have signed promotions, beside those of `approvers`.
    journal, memberships
        Addresses (`journal.place`).
    keys
        The file of the callers' keys.
    """

    key: "PublicKey"
    journal: str
    memberships: str
    keys: Path
    champion: str | None = None
    challenger: str | None = None
    fallback: str | None = None
    stage: str | None = None
    clone: Path | None = None
    name: str | None = None
    trusted: "Sequence[PublicKey]" = field(default=())
    host: str = "127.0.0.1"
    port: int = 8080


def loaded(settings: Settings, say: Callable[[str], None]) -> Router:
    """Return the router with every release that could be verified and loaded.

    Raises
    ------
    FairmarkError
        As `init`, for the champion without a fallback, and for a challenger or a fallback that was named.
    """
    challenger = _named(settings.challenger, settings)
    fallback = _named(settings.fallback, settings)
    champion = None
    try:
        champion = _named(settings.champion, settings) or _promoted(settings, _staged(settings))
    except Exception as error:
        # Whatever keeps it from being loaded, a library that is missing among it.
        if fallback is None:
            raise
        said = str(error) if isinstance(error, FairmarkError) else f"{type(error).__name__}: {error}"
        say(f"champion: could not be loaded ({said}); {fallback.name}-{fallback.version} answers instead")
    router = Router(champion, challenger, fallback)
    for scorer in router.releases.values():
        warm_up(scorer)
        if scorer.untold:
            must = "reasons of these features are told by their names alone, for explain.texts has none"
            say(f"{scorer.name}-{scorer.version}: {must}: {', '.join(scorer.untold)}")
    return router


def _named(release: str | None, settings: Settings) -> Scorer | None:
    return None if release is None else init(release, settings.key)


def _staged(settings: Settings) -> "Promotion":
    if settings.stage is None or settings.clone is None or settings.name is None:
        raise UsageError("serve: must be given a release, or --stage and --clone, got neither")
    return promotion_in(settings.clone, settings.name, settings.stage, settings.trusted)


def _promoted(settings: Settings, of: "Promotion") -> Scorer:
    """Return the release that was promoted: what was approved, and no other of the same version."""
    found = init(f"{settings.name}@{of.version}", settings.key, settings.clone)
    if found.digest != f"sha256:{of.digest}":
        must = f"must be the release that {of.tag} promotes, {of.digest[:12]}…"
        raise VerificationError(f"{found.name}-{found.version}: {must}, got {found.digest[7:19]}…")
    return found


def secret() -> bytes:
    """Return the secret of pseudonyms.

    Raises
    ------
    UsageError
        When the environment has none, or one of fewer than 16 bytes.
    """
    found = subject_key()
    if found is None or len(found) < 16:
        got = "none" if found is None else f"{len(found)} bytes"
        raise UsageError(
            f"{SUBJECT_KEY}: must be a secret of 16 bytes at least (openssl rand -hex 32), got {got}"
        )
    return found


async def make_desk(settings: Settings, router: Router) -> Desk:
    """Return the desk of a service, its journal open."""
    access = Access(settings.keys, router.lead.params.limits)
    journal = await open_journal(settings.journal)
    memberships = await open_memberships(settings.memberships)
    return Desk(router, journal, memberships, access, secret(), follows_stage=settings.stage is not None)


async def serve(settings: Settings, router: Router, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then answer what has begun, write it down, and return.

    Raises
    ------
    StateError
        When the address is taken.
    """
    import uvicorn

    from fairmark.serve.exchange import GuardedProtocol
    from fairmark.serve.service import Service

    # The journal's writer is a thread: at the default of 5 ms the loop waits longer for it than for the disk.
    sys.setswitchinterval(SWITCH_S)
    # What is loaded stays: the collector need not go through all of it beside each thousand answers.
    gc.collect()
    gc.freeze()
    bound = listen(settings.host, settings.port)
    desk = await make_desk(settings, router)
    config = uvicorn.Config(
        Service(desk),
        loop="none",
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn takes them while it serves and gives them back at its end: all is done by then.
        signal.signal(number, lambda *_: None)
    follower = asyncio.create_task(_follow(settings, desk)) if settings.stage else None
    host, port = bound.getsockname()[:2]
    say(f"serving {router.lead.name}-{router.lead.version} at http://{host}:{port}")
    try:
        await server.serve(sockets=[bound])
    finally:
        if follower is not None:
            follower.cancel()
    if not server.started:
        raise StateError("service: must start, got a journal that can't be read (see above)")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    StateError
        When the address is taken or not of this machine.
    """
    try:
        return socket.create_server((host, port), backlog=2048, reuse_port=False)
    except OSError as error:
        raise StateError(f"{host}:{port}: must be free to listen at, got {error.strerror}") from error


async def _follow(settings: Settings, desk: Desk) -> None:
    """Take the release that the stage holds now as champion, whenever a promotion changed it."""
    while True:
        await asyncio.sleep(FOLLOW_S)
        try:
            wanted = await asyncio.to_thread(_staged, settings)
            now = desk.router.champion
            if now is not None and now.digest == f"sha256:{wanted.digest}":
                continue
            champion = await asyncio.to_thread(_promoted, settings, wanted)
            await asyncio.to_thread(warm_up, champion)
        except Exception as error:  # noqa: BLE001 - were this loop to end, no rollback would be followed
            # What is served goes on: a promotion that can't be checked changes nothing.
            log.warning("stage %s: %s: %s", settings.stage, type(error).__name__, error)
            continue
        desk.crown(champion)
        log.info("serving %s-%s now", champion.name, champion.version)


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def settings_keys(path: str | None) -> Path:
    """Return the file of the callers' keys.

    Raises
    ------
    UsageError
        When the environment does not name it.
    """
    if not path:
        raise UsageError(
            f"{KEYS}: must name the file of the service's keys, got none (serve --new-key makes one)"
        )
    return Path(path)
