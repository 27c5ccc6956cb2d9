#!/usr/bin/env bash
# Resolve pyproject.toml and dev.in in a fresh environment and pin what came out.
# torch comes first and alone, so that no other package's range decides its build.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
pip="$scratch/venv/bin/pip"
freeze() { "$pip" freeze --all --exclude-editable | grep -viE '^(tunesmith|pip|wheel)\b' | sed -E 's/\+cpu$//'; }

"$pip" install --quiet torch==2.13.0
"$pip" install --quiet "setuptools>=77"
"$pip" install --quiet -e .
{ echo "# Pinned by requirements/lock.sh from pyproject.toml."; freeze; } > requirements/lock.txt
"$pip" install --quiet -r requirements/dev.in
{ echo "# Pinned by requirements/lock.sh from dev.in; comes on top of lock.txt."
  freeze | grep -vxFf requirements/lock.txt; } > requirements/lock-dev.txt
