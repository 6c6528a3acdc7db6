"""Tuning a causal language model as an annotator, by low-rank adapters (LoRA) through PEFT.

The paper's annotator is LLaMA-3.1-8B-Instruct with rank 32, alpha 16, learning rate 2e-4, ten epochs: the defaults. The
four lookup tokens are new to the model, so their embeddings are trained as well, and where the output layer has weights
of its own (LLaMA-3.1-8B), its rows for them: else the four would stay as likely as each other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lamlam.annotate.call_tokens import encode_source, encode_with_calls, pieces_to_mark
from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer, add_lookup_tokens, load_model
from lamlam.text import Call, Document

RANK, ALPHA, RATE, EPOCHS = 32, 16, 2e-4, 10
MOST_TOKENS = 4096
NOT_LEARNT = -100
"""The label that transformers leaves out of the loss."""


def tune_lora(
    base: Path,
    documents: Sequence[Document],
    out: Path,
    *,
    epochs: int = EPOCHS,
    rate: float = RATE,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Tune an adapter for the checkpoint `base` on marked-up documents, and write it as the folder `out`.

    The model reads a text and then writes it with calls; what it writes is learnt, values too. Long documents are cut
    at ends of sentences into pieces; one piece a step, cut off at `MOST_TOKENS`. Returns the mean loss (nats a token)
    of each epoch.
    """
    peft = _peft()
    torch.manual_seed(seed)
    model, tokenizer = _with_lookup_tokens(base)
    config = peft.LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules="all-linear",
        trainable_token_indices={name: list(tokenizer.lookup_ids) for name in _embeddings(model)},
        task_type="CAUSAL_LM",
    )
    tuned = peft.get_peft_model(model, config)
    weights = [weight for weight in tuned.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate)
    pieces = [piece for one in documents if one.calls for piece in in_pieces(one, tokenizer)]
    encoded = [_encode(piece, tokenizer) for piece in pieces]
    if not encoded:
        raise LamlamError("no document has a call; there is nothing to tune an annotator on")
    order = random.Random(seed)
    losses = []
    tuned.train()
    for epoch in range(1, epochs + 1):
        order.shuffle(encoded)
        total = 0.0
        for ids, labels in encoded:
            batch, learnt = torch.tensor([ids, labels], device=model.device).unsqueeze(1)
            loss = tuned(batch, labels=learnt).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total / len(encoded))
        tell(f"epoch {epoch} of {epochs}: loss {losses[-1]:.4f}")
    with write_beside(out) as folder:
        tuned.save_pretrained(str(folder), safe_serialization=True)
        tokenizer.save(folder)
    return {"pieces": len(encoded), "losses": losses, "base": str(base), "seed": seed}


def in_pieces(document: Document, tokenizer: LookupTokenizer) -> Iterator[Document]:
    """The document cut as `CopyingAnnotator` cuts it, each piece with the calls that stand in it."""
    for start, end in pieces_to_mark(document.text, tokenizer, MOST_TOKENS):
        calls = [call for call in document.calls if start <= call.at < end]
        moved = [
            Call(call.at - start, call.lookup, call.span and (call.span[0] - start, call.span[1] - start))
            for call in calls
        ]
        yield Document(document.id, document.text[start:end], tuple(moved))


def _encode(piece: Document, tokenizer: LookupTokenizer) -> tuple[list[int], list[int]]:
    """(ids, labels): the text, which is not learnt, and the same with its calls."""
    source, marked = encode_source(piece.text, tokenizer), encode_with_calls(piece, tokenizer)[0]
    ids, labels = source + marked, [NOT_LEARNT] * len(source) + marked
    return ids[:MOST_TOKENS], labels[:MOST_TOKENS]


def load_adapted(folder: Path) -> tuple[Any, LookupTokenizer]:
    """The tuned model and its tokenizer; the base is read from where the adapter says it was."""
    peft = _peft()
    settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    model, _ = _with_lookup_tokens(Path(settings["base_model_name_or_path"]))
    return peft.PeftModel.from_pretrained(model, str(folder)).eval(), LookupTokenizer.load(folder)


def _embeddings(model: Any) -> list[str]:
    """The names of the layers with a row for each token: one, or two where input and output do not share theirs."""
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    layers = [inputs] if outputs is None or outputs.weight is inputs.weight else [inputs, outputs]
    return [name for layer in layers for name, module in model.named_modules() if module is layer]


def _with_lookup_tokens(base: Path) -> tuple[Any, LookupTokenizer]:
    """A checkpoint's model and tokenizer, the four lookup tokens added where it lacks them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        return load_model(base)
    except LamlamError:
        if not (base / "config.json").is_file():
            raise
    tokenizer = add_lookup_tokens(AutoTokenizer.from_pretrained(str(base), local_files_only=True))
    model = AutoModelForCausalLM.from_pretrained(str(base), use_safetensors=True, local_files_only=True)
    model.resize_token_embeddings(len(tokenizer))
    return model, tokenizer


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise LamlamError("tuning by LoRA needs PEFT; install lamlam[lora]") from None
    return peft
