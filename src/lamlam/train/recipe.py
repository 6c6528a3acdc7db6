"""One recipe a run: a YAML file, any key of which can be set on the command line.

Defaults are the paper's ("Pre-training": AdamW, 5e-4 cosine after 2,000 warm-up steps, context 1024, batch 256,
8 epochs). Unknown keys and values of the wrong kind are errors that name the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lamlam.errors import LamlamError


class Recipe(BaseModel):
    """Everything that decides what a training run does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(description="shard folder, as `lamlam pack` writes it; it says whether this is LmLm or Standard")
    output: Path = Field(description="folder of the run: the model, log.jsonl, loss.png, and the state to go on from")
    model: str = Field("llama-176m", description="a preset's name, or the folder of a checkpoint to start from")
    context: int = Field(1024, ge=1, description="tokens in a window")
    batch: int = Field(256, ge=1, description="windows in an optimiser step")
    micro_batch: int | None = Field(None, ge=1, description="windows in a forward pass; the whole batch if not given")
    epochs: float = Field(8, gt=0, description="passes over the data; not used where steps is given")
    steps: int | None = Field(None, ge=1, description="optimiser steps")
    optimizer: Literal["adamw", "muon"] = Field("adamw", description="muon: Muon for matrices, AdamW for the rest")
    lr: float = Field(5e-4, gt=0, description="peak learning rate of AdamW")
    muon_lr: float = Field(0.02, gt=0, description="peak learning rate of Muon")
    warmup: int = Field(2000, ge=0, description="steps over which the learning rate rises")
    weight_decay: float = Field(0.1, ge=0, description="of matrices and embeddings")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the forward and backward pass; weights are fp32")
    seed: int = Field(0, ge=0, description="of the first weights and of the order of windows")
    log_every: int = Field(10, ge=1, description="steps between two lines of log.jsonl")
    save_every: int = Field(500, ge=1, description="steps between two states to go on from")

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> Recipe:
        if self.micro_batch and self.batch % self.micro_batch:
            raise ValueError(f"micro_batch {self.micro_batch} does not divide batch {self.batch}")
        return self


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe in a YAML file, with `key=value` overrides; LamlamError names the file and every key that is wrong.

    Relative paths in it are taken from the working directory.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LamlamError(f"no recipe at {path}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LamlamError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise LamlamError(f"{path} is not a recipe: it has to hold `key: value` lines")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise LamlamError(f"cannot read {override!r} on the command line: write key=value")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise LamlamError(f"cannot read {override!r} on the command line: write key=value") from error
    return make_recipe(values, source=str(path))


def make_recipe(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """A recipe from plain values; LamlamError in one line that names `source` and every key that is wrong."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "recipe"
            hint = f" (known keys: {', '.join(Recipe.model_fields)})" if fault["type"] == "extra_forbidden" else ""
            kind = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"]
            faults.append(f"{key}: {kind}{hint}")
        raise LamlamError(f"{source}: {'; '.join(faults)}") from error


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, every key in it, as YAML."""
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
