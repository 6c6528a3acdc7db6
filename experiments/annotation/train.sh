#!/usr/bin/env bash
# Trains the small local annotator: on leads that rules and facts marked up, then on the peer's marked-up documents.
# Measures everything together (rules, facts, the annotator) on the tenth that it did not see.
#
#   experiments/annotation/train.sh [DATA] [OUT]      minutes on a GPU, a day without one
#   MOST_WEAK=200 EPOCHS=1 experiments/annotation/train.sh      to see that all of it runs: a quarter of an hour
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$(realpath "${1:-../shared/data}")
out=${2:-runs/annotation}
lamlam=${LAMLAM:-.venv/bin/lamlam}
facts=(--facts "$data/facts/wikidata.parquet" --facts "$data/facts/tables.parquet")
mkdir -p "$out"

[ -f "$out/weak.parquet" ] || "$lamlam" annotate "$data/wikipedia/intros.parquet" "$out/weak.parquet" \
    --with patterns --with align "${facts[@]}"
"$lamlam" train-annotator "$data"/official/dwiki-eval1k*.json "$data"/official/squad-train1k*.json \
    --out "$out/annotator" --weak "$out/weak.parquet" --most-weak "${MOST_WEAK:-40000}" --epochs "${EPOCHS:-8}" \
    --readings experiments/annotation/reading.jsonl
"${PYTHON:-.venv/bin/python}" experiments/annotation/held_out.py "$data" "$out"
for part in wikipedia squad; do
    # What an annotator would mark: the tagger first. What is true: rules first, facts where the judge may see them.
    for mode in usual careful; do
        with=(--with model --with patterns --with align)
        [ "$mode" = usual ] || with=(--with patterns --with align --with model --careful)
        "$lamlam" annotate "$out/raw-$part.parquet" "$out/marked-$part-$mode.parquet" \
            "${with[@]}" "${facts[@]}" --model "$out/annotator"
        "$lamlam" eval annotation "$out/gold-$part.parquet" "$out/marked-$part-$mode.parquet" \
            --page "$out/$part-$mode.html"
    done
done
