#!/usr/bin/env bash
# First light on real input: the peer's marked-up documents → base → shards → a small model → text with lookups.
#
#   experiments/first-light/run.sh [FOLDER with the peer's official files]      from the repository's root
set -euo pipefail
official=${1:-../shared/data/official}
out=runs/first-light
lamlam=${LAMLAM:-.venv/bin/lamlam}
step() { printf '\n$ lamlam'; printf ' %q' "$@"; printf '\n'; "$lamlam" "$@"; }

mkdir -p $out/documents
step convert "$official/dwiki-eval1k_annotator_llama-v6.1_cleaned.json" $out/documents/dwiki.parquet
step convert "$official/squad-train1k_chatgpt_gpt4o-v7.1_cleaned.json" $out/documents/squad.parquet
step kb build $out/documents $out/facts.db
step kb stats $out/facts.db
step pack $out/documents $out/shards --vocab 2048
step pretrain experiments/first-light/recipe.yaml
step eval perplexity $out/lmlm/model $out/documents --context 256 --limit 200
for opening in \
    "Ralph Earl was born on" \
    "Will Gluck (born" \
    "Passion's Playground is a" \
    "The Planet That Wasn't is a collection of" \
    "Weedpatch is located in" \
    "Google's Venice campus is in"; do
    step generate $out/lmlm/model "$opening" --kb $out/facts.db --max-new-tokens 40 --show-lookups
done
