"""Check, compare, make again, approve and promote model releases; `fairmark VERB --help` tells more.

Exit codes: 0 all is well, 1 something has to be mended first, 2 used wrongly, 3 refused by the policy,
4 a release is not what it says, 5 it can't be told. `diff` ends with 1 when the releases differ.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from fairmark.cli.approvals import Approve, Policy, Promote, Review, Rollback
from fairmark.cli.assessment import Assess
from fairmark.cli.canary import Canary
from fairmark.cli.export import Export
from fairmark.cli.finding import Finding
from fairmark.cli.history import History, Index, Trail
from fairmark.cli.journal import Collect, Journal, Replay
from fairmark.cli.judge import Judge
from fairmark.cli.privacy import Forget, Retention
from fairmark.cli.project import Attest, Doctor, Init
from fairmark.cli.releases import Diff, Pack, Predicates, Rebuild, Verify
from fairmark.cli.service import Drill, Serve
from fairmark.cli.verb import Verb
from fairmark.cli.watch import Watch
from fairmark.errors import FairmarkError
from fairmark.extras import required
from fairmark.repo.proxies import spare_loopback
from fairmark.terminal import finish, say, silence, stopped

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Init(),
        Attest(),
        Doctor(),
        Verify(),
        Pack(),
        Rebuild(),
        Diff(),
        Judge(),
        Trail(),
        Journal(),
        Replay(),
        Collect(),
        Watch(),
        Forget(),
        Retention(),
        Assess(),
        Finding(),
        Approve(),
        Promote(),
        Rollback(),
        Canary(),
        History(),
        Index(),
        Export(),
        Policy(),
        Review(),
        Predicates(),
        Serve(),
        Drill(),
    )
}
"""Every verb by its word, in the order of the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb, and return the exit code.

    Parameters
    ----------
    argv
        Words after `fairmark`; None takes those of the process.
    """
    who = "fairmark"
    try:
        try:
            words = sys.argv[1:] if argv is None else argv
            given = _parser(words[0] if words else "").parse_args(words)
        finally:
            finish()  # of the help and the version
        who = f"fairmark {given.verb}"
        spare_loopback()
        if getattr(given, "clone", None) is not None:
            from fairmark.files import project_of

            given.clone = project_of(given.clone)
        with required():
            code = VERBS[given.verb].run(given)
        finish()
    except FairmarkError as error:
        stopped(who, error.faults)
        return error.exit_code
    except BrokenPipeError:
        # The reader has left (`fairmark ... | head`): end quietly, as other commands do.
        silence()
        return 1
    except OSError as error:
        # What a verb did not foresee of the disk: a folder that can't be read or written, a full one.
        from fairmark.files import disk_fault

        silence()
        stopped(who, [disk_fault(error)])
        return 1
    except RuntimeError as error:
        # What Path.resolve raises before Python 3.13 of links in a circle; nothing else is foreseen.
        circle = str(error).partition("Symlink loop from ")[2]
        if not circle:
            raise
        stopped(who, [f"{circle}: must lead to a place, got links in a circle"])
        return 1
    except KeyboardInterrupt:
        say(f"{who} stopped by the keyboard", error=True)
        return 130
    return code


def _parser(first: str) -> argparse.ArgumentParser:
    """Return the parser, of one verb alone where the first word is one: building all takes a while."""
    parser = argparse.ArgumentParser(prog="fairmark", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in {first: VERBS[first]}.items() if first in VERBS else VERBS.items():
        verb.arguments(verbs.add_parser(name, allow_abbrev=False, help=verb.help, description=verb.__doc__))
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        say(f"fairmark {version('fairmark')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
