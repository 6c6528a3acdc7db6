"""Muon beside AdamW on the same real text: how many tokens each takes to a normalized perplexity.

    python experiments/muon/run.py SHARDS HELD_OUT OUT NAME [key=value …]      NAME: adamw or muon

One training of the 176M shape, the perplexities of held-out documents measured as it goes; see README.md beside this.
"""

from __future__ import annotations

import sys

import yaml

from lamlam.cli.pretrain import measure_held_out
from lamlam.train import LogLine, make_recipe, pretrain

PLAN = {"model": "llama-176m", "batch": 64, "micro_batch": 32, "precision": "bf16", "warmup": 50, "save_every": 10**6}


def main() -> None:
    shards, held_out, out, name, *settings = sys.argv[1:]
    values = dict(setting.split("=", 1) for setting in settings)
    own = {"data": shards, "held_out": held_out, "output": out, "optimizer": name, "evaluate_every": 50}
    recipe = make_recipe({**PLAN, **own, **{key: yaml.safe_load(value) for key, value in values.items()}})
    measure = measure_held_out(recipe)

    def measured(model: object, tokenizer: object) -> dict[str, float]:
        values = measure(model, tokenizer)  # type: ignore[misc,arg-type]
        print(out, " ".join(f"{key} {value:.3f}" for key, value in values.items()), flush=True)
        return values

    def show(line: LogLine, steps: int) -> None:
        if line.step % 50 == 0:
            print(f"{out} step {line.step}/{steps} loss {line.loss:.4f} {line.rate:,.0f} tokens/s", flush=True)

    pretrain(recipe, show, measured)


if __name__ == "__main__":
    main()
