"""Small trainings inside a measurement: a model tuned on a few documents, towards them or away from them.

This is not pre-training (`lamlam.train`): documents are padded, not packed, and nothing is resumed. The batches are a
function of the seed and of the documents' ids alone. Two runs of which one leaves documents out can have the same
batches, but for what is left out of them, and so the same steps: they differ by those documents and by nothing else.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Literal, NamedTuple

import torch
from torch.nn import functional

from lamlam.corpus import IGNORED, Kind, encode_document
from lamlam.errors import LamlamError
from lamlam.generate import LookupModel
from lamlam.model import LookupTokenizer
from lamlam.text import Document

Method = Literal["ascent", "difference", "npo"]
"""Ways to unlearn by gradient: gradient ascent on what is to be forgotten; the same with descent on what is kept
(gradient difference); negative preference optimisation (Zhang et al. 2024), whose push fades as it works."""

NPO_BETA = 0.1


class Tuning(NamedTuple):
    """How long and how strongly. `lr` is AdamW's, constant after a tenth of the steps."""

    epochs: int = 5
    lr: float = 1e-3
    batch: int = 16
    seed: int = 0


def finetuned(
    lm: LookupModel,
    documents: Sequence[Document],
    kind: Kind,
    tuning: Tuning,
    left_out: Sequence[Document] = (),
) -> LookupModel:
    """A copy of the model, tuned on the documents, with their calls or without as `kind` says; `lm` stays as it is.

    The batches are those of a tuning on the documents and `left_out`, without the latter.
    """
    model = copy.deepcopy(lm.model).train()

    def loss(some: Sequence[Document]) -> torch.Tensor:
        nats, tokens = _nats(model, lm.tokenizer, some, kind)
        return nats.sum() / tokens.sum().clamp(min=1)

    _optimise(model, documents, tuning, loss, left_out)
    return LookupModel(model.eval(), lm.tokenizer, lm.kb)


def unlearned(
    lm: LookupModel, forget: Sequence[Document], retain: Sequence[Document], method: Method, kind: Kind, tuning: Tuning
) -> LookupModel:
    """A copy of the model with `forget` unlearned; `retain` is what gradient difference holds on to."""
    model = copy.deepcopy(lm.model).train()
    kept = _shuffled(retain, tuning.seed, 0) if retain else []
    place = 0

    def loss(some: Sequence[Document]) -> torch.Tensor:
        nonlocal place
        nats, tokens = _nats(model, lm.tokenizer, some, kind)
        if method == "npo":
            with torch.no_grad():
                before, _ = _nats(lm.model, lm.tokenizer, some, kind)
            return -(2 / NPO_BETA) * functional.logsigmoid(NPO_BETA * (nats - before)).mean()
        ascent = -nats.sum() / tokens.sum().clamp(min=1)
        if method == "ascent" or not kept:
            return ascent
        beside = [kept[(place + i) % len(kept)] for i in range(len(some))]
        place += len(some)
        nats, tokens = _nats(model, lm.tokenizer, beside, kind)
        return ascent + nats.sum() / tokens.sum().clamp(min=1)

    _optimise(model, forget, tuning, loss)
    return LookupModel(model.eval(), lm.tokenizer, lm.kb)


def _optimise(
    model: Any,
    documents: Sequence[Document],
    tuning: Tuning,
    loss: Callable[[Sequence[Document]], torch.Tensor],
    left_out: Sequence[Document] = (),
) -> None:
    if not documents:
        raise LamlamError("no documents to tune on; give at least one")
    optimizer = torch.optim.AdamW(model.parameters(), lr=tuning.lr, betas=(0.9, 0.95), weight_decay=0.0)
    steps = tuning.epochs * math.ceil((len(documents) + len(left_out)) / tuning.batch)
    for step, some in enumerate(_batches(documents, tuning, left_out)):
        for group in optimizer.param_groups:
            group["lr"] = tuning.lr * min(1.0, (step + 1) / max(1, steps // 10))
        value = loss(some)
        if not torch.isfinite(value):
            break  # ascent has no floor: the model is as far away as numbers go
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _batches(
    documents: Sequence[Document], tuning: Tuning, left_out: Sequence[Document] = ()
) -> Iterator[list[Document]]:
    without = {document.id for document in left_out}
    for epoch in range(tuning.epochs):
        order = _shuffled([*documents, *left_out], tuning.seed, epoch)
        for first in range(0, len(order), tuning.batch):
            kept = [document for document in order[first : first + tuning.batch] if document.id not in without]
            if kept:
                yield kept


def _shuffled(documents: Sequence[Document], seed: int, epoch: int) -> list[Document]:
    """In an order in which documents that are left out leave the others where they were."""
    return sorted(documents, key=lambda document: Random(f"{seed} {epoch} {document.id}").random())


def _nats(
    model: Any, tokenizer: LookupTokenizer, documents: Sequence[Document], kind: Kind
) -> tuple[torch.Tensor, torch.Tensor]:
    """−log p of what trains in each document, and how many tokens that are: float and int, shape (documents,)."""
    encoded = [encode_document(document, tokenizer, kind) for document in documents]
    room = int(model.config.max_position_embeddings)
    longest = min(room, max(len(one.ids) for one in encoded))
    inputs = torch.zeros((len(encoded), longest), dtype=torch.long)
    labels = torch.full_like(inputs, IGNORED)
    for row, one in enumerate(encoded):
        ids, trained = one.ids[:longest], torch.tensor(one.trained[:longest])
        inputs[row, : len(ids)] = torch.tensor([tokenizer.start_id, *ids[:-1]])
        labels[row, : len(ids)] = torch.where(trained, torch.tensor(ids), IGNORED)
    labels = labels.to(model.device)
    logits = model(input_ids=inputs.to(model.device), use_cache=False).logits.float()
    nats = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return nats.view(labels.shape).sum(dim=1), (labels != IGNORED).sum(dim=1)
