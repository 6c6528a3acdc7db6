"""Checkpoints: a plain transformers folder (config, safetensors, tokenizer), with no fields of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from lamlam.errors import LamlamError
from lamlam.model.tokenizer import LookupTokenizer


def save_model(model: Any, tokenizer: LookupTokenizer, folder: str | Path) -> None:
    """Write model and tokenizer into `folder`, which the caller makes whole by renaming (`lamlam.atomic`)."""
    model.save_pretrained(str(folder), safe_serialization=True)
    tokenizer.save(folder)


def load_model(
    folder: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Any, LookupTokenizer]:
    """The model, in evaluation mode on `device`, and its tokenizer.

    Only local safetensors are read: nothing is downloaded, unpickled or executed. LamlamError where the folder is not
    a checkpoint, has no lookup tokens, or has fewer embeddings than its tokenizer has ids.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise LamlamError(f"{folder} is not a checkpoint: it has no config.json; give a folder that a training wrote")
    tokenizer = LookupTokenizer.load(folder)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers and safetensors raise a dozen kinds for a torn or foreign file
        raise LamlamError(f"cannot load the checkpoint {folder}: {str(error).splitlines()[0]}") from error
    embeddings = model.get_input_embeddings().num_embeddings
    if embeddings < len(tokenizer):
        raise LamlamError(
            f"{folder}: the model has {embeddings} embeddings, its tokenizer {len(tokenizer)} ids; "
            "the lookup tokens were added to the tokenizer only, so resize the model's embeddings and train them"
        )
    return model.to(device).eval(), tokenizer
