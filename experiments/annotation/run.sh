#!/usr/bin/env bash
# Marks up all 178,610 leads of intros.parquet without an outside model: rules, then facts, then the local annotator.
#
#   experiments/annotation/run.sh [DATA] [OUT]      rules and alignment (minutes)
#   ANNOTATOR=runs/annotation/annotator experiments/annotation/run.sh      with the local annotator as well (hours)
#
# The annotator is trained by experiments/annotation/train.sh. Shards that are done are skipped when it is run again.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:-../shared/data}
out=${2:-runs/annotation}
lamlam=${LAMLAM:-.venv/bin/lamlam}
workers=${WORKERS:-2}
options=(--with patterns --with align --facts "$(realpath "$data")/facts/wikidata.parquet"
    --facts "$(realpath "$data")/facts/tables.parquet")
[ -z "${ANNOTATOR:-}" ] || options+=(--with model --model "$(realpath "$ANNOTATOR")")
export OMP_NUM_THREADS=1

[ -d "$out/shards" ] || "$lamlam" shards split "$data/wikipedia/intros.parquet" "$out/shards" --each 20000
time "$lamlam" shards run "$out/shards" "$out/annotated" --workers "$workers" -- annotate "${options[@]}"
"$lamlam" correct "$out/annotated" "$out/intros.parquet"
