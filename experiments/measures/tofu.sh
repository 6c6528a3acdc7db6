#!/usr/bin/env bash
# Unlearning on TOFU: a small model on 12,000 lead paragraphs marked up by rules and the peer's marked-up documents, then
# tuned on TOFU as an LmLm and as a Standard model, each from the same base.
#
#   experiments/measures/tofu.sh [FOLDER of the shared data]      from the repository's root
set -euo pipefail
data=${1:-../shared/data}
out=runs/tofu
lamlam=${LAMLAM:-.venv/bin/lamlam}
python=${PYTHON:-.venv/bin/python}
step() { printf '\n$ lamlam'; printf ' %q' "$@"; printf '\n'; $lamlam "$@"; }

mkdir -p $out/documents
if [ ! -d $out/base/model ]; then
    $python experiments/measures/leads.py "$data/wikipedia/intros.parquet" $out/leads.parquet 12000
    step annotate $out/leads.parquet $out/documents/leads.parquet --with patterns
    step convert "$data/official/dwiki-eval1k_annotator_llama-v6.1_cleaned.json" $out/documents/dwiki.parquet
    step convert "$data/official/squad-train1k_chatgpt_gpt4o-v7.1_cleaned.json" $out/documents/squad.parquet
    step pack $out/documents $out/shards --vocab 4096
    step pretrain experiments/measures/tofu.yaml
fi
$python experiments/measures/tofu_calls.py "$data/eval/tofu" $out/calls.parquet
for split in ${SPLITS:-10 05 01}; do
    step eval unlearning $out/base/model "$data/eval/tofu" --forget $split --documents $out/calls.parquet \
        --epochs 3 --limit 100 --name LmLm --out $out/results
    step eval unlearning $out/base/model "$data/eval/tofu" --forget $split \
        --epochs 3 --limit 100 --name Standard --out $out/results
done
