#!/usr/bin/env bash
# Trains the small local annotator on the peer's marked-up documents, and measures everything together (rules, facts, the
# annotator) on the tenth that it did not see.
#
#   experiments/annotation/train.sh [DATA] [OUT]      minutes on a GPU, many hours without one
#   UNMARKED=200 EPOCHS=1 TEACHERS=1 experiments/annotation/train.sh      to see that all of it runs
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$(realpath "${1:-../shared/data}")
out=${2:-runs/annotation}
lamlam=${LAMLAM:-.venv/bin/lamlam}
mkdir -p "$out"

"$lamlam" train-annotator "$data"/official/dwiki-eval1k*.json "$data"/official/squad-train1k*.json \
    --out "$out/annotator" --epochs "${EPOCHS:-8}" --teachers "${TEACHERS:-4}" \
    --unmarked "$data/wikipedia/intros.parquet" --most-unmarked "${UNMARKED:-42000}"
"${PYTHON:-.venv/bin/python}" experiments/annotation/held_out.py "$data" "$out"
for part in wikipedia squad; do
    "$lamlam" annotate "$out/raw-$part.parquet" "$out/marked-$part.parquet" \
        --with patterns --with align --facts "$data/facts/wikidata.parquet" --facts "$data/facts/tables.parquet" \
        --with model --model "$out/annotator"
    "$lamlam" eval annotation "$out/gold-$part.parquet" "$out/marked-$part.parquet" --page "$out/$part.html"
done
