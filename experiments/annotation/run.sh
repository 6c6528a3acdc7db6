#!/usr/bin/env bash
# Marks up all 178,610 leads of intros.parquet without an outside model: rules, then facts, then the local annotator.
#
#   experiments/annotation/run.sh [DATA] [OUT] [LEADS]      with the annotator in OUT/annotator, else trained first
#
# LEADS, another file of raw documents, is for a look at a part of them. Shards that are done are skipped when it is run
# again.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$(realpath "${1:-../shared/data}")
out=${2:-runs/annotation}
leads=${3:-$data/wikipedia/intros.parquet}
lamlam=${LAMLAM:-.venv/bin/lamlam}
annotator=${ANNOTATOR:-$out/annotator}
[ -d "$annotator" ] || experiments/annotation/train.sh "$data" "$out"
annotator=$(realpath "$annotator")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

[ -d "$out/shards" ] || "$lamlam" shards split "$leads" "$out/shards" --each "${EACH:-5000}"
time "$lamlam" shards run "$out/shards" "$out/annotated" --workers "${WORKERS:-2}" -- annotate \
    --with patterns --with align --facts "$data/facts/wikidata.parquet" --facts "$data/facts/tables.parquet" \
    --with model --careful --model "$annotator"
"$lamlam" correct "$out/annotated" "$out/intros.parquet"
"${PYTHON:-.venv/bin/python}" experiments/annotation/density.py "$out/intros.parquet"
