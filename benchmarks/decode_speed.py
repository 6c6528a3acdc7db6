"""How fast decoding with lookups is: `python benchmarks/decode_speed.py [--preset tiny] [--batch 32]`.

Random weights, asking steered to a lookup about every 25 tokens, constrained, greedy, a base of 1 M made-up facts; see
`lamlam.evaluate.decode_speed`. Prints every figure beside its goal; the exit code is 1 if one is missed. The goals are
those for one H100 with llama-382m, and for two CPU cores with tiny.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from lamlam.evaluate.decode_speed import DecodeSpeed, measure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="by default llama-382m on a GPU, tiny on a CPU")
    parser.add_argument("--batch", type=int, help="by default 256 on a GPU, 32 on a CPU")
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=256, help="of text that a stream writes")
    parser.add_argument("--requests", type=int, default=10_000, help="that run to see whether memory stays flat")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        result = measure(
            Path(folder),
            arguments.preset or ("llama-382m" if device == "cuda" else "tiny"),
            facts=arguments.facts,
            batch=arguments.batch or (256 if device == "cuda" else 32),
            tokens=arguments.tokens,
            requests=arguments.requests,
            seed=arguments.seed,
            device=device,
        )
    print(f"{result.model}, {result.facts:,} facts, seed {result.seed}, {result.device}")
    missed = 0
    goals = _goals(result, device)
    for what, value, unit in result.figures():
        line = f"{what:48} {value:12,.2f} {unit:12}"
        if what in goals:
            sign, goal = goals[what]
            reached = value >= goal if sign == ">=" else value <= goal
            missed += not reached
            line += f" {sign} {goal:10,.1f}  {'PASS' if reached else 'miss'}"
        print(line)
    return int(missed > 0)


def _goals(result: DecodeSpeed, device: str) -> dict[str, tuple[str, float]]:
    batch = f"batch {result.batch}"
    if device == "cpu":
        return {"one stream, against the peer's loop": (">=", 5), f"{batch}, against the peer's loop": (">=", 20)}
    return {
        "one stream": (">=", 1_000),
        "one stream, against the peer's loop": (">=", 10),
        batch: (">=", 80_000),
        f"{batch}, against the peer's loop": (">=", 700),
        "lookups, constraints and sampling": ("<=", 15),
        "first token of a stream": ("<=", 3),
    }


if __name__ == "__main__":
    raise SystemExit(main())
