#!/usr/bin/env bash
# Trains the small local annotator on the peer's marked-up documents, and measures it on the tenth that it did not see.
#
#   experiments/annotation/train.sh [DATA] [OUT]
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:-../shared/data}
out=${2:-runs/annotation}
lamlam=${LAMLAM:-.venv/bin/lamlam}
export OMP_NUM_THREADS=1
mkdir -p "$out"

"$lamlam" train-annotator "$data"/official/squad-train1k*.json "$data"/official/dwiki-eval1k*.json \
    --out "$out/annotator" --epochs 4
"${PYTHON:-.venv/bin/python}" experiments/annotation/held_out.py "$data" "$out"
for part in wikipedia squad; do
    "$lamlam" annotate "$out/raw-$part.parquet" "$out/marked-$part.parquet" \
        --with patterns --with model --model "$out/annotator"
    "$lamlam" eval annotation "$out/gold-$part.parquet" "$out/marked-$part.parquet" --page "$out/$part.html"
done
