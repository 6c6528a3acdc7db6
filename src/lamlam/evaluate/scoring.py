"""How surprised a model is by given tokens: the negative log-likelihood of each, long sequences in windows.

A sequence longer than the context is cut into overlapping windows. The first scores all its tokens; each later one
begins `stride` tokens further on and scores only those that no window before it did. So every token is scored once,
and with at least `context - stride` tokens before it in view (or all there are).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer


class Windowing(NamedTuple):
    """At most `context` tokens are in view at once; windows begin `stride` tokens apart."""

    context: int
    stride: int


class _Window(NamedTuple):
    """Reads inputs `begin` to `end` of a sequence and scores the tokens `first` to `end` (included), `first` > 0."""

    sequence: int
    begin: int
    end: int
    first: int


def windowing(model: Any, context: int | None = None) -> Windowing:
    """Windows of `context` tokens (None: all that the model has positions for), each half a context further on.

    LamlamError for a context that the model cannot hold.
    """
    positions = int(model.config.max_position_embeddings)
    context = positions if context is None else context
    if not 1 <= context <= positions:
        raise LamlamError(f"a context of {context} tokens: choose from 1 to {positions}, what the model has room for")
    return Windowing(context, max(1, context // 2))


def token_nlls(
    model: Any,
    sequences: Sequence[Sequence[int]],
    windows: Windowing,
    batch_tokens: int = 4096,
    never: Sequence[int] = (),
) -> list[npt.NDArray[np.float64]]:
    """−log p, in nats, of each token given those before it, for each sequence but its first token.

    Sequence i gives an array of shape (len(sequences[i]) - 1,). Windows of like length are run together, at most
    `batch_tokens` tokens (padding included) at a time, unless one window alone is longer. Tokens that can `never` come
    have no probability, and the others share it; where a sequence has one all the same, the figure is infinite.
    """
    nlls = [np.full(len(sequence) - 1, np.nan) for sequence in sequences]
    cut = [window for number, sequence in enumerate(sequences) for window in _cut(number, len(sequence), windows)]
    for batch in _batches(cut, batch_tokens):
        longest = max(window.end - window.begin for window in batch)
        inputs = torch.zeros((len(batch), longest), dtype=torch.long)
        labels = torch.zeros_like(inputs)
        for row, (number, begin, end, _) in enumerate(batch):
            # Padding stands on the right, where no causal model sees it from the tokens that count.
            inputs[row, : end - begin] = torch.tensor(sequences[number][begin:end])
            labels[row, : end - begin] = torch.tensor(sequences[number][begin + 1 : end + 1])
        with torch.inference_mode():
            logits = model(input_ids=inputs.to(model.device), use_cache=False).logits.flatten(0, 1).float()
            if never:
                logits = logits.index_fill(1, torch.tensor(never, device=logits.device), -torch.inf)
            flat = functional.cross_entropy(logits, labels.flatten().to(model.device), reduction="none")
        losses = flat.view(len(batch), longest).cpu().double().numpy()
        for row, (number, begin, end, first) in enumerate(batch):
            nlls[number][first - 1 : end] = losses[row, first - 1 - begin : end - begin]
    return nlls


def in_query(ids: Sequence[int], tokenizer: LookupTokenizer) -> npt.NDArray[np.bool_]:
    """Which tokens of an encoded document are queries: from each entity token to the return token, both included.

    Those ids never come from a text, where their look-alikes are encoded as ordinary characters.
    """
    tokens = np.array(ids)
    opened = (tokens == tokenizer.entity_id).cumsum()
    closed = (tokens == tokenizer.return_id).cumsum()
    result: npt.NDArray[np.bool_] = (opened > closed) | (tokens == tokenizer.return_id)
    return result


def _cut(number: int, length: int, windows: Windowing) -> Iterator[_Window]:
    begin, first = 0, 1
    while first < length:
        end = min(begin + windows.context, length - 1)
        yield _Window(number, begin, end, first)
        begin, first = begin + windows.stride, end + 1


def _batches(windows: Sequence[_Window], batch_tokens: int) -> Iterator[list[_Window]]:
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: window.begin - window.end):  # the longest first
        longest = batch[0].end - batch[0].begin if batch else 0
        if batch and (len(batch) + 1) * longest > batch_tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
