"""Our training step against the peer's and the plain compiled model's, as `lamlam eval speed train` prints it.

python benchmarks/train_speed.py llama-176m                          all three, one GPU
python benchmarks/train_speed.py llama-382m --only ours plain
torchrun --nproc-per-node 2 benchmarks/train_speed.py llama-176m --only ours      several GPUs
"""

from __future__ import annotations

import argparse
import json
import os

from lamlam.train.speed import Speeds, measure_training


def table(speeds: Speeds) -> str:
    lines = [
        f"{speeds.model} on {speeds.processes} × {speeds.device}: steps of {speeds.windows} × {speeds.context} tokens, "
        f"ours in micro-batches of {speeds.micro_batch}, feed-forward computed again in {speeds.recompute} layers; {speeds.flops_per_token / 1e9:.3f} GFLOP a token; "
        f"a large matrix product here: {speeds.product / 1e12:.1f} TFLOP/s",
    ]
    for speed in speeds.results:
        share = "" if speed.utilisation is None else f"{speed.utilisation:6.1%} of the datasheet's peak, "
        memory = "" if speed.memory is None else f", {speed.memory / 2**30:.1f} GiB at 32 windows"
        lines.append(
            f"{speed.name:>6}: {speed.tokens_per_second:10,.0f} tokens/s, {share}{speed.of_product:6.1%} of that product"
            f"{memory}, first loss {speed.first_loss:.5f}"
        )
    for other in ("peer", "plain"):
        if (ratio := speeds.ratio("ours", other)) is not None:
            lines.append(f"ours / {other}: {ratio:.2f} ×")
    memories = {speed.name: speed.memory for speed in speeds.results if speed.memory}
    if {"ours", "plain"} <= memories.keys():
        lines.append(f"memory, ours / plain: {memories['ours'] / memories['plain']:.1%}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--only", nargs="+", default=["ours", "plain", "peer"])
    parser.add_argument("--windows", type=int, default=128)
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--recompute", type=int, default=0, help="layers whose feed-forward is computed twice")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    speeds = measure_training(
        given.model,
        tuple(given.only),
        windows=given.windows,
        micro_batch=given.micro_batch,
        context=given.context,
        steps=given.steps,
        recompute=given.recompute,
    )
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(speeds.to_json()) if given.json else table(speeds), flush=True)


if __name__ == "__main__":
    main()
