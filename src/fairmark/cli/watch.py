"""The verb of the watch: what became of a release that decides, in lines, as JSON, and as a page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.journal import add_journal_option
from fairmark.cli.verb import RELEASE, Verb
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


class Watch(Verb):
    """`fairmark watch RELEASE`: count what the journal holds of a release, and say what that shows.

    The release is verified first. Counts are kept in `.fairmark/watch` of the clone, so that each run reads
    what is new. Nothing is decided here and nobody is told: `flows/watch.py` does what the policy says.

    Exit codes: 0 no alarm at the last look and no limit shown to be missed, 1 one of these, 5 no look yet.
    """

    name = "watch"
    help = "tell what became of a release that decides"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", nargs="?", metavar="RELEASE", help=RELEASE)
        parser.add_argument(
            "--stage", metavar="STAGE", help="what a stage of the clone holds, such as production"
        )
        add_journal_option(parser)
        parser.add_argument(
            "--memberships", metavar="ADDRESS", help="those of protected attributes, likewise"
        )
        parser.add_argument(
            "--key", type=Path, metavar="PUB", help="the public key that it must be signed by"
        )
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--page", type=Path, metavar="FILE", help="write the watch page, one HTML file")
        parser.add_argument(
            "--rules", type=Path, metavar="DIR",
            help="write alerts.yml for Prometheus and dashboard.json for Grafana, and do nothing else",
        )  # fmt: skip
        parser.add_argument(
            "--resume", metavar="REASON",
            help="let the champion answer again after an alarm let the fallback; why, in one line",
        )  # fmt: skip
        parser.add_argument("--anew", action="store_true", help="count the journal from its beginning")
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Look, tell and write; return 0, 1 or 5."""
        import asyncio

        from fairmark.errors import UsageError

        if given.rules is not None:
            return _rules(given.rules)
        if given.resume is not None:
            return asyncio.run(_resume(given))
        if (given.release is None) == (given.stage is None):
            raise UsageError("RELEASE: must be given, or --stage instead of it, got both or neither")
        return asyncio.run(_look(given))


RULES = ("alerts.yml", "dashboard.json")


def rules(name: str) -> str:
    """Return the text of one of `RULES`: alerts for Prometheus, a dashboard for Grafana.

    They stand on what the service exports (`serve.metrics`). What needs the journal, its labels and its
    groups is the watch's own.
    """
    from importlib.resources import files

    return (files("fairmark.watch") / "data" / name).read_text(encoding="utf-8")


def _rules(folder: Path) -> int:
    from fairmark.files import write_text

    folder.mkdir(parents=True, exist_ok=True)
    for name in RULES:
        write_text(folder / name, rules(name))
        say(f"wrote {folder / name}")
    return 0


async def _resume(given: argparse.Namespace) -> int:
    from fairmark.errors import StateError
    from fairmark.governance import trail
    from fairmark.governance.promotion_tags import one_line
    from fairmark.journal.entry import now_us
    from fairmark.journal.place import journal_address, open_journal
    from fairmark.serve.canary.state import CanaryState, readable

    reason, who = one_line(given.resume), trail.identity(given.clone).name or "a person"
    journal = await open_journal(journal_address(given.clone, given.journal))
    try:
        found, after = None, 0
        while stored := await journal.find(["canary"], after=after, most=500):
            found, after = readable(stored[-1].entry), stored[-1].number
        if found is None or found.phase != "fallback":
            raise StateError("service: must be answered by the fallback to be resumed, got no such state")
        await journal.append([CanaryState(phase="off", by=who, reason=reason).entry(now_us())])
    finally:
        await journal.close()
    trail.append(given.clone, {"action": "resume", "reason": reason}, "done")
    say(f"the champion answers again, by the word of {who}")
    return 0


async def _look(given: argparse.Namespace) -> int:
    from fairmark.files import write_text
    from fairmark.journal.entry import now_us
    from fairmark.journal.place import journal_address, memberships_address, open_journal
    from fairmark.serve.canary.release import attended
    from fairmark.watch.look import counts_file, desk, look, standing, target
    from fairmark.watch.page import lines, page, state

    key = _key(given)
    release = given.release or _held(given, key)
    of = target(release, key, given.clone if given.stage else None)
    counts = counts_file(given.clone, of.digest)
    if given.anew:
        counts.unlink(missing_ok=True)
    address, now = journal_address(given.clone, given.journal), now_us()
    found = await look(of, address, memberships_address(given.clone, given.memberships), counts, now)
    if given.page is not None:
        journal = await open_journal(address)
        try:
            clone = _clone(given.clone)
            steered = None if clone is None else await attended(journal, clone, now)
            seen = await desk(journal, of, clone, [key], now, standing(steered))
        finally:
            await journal.close()
        write_text(given.page, page(found, seen))
    if given.json:
        say_json(found.to_json())
    else:
        for line in lines(found):
            say(line)
    if not found.looks:
        return 5
    return int(state(found)["style"] == "fail")


def _clone(clone: Path) -> Path | None:
    return clone if (clone / ".git").exists() else None


def _key(given: argparse.Namespace) -> "PublicKey":
    from fairmark.errors import UsageError
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public

    if given.key is not None:
        return read_public(given.key)
    own = own_public()
    if own is None:
        raise UsageError("--key: must name the public key that the release is signed by, got none")
    return own


def _held(given: argparse.Namespace, key: "PublicKey") -> str:
    """Return the tag of the release that a stage of the clone holds."""
    from fairmark.params.read import read_params
    from fairmark.serve.stage import version_in

    name = read_params(given.clone / "params.yaml").project.name
    return f"{name}@{version_in(given.clone, name, given.stage, [key])}"
