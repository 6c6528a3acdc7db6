"""The corrector's other half: a language model's loss on every call, and the worst share of the calls dropped.

As in the paper (section 3.1): a call whose query and value a model that was trained on such documents finds unlikely
is more often a wrong one. The loss is the mean negative log-likelihood (nats) of the call's tokens, value included,
given the text and the calls before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from lamlam.annotate.call_tokens import encode_with_calls
from lamlam.annotate.correct import Corrected, Corrections, Dropped
from lamlam.model import LookupTokenizer
from lamlam.text import Document

UNLIKELY = "the model finds the call unlikely"
MOST_TOKENS = 1024
"""Tokens in view of a call at most, itself included."""


class CallLoss:
    """Scores calls by a causal language model with the lookup tokens."""

    def __init__(self, model: Any, tokenizer: LookupTokenizer) -> None:
        self._model, self._tokenizer = model, tokenizer
        room = getattr(model.config, "max_position_embeddings", None) or MOST_TOKENS
        self._most = min(MOST_TOKENS, room)

    @torch.inference_mode()
    def losses(self, document: Document) -> list[float]:
        """The loss of every call of the document, in their order."""
        ids, spans = encode_with_calls(document, self._tokenizer)
        found: list[float] = [float("nan")] * len(spans)
        start = 0
        while any(np.isnan(found)):
            view = torch.tensor([ids[start : start + self._most]], device=self._model.device)
            logits = self._model(view).logits[0, :-1].float()
            nlls = torch.nn.functional.cross_entropy(logits, view[0, 1:], reduction="none").cpu().numpy()
            end = start + view.shape[1]
            for number, (first, last) in enumerate(spans):
                # A call longer than the window is scored by what of it fits.
                if np.isnan(found[number]) and start < first and (last <= end or last - first >= self._most - 1):
                    found[number] = float(nlls[first - start - 1 : last - start - 1].mean())
            left = [first for number, (first, _) in enumerate(spans) if np.isnan(found[number])]
            if left:  # half a window of context before the first call that did not fit
                start = max(start + 1, min(left[0] - 1, max(0, left[0] - self._most // 2)))
        return found


def threshold(losses: Sequence[float], share: float) -> float:
    """The loss above which the worst `share` of all calls lies; infinity where there are none."""
    return float(np.quantile(np.asarray(losses), 1 - share)) if losses else float("inf")


def drop_unlikely(
    documents: Iterable[Document], losses: Iterable[float], limit: float, corrections: Corrections
) -> Iterator[Document]:
    """The documents without the calls whose loss is above `limit`; `losses` are those of all calls in their order."""
    scores = iter(losses)
    for document in documents:
        kept, dropped = [], []
        for call in document.calls:
            if next(scores) > limit:
                dropped.append(Dropped(call, UNLIKELY))
            else:
                kept.append(call)
        without = Document(document.id, document.text, tuple(kept), document.meta)
        corrections.add(Corrected(without, dropped))
        yield without
