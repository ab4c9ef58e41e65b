"""The verbs of a release in production: serve it, and drill what must not go wrong."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import RELEASE, Verb
from fairmark.terminal import say

if TYPE_CHECKING:
    from fairmark.serve.server import Settings


class Serve(Verb):
    """`fairmark serve RELEASE`: answer with a release that was verified, and keep every answer.

    Keys of callers stand in the file that FAIRMARK_SERVICE_KEYS names (`--new-key` makes one), the secret of
    pseudonyms in FAIRMARK_SUBJECT_KEY, the journal at FAIRMARK_JOURNAL. How it decides is the release's own
    params.yaml, section `serve`. SIGTERM ends it after everything that has begun is answered and written.
    """

    name = "serve"
    help = "serve a release, verified, with every decision on record"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", nargs="?", metavar="RELEASE", help=RELEASE)
        parser.add_argument("--key", type=Path, metavar="PUB", help="the public key it must be signed by")
        parser.add_argument("--stage", help="serve what this stage of the clone holds, and follow it")
        parser.add_argument("--clone", type=Path, default=Path(), help="the repository; default: this folder")
        parser.add_argument("--fallback", metavar="RELEASE", help="what answers when the release can't")
        parser.add_argument("--challenger", metavar="RELEASE", help="what a canary tries")
        parser.add_argument("--journal", help="a file or postgresql://…; by default FAIRMARK_JOURNAL")
        parser.add_argument("--memberships", help="the same for protected attributes")
        parser.add_argument("--host", default="127.0.0.1", help="default: loopback, which others can't reach")
        parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
        parser.add_argument("--new-key", metavar="NAME", help="make a caller's key, show it once, and end")
        parser.add_argument("--scope", default="decide", help="of the new key, with commas between")

    def run(self, given: argparse.Namespace) -> int:
        """Serve until it is ended, and return 0; with --new-key show a key and return 0."""
        from fairmark.extras import require
        from fairmark.serve.access import KEYS, new_key
        from fairmark.serve.server import settings_keys

        keys = settings_keys(os.environ.get(KEYS))
        if given.new_key is not None:
            token = new_key(keys, given.new_key, given.scope.split(","))
            say(token)
            return 0
        require("serve")
        return _serve(_settings(given, keys))


class Drill(Verb):
    """`fairmark drill RELEASE --fallback RELEASE`: make each fault that a service must survive, on purpose.

    The champion can't be loaded, the champion fails, the fallback fails too, the journal's disk is full, the
    process is killed: each against a service that is started for it on a copy of the journal. Ends with 0
    when all was survived as it must be, and with 1 otherwise.
    """

    name = "drill"
    help = "make each fault that the service must survive, and record what followed"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", metavar="RELEASE", help=RELEASE)
        parser.add_argument("--key", type=Path, metavar="PUB", help="the public key it must be signed by")
        parser.add_argument("--fallback", required=True, metavar="RELEASE", help="what answers in its place")
        parser.add_argument("--journal", type=Path, metavar="FILE", help="an SQLite journal to copy")
        parser.add_argument("--row", type=Path, metavar="FILE", help="a row as JSON; default: a made one")
        parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write what followed as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Drill, say what followed, and return 0 or 1."""
        from fairmark.extras import require

        require("serve")
        from fairmark.errors import UsageError
        from fairmark.repo.untrusted import strict_json
        from fairmark.serve.drill import drill, sample_row
        from fairmark.serve.scorer import init
        from fairmark.signing.key_store import own_public
        from fairmark.signing.keys import read_public

        key = own_public() if given.key is None else read_public(given.key)
        if key is None:
            raise UsageError(
                "drill: must be given --key, the public key of the releases, got none of your own"
            )
        if given.row is None:
            row = sample_row(init(given.release, key))
        else:
            row = strict_json(given.row.read_text(encoding="utf-8"), str(given.row))
        done = drill(given.release, given.fallback, key, given.journal, row, say)
        if given.output is not None:
            done.write(given.output)
        return 0 if done.passed else 1


def _settings(given: argparse.Namespace, keys: Path) -> "Settings":
    from fairmark.cli.verb import release_name
    from fairmark.errors import UsageError
    from fairmark.journal.place import journal_address, memberships_address
    from fairmark.serve.server import Settings
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public

    if (given.release is None) == (given.stage is None):
        got = "both" if given.release else "neither"
        raise UsageError(f"serve: must be given RELEASE or --stage, got {got}")
    key = own_public() if given.key is None else read_public(given.key)
    if key is None:
        raise UsageError("serve: must be given --key, the public key of the releases, got none of your own")
    given.name = None
    return Settings(
        key=key,
        journal=journal_address(given.clone, given.journal),
        memberships=memberships_address(given.clone, given.memberships),
        keys=keys,
        champion=given.release,
        challenger=given.challenger,
        fallback=given.fallback,
        stage=given.stage,
        clone=given.clone,
        name=release_name(given) if given.stage else None,
        trusted=[key],
        host=given.host,
        port=given.port,
    )


def _serve(settings: "Settings") -> int:
    import logging

    import uvloop

    from fairmark.serve.server import is_loopback, loaded, secret, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    secret()  # before seconds are spent on releases
    if not is_loopback(settings.host):
        say(f"{settings.host}: others can reach this service; put TLS in front of it", error=True)
    router = loaded(settings, lambda line: say(line, error=True))
    uvloop.run(serve(settings, router, say))
    return 0
