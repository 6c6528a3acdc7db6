"""One recipe a run: a YAML file, any key of which can be set on the command line.

Defaults are the paper's ("Pre-training": AdamW, 5e-4 cosine after 2,000 warm-up steps, context 1024, batch 256,
8 epochs). Unknown keys and values of the wrong kind are errors that name the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lamlam.errors import LamlamError


class Source(BaseModel):
    """Shards to train on. `share`: of the windows of an epoch, as a number beside those of the other sources; given
    for all sources or for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    share: float | None = Field(None, gt=0)


class Shape(BaseModel):
    """The shape of a Llama that is none of the presets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(ge=8)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    feed_forward: int = Field(ge=8)
    tied: bool = False

    @model_validator(mode="after")
    def _heads_divide(self) -> Shape:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"{self.heads} heads of an even size do not divide hidden {self.hidden}")
        return self


class Recipe(BaseModel):
    """Everything that decides what a training run does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[Source, ...] = Field(
        min_length=1, description="shard folders, as `lamlam pack` writes them: one, or a list of `path` and `share`"
    )
    output: Path = Field(description="folder of the run: the model, logs, curves, report, and the state to go on from")
    model: str = Field("llama-176m", description="a preset's name, or the folder of a checkpoint to start from")
    shape: Shape | None = Field(None, description="instead of a preset: hidden, layers, heads, feed_forward, tied")
    context: int = Field(1024, ge=1, description="tokens in a window")
    documents: Literal["joined", "apart"] = Field(
        "joined", description="apart: attention and positions stay within a document"
    )
    batch: int = Field(256, ge=1, description="windows in an optimiser step")
    micro_batch: int | None = Field(
        None, ge=1, description="windows in a forward pass, of all GPUs together; the whole batch if not given"
    )
    epochs: float = Field(8, gt=0, description="passes over the data; not used where steps is given")
    steps: int | None = Field(None, ge=1, description="optimiser steps")
    optimizer: Literal["adamw", "muon"] = Field("adamw", description="muon: Muon for matrices, AdamW for the rest")
    lr: float = Field(5e-4, gt=0, description="peak learning rate of AdamW")
    muon_lr: float = Field(0.02, gt=0, description="peak learning rate of Muon")
    warmup: int = Field(2000, ge=0, description="steps over which the learning rate rises")
    weight_decay: float = Field(0.1, ge=0, description="of matrices and embeddings")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the forward and backward pass; weights are fp32")
    compiled: bool | None = Field(None, description="compile the layers; if not given, on a GPU")
    recompute: int = Field(
        0, ge=0, description="layers whose feed-forward is computed again in the backward pass, to save GPU memory"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    parallel: Literal["ddp", "fsdp2"] = Field("ddp", description="under torchrun: weights whole or sharded")
    seed: int = Field(0, ge=0, description="of the first weights and of the order of windows")
    held_out: Path | None = Field(None, description="documents whose perplexities are measured during training")
    held_out_base: str | None = Field(None, description="a base for dynamic perplexity on them; without it, left out")
    held_out_documents: int = Field(100, ge=1, description="how many of them, from the first")
    evaluate_every: int = Field(1000, ge=1, description="steps between two measurements; the last step is one, too")
    log_every: int = Field(10, ge=1, description="steps between two lines of log.jsonl")
    log_to: tuple[Literal["tensorboard", "wandb"], ...] = Field((), description="also log there, where installed")
    save_every: int = Field(500, ge=1, description="steps between two states to go on from")

    @field_validator("data", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        many = value if isinstance(value, list | tuple) else [value]
        return tuple({"path": one} if isinstance(one, str | Path) else one for one in many)

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.micro_batch and self.batch % self.micro_batch:
            raise ValueError(f"micro_batch {self.micro_batch} does not divide batch {self.batch}")
        if len({source.share is None for source in self.data}) > 1:
            raise ValueError("data: give a share for every source or for none")
        if self.parallel == "fsdp2" and self.optimizer == "muon":
            raise ValueError("optimizer muon works with parallel ddp")
        if self.held_out_base and not self.held_out:
            raise ValueError("held_out_base needs held_out, the documents to measure on")
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
