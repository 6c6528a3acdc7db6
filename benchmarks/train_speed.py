"""Our training step against the peer's and the plain compiled model's: what `lamlam eval speed train` prints.

    python benchmarks/train_speed.py llama-176m --recompute 1                         all three, one GPU
    python benchmarks/train_speed.py llama-382m --recompute 3 --only ours --only plain
    torchrun --nproc-per-node 2 benchmarks/train_speed.py llama-176m --only ours --windows 256 --micro-batch 64

It needs no base and no documents, so it runs where only PyTorch, transformers, accelerate and typer are installed.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout

import typer

from lamlam.cli.evaluate_speed import train

if __name__ == "__main__":
    # Under torchrun, one process tells.
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(sys.stdout if os.environ.get("RANK", "0") == "0" else nowhere),
    ):
        typer.run(train)
