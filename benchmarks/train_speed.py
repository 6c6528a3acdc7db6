"""Our training step against the peer's and the plain compiled model's: what `lamlam eval speed train` prints.

    python benchmarks/train_speed.py llama-176m --micro-batch 64 --only ours --only peer     the recipe's setting
    python benchmarks/train_speed.py llama-382m --micro-batch 32 --recompute 3 --only ours --only plain      memory
    torchrun --nproc-per-node 2 benchmarks/train_speed.py llama-176m --only ours --windows 256 --micro-batch 128

It needs no base and no documents, so it runs where only PyTorch, transformers, accelerate and typer are installed.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout

import typer

from lamlam.cli.evaluate_speed import train
from lamlam.errors import LamlamError

if __name__ == "__main__":
    # Under torchrun, one process tells.
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(sys.stdout if os.environ.get("RANK", "0") == "0" else nowhere),
    ):
        try:
            typer.run(train)
        except LamlamError as error:
            sys.exit(f"error: {error}")
