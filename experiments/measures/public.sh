#!/usr/bin/env bash
# The public benchmarks, once each at a small limit. Without MODEL, on a small model: that they run on real data, not how
# good it is. It reads 990 of the peer's marked-up documents for 300 small steps; the other 759 are held out.
#
#   experiments/measures/public.sh [FOLDER of data] [FOLDER to work in]      from the repository's root
#
# MODEL, KB, READ: another model, its base, and the documents that it has read, such as leads-model.sh makes.
set -euo pipefail
data=${1:-../shared/data}
work=${2:-runs/measures}
lamlam=${LAMLAM:-.venv/bin/lamlam}
model=${MODEL:-$work/lmlm/model}
kb=${KB:-$work/facts.db}
read=${READ:-$work/read.parquet}
full="--kb $kb --base full --base oracle --base none"
common="--name ${NAME:-small} --out $work/results"
step() { printf '\n$ lamlam'; printf ' %q' "$@"; printf '\n'; "$lamlam" "$@"; }

mkdir -p "$work"
step convert "$data/official/dwiki-eval1k_annotator_llama-v6.1_cleaned.json" "$work/held-out.parquet"
if [ -z "${MODEL:-}" ]; then
    step convert "$data/official/squad-train1k_chatgpt_gpt4o-v7.1_cleaned.json" "$read"
    step kb build "$read" "$kb"
    step pack "$read" "$work/shards" --vocab 2048
    step pretrain experiments/first-light/recipe.yaml "data=$work/shards" "output=$work/lmlm" steps=300 batch=4
fi
for benchmark in trex popqa entityquestions-dev; do
    # shellcheck disable=SC2086  # these are several words each
    step eval completion "$model" "$data/eval/$benchmark.parquet" $full --limit "${LIMIT:-100}" $common
done
# shellcheck disable=SC2086
{
    step eval consistency "$model" "$data/eval/trex.parquet" "$data/eval/pararel-patterns.parquet" $full --limit 40 $common
    step eval perplexity "$model" "$work/held-out.parquet" --kb "$kb" --oracle --context 256 --limit 40 $common
    step eval editing "$model" "$data/eval/counterfact.parquet" --kb "$kb" --limit 40 $common
    step eval editing "$model" "$data/eval/counterfact.parquet" --limit 5 $common
    step eval unlearning "$model" "$data/eval/tofu" --forget 01 --epochs 1 --limit 20 $common
}
"$(dirname "$lamlam")/python" experiments/measures/people.py "$data/facts/wikidata.parquet" "$read" 100 "$work/people.txt"
for base in "--kb $kb" ""; do
    # shellcheck disable=SC2086
    step eval biography "$model" "$work/people.txt" --facts "$data/facts/wikidata.parquet" --prompt "{name} was born in" $base $common
done
step eval report "$work/results" --out "$work/report.html"
