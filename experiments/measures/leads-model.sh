#!/usr/bin/env bash
# A model on the lead paragraphs of English Wikipedia, marked up by rules and tables of facts, and on the peer's 990
# documents; one title in a hundred is held out. 30 M parameters, three minutes on one H100, its base beside it.
#
#   experiments/measures/leads-model.sh [FOLDER of data]      from the repository's root; then
#   MODEL=runs/leads/lmlm/model KB=runs/leads/facts.db READ=runs/leads/read NAME=30M experiments/measures/public.sh
set -euo pipefail
data=${1:-../shared/data}
out=runs/leads
lamlam=${LAMLAM:-.venv/bin/lamlam}
facts="--facts $data/facts/wikidata.parquet --facts $data/facts/tables.parquet"
step() { printf '\n$ lamlam'; printf ' %q' "$@"; printf '\n'; "$lamlam" "$@"; }

mkdir -p $out/read
"$(dirname "$lamlam")/python" experiments/measures/hold_out.py "$data/wikipedia/intros.parquet" $out/rest.parquet $out/held.parquet
# shellcheck disable=SC2086  # these are several words
{
    step annotate $out/rest.parquet $out/read/leads.parquet --with patterns --with align $facts
    step annotate $out/held.parquet $out/held-out.parquet --with patterns --with align $facts
}
step convert "$data/official/squad-train1k_chatgpt_gpt4o-v7.1_cleaned.json" $out/read/squad.parquet
step pack $out/read $out/shards --vocab 8192
step pretrain experiments/measures/leads.yaml
step kb build $out/read $out/facts.db
step kb import "$data/facts/wikidata.parquet" $out/facts.db
