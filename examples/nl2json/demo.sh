#!/usr/bin/env bash
# The whole way on real input, with the commands a user would type. `make demo` runs this.
# Results go to .tunesmith in this clone; a second run reuses what is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/.venv/bin:$PATH"
mkdir -p .tunesmith
here=examples/nl2json
began=$SECONDS
step() { printf '\n\033[1;34m$ %s\033[0m\n' "$*"; "$@"; }

step tunesmith models pull smollm2-135m
step tunesmith data import $here/train.jsonl --name shop-messages
step tunesmith data import $here/heldout.jsonl --name shop-heldout
step tunesmith data preview shop-messages --recipe $here/recipe.yaml --limit 1
step tunesmith train $here/recipe.yaml --reuse
step tunesmith evaluate smollm2-135m shop-json --dataset shop-heldout --metric json-exact --limit 80 --max-tokens 64
step tunesmith compare smollm2-135m shop-json --prompts $here/heldout.jsonl --limit 3 --max-tokens 64

cat <<END

All of it took $((SECONDS - began)) s. Next, in this folder:
  .venv/bin/tunesmith chat shop-json                   talk to the tuned model
  .venv/bin/tunesmith runs show shop-json              its loss curve, checkpoints and lineage
  .venv/bin/tunesmith runs extend shop-json --epochs 1 train it longer
  .venv/bin/tunesmith data import YOUR.jsonl --name mine, then edit a copy of $here/recipe.yaml
END
