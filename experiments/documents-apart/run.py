"""Documents kept apart against documents joined: tokens a second, and perplexity of held-out documents, at equal steps.

    python experiments/documents-apart/run.py SHARDS HELD_OUT OUT [seeds=0,1] [key=value …]

Trains the same recipe both ways for each seed and prints both; see README.md beside this. Keys are a recipe's. A run
that is finished in OUT is read, not made again, so that several calls may share the seeds.
"""

from __future__ import annotations

import math
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml
from scipy import stats

from lamlam.cli.pretrain import measure_held_out
from lamlam.train import make_recipe, pretrain, read_log
from lamlam.train.log import read_measurements

PLAN = {"model": "tiny", "context": 256, "batch": 16, "steps": 400, "warmup": 40, "lr": 2e-3, "save_every": 10**6}


def main() -> None:
    shards, held_out, out, *settings = sys.argv[1:]
    values = dict(setting.split("=", 1) for setting in settings)
    seeds = [int(seed) for seed in values.pop("seeds", "0,1").split(",")]
    own = {key: yaml.safe_load(value) for key, value in values.items()}
    found: dict[str, list[tuple[float, float]]] = {"joined": [], "apart": []}
    for seed in seeds:
        for documents in found:
            output = Path(out) / f"{documents}-{seed}"
            plan: dict[str, Any] = {**PLAN, "data": shards, "held_out": held_out, "output": str(output), **own}
            recipe = make_recipe({**plan, "documents": documents, "seed": seed, "evaluate_every": 10**6})
            pretrain(recipe, measure=measure_held_out(recipe))
            rates = [line.rate for line in read_log(output)]
            rate, perplexity = statistics.median(rates), read_measurements(output)[-1]["standard"]
            found[documents].append((rate, perplexity))
            print(f"{documents}, seed {seed}: {rate:,.0f} tokens/s, perplexity {perplexity:.3f}", flush=True)
    for documents, runs in found.items():
        rate, perplexity = (statistics.geometric_mean(column) for column in zip(*runs, strict=True))
        print(f"{documents}: {rate:,.0f} tokens/s, held-out perplexity {perplexity:.3f}, geometric mean over seeds")
    for number, name in enumerate(("tokens/s", "held-out perplexity")):
        pairs = zip(found["apart"], found["joined"], strict=True)
        print(f"apart against joined, {name}: {_compared([math.log(a[number] / b[number]) for a, b in pairs])}")


def _compared(logarithms: list[float]) -> str:
    """The mean difference of what is paired by seed, with Student's 95 % interval where there are several seeds."""
    mean, seeds = statistics.mean(logarithms), len(logarithms)
    if seeds == 1:
        return f"{mean:+.2%}"
    half = float(stats.t.ppf(0.975, seeds - 1)) * statistics.stdev(logarithms) / seeds**0.5
    return f"{mean:+.2%} ± {half:.2%} ({seeds} seeds)"


if __name__ == "__main__":
    main()
