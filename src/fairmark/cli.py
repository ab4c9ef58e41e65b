"""`fairmark VERB`: thin. It says what the library found, and ends with the code that a script can read.

Exit codes: 0 all is well, 1 something has to be mended first, 2 used wrongly, 3 refused by the policy,
4 a release is not what it says, 5 it can't be told.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fairmark.errors import FairmarkError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb, and return the exit code.

    Parameters
    ----------
    argv
        Words after `fairmark`; None takes those of the process.
    """
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except FairmarkError as error:
        print(f"fairmark {given.verb}:", *error.faults, sep="\n  ", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader has left (`fairmark ... | head`): end quietly, as other commands do.
        sys.stderr.close()
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairmark", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    verify = verbs.add_parser(
        "verify", allow_abbrev=False, help="check a release offline, one line for each claim"
    )
    verify.add_argument("release", type=Path, metavar="RELEASE", help="a release folder")
    verify.add_argument("--clone", type=Path, help="a clone of the repository: check commit and tag too")
    verify.add_argument("--json", action="store_true", help="write the facts as JSON")
    verify.set_defaults(run=_verify)

    judge = verbs.add_parser(
        "judge", allow_abbrev=False, help="judge measurements by the policy of a params file"
    )
    judge.add_argument("measurements", type=Path, metavar="MEASUREMENTS", help="a measurements.json")
    judge.add_argument("params", type=Path, metavar="PARAMS", help="a params.yaml")
    judge.add_argument("--json", action="store_true", help="write the verdict as JSON")
    judge.set_defaults(run=_judge)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"fairmark {version('fairmark')}")
        parser.exit()


def _verify(given: argparse.Namespace) -> int:
    from fairmark.release.fact import exit_code
    from fairmark.release.verify import verify

    facts = verify(given.release, given.clone)
    code = exit_code(facts)
    if given.json:
        _print_json(
            {"release": given.release.name, "exit_code": code, "facts": [vars(fact) for fact in facts]}
        )
    else:
        for fact in facts:
            print(fact.line())
        print({0: "verified", 4: "NOT what was released", 5: "can't be told"}[code] + f": {given.release}")
    return code


def _judge(given: argparse.Namespace) -> int:
    import datetime as dt

    from fairmark.files import read_json
    from fairmark.judge.verdict import judge
    from fairmark.params import read_params

    policy = read_params(given.params).policy
    verdict = judge(read_json(given.measurements), policy, dt.datetime.now(tz=dt.UTC).date())
    if given.json:
        _print_json(verdict.to_json())
    else:
        for finding in verdict.findings:
            print(f"{finding.outcome}: {finding.text}")
        print(f"verdict: {verdict.outcome}")
    return 0 if verdict.outcome == "pass" else 3


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
