#!/usr/bin/env bash
# What action.yml runs: fairmark's own stages over the caller's table, in a copy that is nobody's repository.
# Reads SCORES, OPTIONS (one a line), PARAMS and PYTHON; FAIRMARK_VENV may name an environment that is there already.
set -euo pipefail

source="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
table="$(realpath -- "${SCORES:?must name the table}")"
work="${RUNNER_TEMP:-$(mktemp -d)}/fairmark-gate"
rm -rf "$work"
mkdir -p "$work"
tar -C "$source" --exclude=./.git --exclude='./.venv*' --exclude=./releases --exclude=./artifacts --exclude='./mlflow*' -cf - . | tar -C "$work" -xf -

words=()
while IFS= read -r line; do
  # Leading and trailing blanks are the YAML's, not the option's.
  line="${line#"${line%%[![:space:]]*}"}"
  line="${line%"${line##*[![:space:]]}"}"
  [ -z "$line" ] || words+=("$line")
done <<< "${OPTIONS:?must hold options of fairmark init --scores, one a line}"

if [ -n "${FAIRMARK_VENV:-}" ]; then
  bin="$FAIRMARK_VENV/bin"
else
  make -C "$work" --no-print-directory PYTHON="${PYTHON:-python3}" .venv/.ready
  bin="$work/.venv/bin"
fi
export PATH="$bin:$PATH" DVC_NO_ANALYTICS=1 OMP_NUM_THREADS=1

own="${PARAMS:+$(realpath -- "$PARAMS")}"
cd "$work"
git init --quiet
git -c user.name=fairmark -c user.email=gate@localhost -c commit.gpgsign=false commit --quiet --allow-empty --message "A copy"
fairmark init "$table" --scores --force "${words[@]}"
[ -z "$own" ] || cp -- "$own" params.yaml
dvc repro --quiet

code=0
fairmark judge --json > verdict.json || code=$?
verdict="$(jq --raw-output '.state // "fail"' verdict.json)"
{
  echo "verdict=$verdict"
  echo "report=$work/artifacts/document/report.html"
  echo "card=$work/artifacts/document/evaluation-card.md"
} >> "${GITHUB_OUTPUT:-/dev/stdout}"
fairmark judge || true
cat artifacts/document/evaluation-card.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
exit "$code"
