"""What the commands of `lamlam eval` share: their options, and the lines that say what a figure was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lamlam.cli.terminal import say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The model: a checkpoint folder.", show_default=False)]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many, for a quick look.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws the confidence intervals and the examples.")]


def load(model: Path, base: KnowledgeBase | None) -> Any:
    """The model in float32 everywhere: the same figures on a GPU as on a CPU, but for rounding."""
    import torch

    from lamlam.generate import LookupModel
    from lamlam.model import load_model

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return LookupModel(*load_model(model, device, torch.float32), base)


def refuse_missing(path: Path) -> None:
    """Before a model is loaded, which takes a while."""
    if not path.exists():
        raise LamlamError(f"{path}: no such file or folder; give documents to measure on")


def split_name(path: Path, limit: int | None) -> str:
    """How a result calls the data that it was measured on."""
    return str(path) if limit is None else f"{path}, first {limit}"


def say_made_with(result: Any, more: str) -> None:
    """The line below a table: model, base, split, policy and seed of `result`, and what else matters."""
    say(
        f"model {result.model}, base {result.base}, split {result.split}, policy {result.policy}, seed {result.seed}"
        + more
    )
