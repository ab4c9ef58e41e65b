"""How each page's commands are run, and what of them is not run here, each with its reason."""

from collections.abc import Mapping

from doc_commands import Page

CLOUD = "asks AWS: test_deploy_docs.py holds the words, test_terraform.py applies the same to an emulator"
BALANCER = "asks a load balancer: test_flows_traffic.py has a stand-in, test_terraform.py an emulator"
ENGINE = "asks a container engine: proofs/test_image.py and proofs/test_compose.py build and start them"
INDEX = "installs from an index: test_install.py installs the wheel"
HARDWARE = "asks a hardware token: test_signing_hsm.py has one of software"
WHOLE = "sets up an environment and runs all of it: proofs/test_workflows.py does so in a clean clone"

ELSEWHERE: Mapping[str, str] = {"tutorial.md": "test_docs_commands.py", "how-to.md": "test_docs_commands.py"}
"""Pages all of whose blocks are run, in order, by another test."""

LAST = "2099-01-01"
KEY = "cp $HOME/.config/fairmark/key.pub.pem"
COMMITTED = "git add approvals && git commit --quiet --message Approve"
AS_ADA, AS_BOB = ("export FAIRMARK_KEY=$PLACE/ada.pem", "export FAIRMARK_KEY=$PLACE/bob.pem")
BY_BOB = "FAIRMARK_KEY=$PLACE/bob.pem fairmark approve"
ADA = (
    'echo "ada@example.org namespaces=\\"git,fairmark-approval\\" '
    '$(ssh-keygen -y -f $HOME/.config/fairmark/key.pem)" >> approvers; '
    "git commit --quiet --all --message 'Name Ada'"
)
SEALED = {"adult-income": "loans", "NAME@vX.Y.Z": "loans@v0.2.0", "NAME-vX.Y.Z": "loans-v0.2.0"}
REAL = {"adult-income": "small-loans", "NAME@vX.Y.Z": "small-loans@v0.1.0"}
QUICK: Mapping[str, Page] = {
    "export.md": Page("loans", SEALED),
    "findings-register.md": Page(
        "loans",
        {"sex-four-fifths": "four-fifths"},
        before={
            "fairmark finding open": f"{AS_ADA}; echo look > look.csv; cp look.csv again.csv",
            "fairmark finding close": AS_BOB,
        },
        codes={"fairmark finding list": 1},
    ),
    "self-assessment.md": Page(
        "loans",
        SEALED,
        before={
            "fairmark assess --begin": "git rm --quiet --cached assessment.yaml; mv assessment.yaml $PLACE/",
            "fairmark approve --assessment": f"mv $PLACE/assessment.yaml .; git add --all; {AS_ADA}",
        },
    ),
}
"""Pages that cost a second or two."""

SLOW: Mapping[str, Page] = {
    "api.md": Page("loans", SEALED, before={"#py\nimport pandas": f"{KEY} .; $TABLE applicants"}),
    "approvals.md": Page(
        "loans",
        {**SEALED, "2026-09-01": "$(date -u +%F)", "2027-06-30": LAST, "FILE": "index.html"},
        before={
            "mkdir -p": "mkdir $PLACE/ada-home; export HOME=$PLACE/ada-home",
            "fairmark approve loans": ADA,
            "fairmark approve --policy": f"{COMMITTED}; {AS_ADA}",
            "fairmark promote": f"fairmark approve --assessment --reason ours --expires {LAST}; "
            f"{BY_BOB} --policy --reason agreed --expires {LAST}; "
            f"{BY_BOB} loans-v0.1.0 --reason read --expires {LAST}; {COMMITTED}; unset FAIRMARK_KEY; "
            "export HOME=$PLACE/home; fairmark promote loans-v0.1.0 --to production --reason first",
        },
        codes={"fairmark policy": 3},
        also=("fairmark history --align", "fairmark index --page FILE"),
    ),
    "benchmarks.md": Page(
        "loans",
        apart={
            "make .venv-bench": "installs the peers from an index: the workflow `nightly` does so",
            ".venv/bin/python bench": "takes minutes beside the peers: the workflow `nightly` runs it",
        },
    ),
    "canary.md": Page(
        "real",
        {"RELEASE": "small-loans@v0.2.0", "[--json]": "--json", '"..."': '"as the page says"'},
        before={"fairmark canary status": "told '^shadow of' fairmark canary status"},
        servers={"python flows/promote.py": "is caught in"},
    ),
    "deploy.md": Page(
        "real",
        {
            "loans-v0.2.0": "small-loans-v0.2.0",
            "postgresql://fairmark@NEW/journal": "$JOURNAL",
            "postgresql://fairmark@HOST/journal?sslmode=require": "$JOURNAL",
        },
        before={
            "fairmark rollback": "fairmark promote small-loans@v0.2.0 --to production --reason later",
            "FAIRMARK_JOURNAL": "python $TESTS/helpers/journal_writer.py $JOURNAL 1 5; "
            "FAIRMARK_JOURNAL=$JOURNAL fairmark journal --seal",
        },
        apart={
            "make image": ENGINE,
            "fairmark verify images/": ENGINE,
            "FAIRMARK_RELEASE=loans-v0.2.0 podman": ENGINE,
            "psql": "asks for a password on a terminal: test_journal_role.py runs the file",
            "aws": CLOUD,
            "cd terraform": CLOUD,
            "export TF_VAR": CLOUD,
            "terraform": CLOUD,
            "python flows/traffic.py": BALANCER,
            "HF_TOKEN": "pushes to a hub: test_flows_publish.py has a stand-in of its API",
        },
        postgres=True,
    ),
    "flows.md": Page(
        "real",
        {
            ".venv/bin/python": "python",
            "http://127.0.0.1:4200": "http://127.0.0.1:$PREFECT_SERVER_API_PORT",
            "prefect:PASSWORD@127.0.0.1:5432": "$PGUSER:$PGPASSWORD@127.0.0.1:$PGPORT",
            "10.0.0.5": "127.0.0.1",
            "8786": "$DASK_PORT",
        },
        before={
            "prefect work-pool create": "prefect_answers $PREFECT_API_URL",
            "createdb": "unset PREFECT_API_URL; ended",
            "dask scheduler": "prefect_answers http://127.0.0.1:$PREFECT_SERVER_API_PORT/api",
            "FAIRMARK_DASK_SCHEDULER": "sed -i 's/^  trials: 4/  trials: 5/' params.yaml",
        },
        servers={
            "prefect server start": "Uvicorn running|dashboard at",
            "FAIRMARK_HOME": "Worker .* started",
            "dask scheduler": "Scheduler at",
            "dask worker": "Registered to",
        },
        apart={"make run": WHOLE},
        postgres=True,
    ),
    "journal.md": Page(
        "real",
        {
            **REAL,
            "REMOTE": "origin",
            "DECISION": "$DECISION",
            "--id ID": '--id "person 3"',
            "journal.db": ".fairmark/journal.db",
            "copy.db": "$PLACE/copy.db",
            "TEXT": "asked",
        },
        before={
            "fairmark journal --check": f"{KEY} maker.pub",
            "fairmark replay": "DECISION=$($TABLE decision)",
            "fairmark collect": "$TABLE kept",
        },
        also=(
            'sqlite3 journal.db ".backup copy.db"',
            "fairmark journal --expire --reason TEXT",
            "fairmark forget --id ID --reason TEXT --journal",
            "fairmark retention",
        ),
    ),
    "own-data.md": Page(
        "real",
        {"NAME-v0.1.0": "small-loans-v0.1.0"},
        before={
            "fairmark init ~/": "REAL=$PWD; cloned first; $TABLE granted",
            "fairmark init scores.csv": "cloned second; $TABLE scores",
            "dvc add data": "echo 'Who is not in it.' >> data/DATASHEET.md",
            "git push": "git remote set-url origin ../remote; git push --quiet --set-upstream origin HEAD",
            "fairmark pack": "cd $REAL; export PYTHONPATH=$PWD/src",
            "#py\nimport pandas": f"{KEY} maker.pub; $TABLE applicants",
        },
        apart={"fairmark init ../credit.csv": "proofs/test_first_verdict.py runs the transcript whole"},
    ),
    "privacy.md": Page(
        "real",
        {"ID": "C-000411", "N --": "1 --", "TEXT": "over"},
        also=("fairmark trail --cut N --reason TEXT", "fairmark retention"),
    ),
    "README.md": Page(
        "real",
        {
            "RELEASE": "small-loans@v0.2.0",
            "NAME@vX.Y.Z": "small-loans@v0.2.0 --here",
            "A B": "small-loans@v0.1.0 small-loans@v0.2.0",
            "DATE": "$(date -u +%F)",
            "mlflow ui": "mlflow ui --port $DASK_PORT",
        },
        before={"fairmark verify": f"{KEY} ."},
        servers={"mlflow ui": "Uvicorn running|Listening at"},
        apart={"make": WHOLE},
        also=(
            "dvc repro",
            "dvc metrics diff",
            "dvc plots diff",
            "fairmark verify RELEASE --key key.pub.pem",
            "fairmark rebuild NAME@vX.Y.Z",
            "fairmark diff A B",
            "fairmark policy",
            "fairmark history --on DATE",
            "python flows/release.py",
            "mlflow ui",
        ),
    ),
    "serving.md": Page(
        "loans",
        {
            "loans-v0.1.0": "loans-v0.2.0",
            "loans-v0.0.9": "loans-v0.1.0",
            "serve releases": "serve --port 0 releases",
            "RELEASE": "releases/loans-v0.2.0",
            "NAME": "desk",
        },
        before={"export": f"{KEY} maker.pub.pem"},
        servers={"fairmark serve releases": " at http://"},
        apart={"pip": INDEX},
        also=(
            "fairmark serve --new-key NAME --scope decide,read",
            "fairmark drill RELEASE --fallback RELEASE -o drills.json",
        ),
    ),
    "signing.md": Page(
        "loans",
        {**SEALED, 'm "..." NAME': 'm "..." mine'},
        before={"openssl pkey": f"{KEY} ."},
        apart={
            "pip": INDEX,
            "export PYKCS11LIB": HARDWARE,
            "export FAIRMARK_KEY": HARDWARE,
            "# 1.": "test_signing_stranger.py runs the block, and on releases that were changed",
        },
    ),
    "verify-and-rebuild.md": Page("real", {**REAL, "rebuild adult": "rebuild --here adult"}),
    # All decisions of the journal are of one day, and a look takes a week: 5, as the page says.
    "watching.md": Page(
        "real",
        REAL,
        codes={"fairmark watch NAME": 5, "fairmark watch --stage": 5},
    ),
}
"""Pages that take longer, or need what takes longer to make."""

PAGES: Mapping[str, Page] = {**QUICK, **SLOW}
