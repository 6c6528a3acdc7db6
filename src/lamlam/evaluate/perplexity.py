"""Perplexity on held-out documents (paper, "Three perplexities"): Standard, LmLm static, LmLm normalized.

All three are exp(NLL / N) with the same N, the number of tokens of the original text tokenised without calls, one end
token a document included. What differs is whose NLL is summed:

- *standard*: the tokens of the plain text.
- *static*: the tokens of the text, the documents' own (gold) calls standing in the context, themselves unscored.
- *normalized*: those and the queries: all that the model has to produce. The returned values and the tokens that
  close a call are what the base writes, and are left out.

The end token is scored, and counted, in each. A call cuts the text's tokens where it stands, and a space follows it:
the text takes some more tokens beside calls than alone (`text_tokens` against `tokens`). They are paid for in the
sum, but do not thin it out in N, so that the three can be compared with one another and between mark-ups.

A denser mark-up lowers static and normalized by itself, since the values flow in from the documents' own calls. These
figures say what gold calls are worth, not what a base does; completion does. (Dynamic, with the model's own queries,
is not measured yet.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from lamlam.corpus import encode_document
from lamlam.errors import LamlamError
from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.evaluate.scoring import token_nlls, windowing
from lamlam.generate import LookupModel
from lamlam.model import LookupTokenizer
from lamlam.text import Document

_DOCUMENTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Perplexity:
    """A perplexity and its 95 % bootstrap interval over documents."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class PerplexityResult:
    """The perplexities of one model on one set of documents, with what they were measured on.

    `base` is "gold calls": values come from the documents' own calls, nothing is looked up, so `policy` is "none".
    `seed` draws the bootstrap. `context` and `stride`: see `lamlam.evaluate.scoring`. `tokens` is the N of all three;
    `text_tokens`, `query_tokens` and `given_tokens` (values and closing tokens) are those of the documents with their
    calls. Tokens count end tokens, not start tokens.
    """

    model: str
    base: str
    split: str
    policy: str
    seed: int
    context: int
    stride: int
    documents: int
    calls: int
    tokens: int
    text_tokens: int
    query_tokens: int
    given_tokens: int
    standard: Perplexity
    static: Perplexity
    normalized: Perplexity

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values, with `task` and its `version` before its fields."""
        return {"task": "perplexity", "version": 1, **asdict(self)}


@dataclass(slots=True)
class _Scores:
    """One number a document: its tokens, and the NLLs in nats."""

    tokens: list[int]
    standard: list[float]
    static: list[float]
    normalized: list[float]


def perplexities(
    lm: LookupModel,
    documents: Iterable[Document],
    *,
    split: str,
    model: str = "",
    context: int | None = None,
    seed: int = 0,
    batch_tokens: int = 4096,
) -> PerplexityResult:
    """Standard, static and normalized perplexity of `lm` on `documents`, which pass through a few at a time.

    `split` and `model` are names for the result. `context`: how many tokens the model has in view at most; None means
    all that it has positions for, which can be more than it was trained with. LamlamError where there is no document,
    the context is too long, or the model's output is not a number.
    """
    windows = windowing(lm.model, context)
    scores = _Scores([], [], [], [])
    counts = {"calls": 0, "text_tokens": 0, "query_tokens": 0, "given_tokens": 0}
    remaining = iter(documents)
    while some := list(islice(remaining, _DOCUMENTS_AT_ONCE)):
        plain = [encode_document(document, lm.tokenizer, "standard").ids for document in some]
        marked = [encode_document(document, lm.tokenizer, "lmlm") for document in some]
        # A document without calls is the same both ways: run once.
        called = [number for number, document in enumerate(some) if document.calls]
        sequences = [*plain, *(marked[number].ids for number in called)]
        nlls = token_nlls(lm.model, [[lm.tokenizer.start_id, *ids] for ids in sequences], windows, batch_tokens)
        with_calls = dict(zip(called, nlls[len(some) :], strict=True))
        for number, document in enumerate(some):
            nll = with_calls.get(number, nlls[number])
            trained = np.array(marked[number].trained)
            query = _in_query(marked[number].ids, lm.tokenizer)
            scores.tokens.append(len(plain[number]))
            scores.standard.append(float(nlls[number].sum()))
            scores.static.append(float(nll[trained & ~query].sum()))
            scores.normalized.append(float(nll[trained].sum()))
            counts["calls"] += len(document.calls)
            counts["text_tokens"] += int((trained & ~query).sum())
            counts["query_tokens"] += int(query.sum())
            counts["given_tokens"] += int((~trained).sum())
    if not scores.tokens:
        raise LamlamError(f"{split}: no documents to measure on; give at least one")
    if not all(map(math.isfinite, chain(scores.standard, scores.normalized))):
        raise LamlamError(f"{model or 'the model'} gives no finite probabilities on {split}: its weights are broken")
    return PerplexityResult(
        model=model,
        base="gold calls",
        split=split,
        policy="none",
        seed=seed,
        context=windows.context,
        stride=windows.stride,
        documents=len(scores.tokens),
        tokens=sum(scores.tokens),
        **counts,
        standard=_perplexity(scores.standard, scores.tokens, seed),
        static=_perplexity(scores.static, scores.tokens, seed),
        normalized=_perplexity(scores.normalized, scores.tokens, seed),
    )


def _in_query(ids: Sequence[int], tokenizer: LookupTokenizer) -> npt.NDArray[np.bool_]:
    """Which tokens of an encoded document are queries: from each entity token to the return token, both included.

    Those ids never come from a text, where their look-alikes are encoded as ordinary characters.
    """
    tokens = np.array(ids)
    opened = (tokens == tokenizer.entity_id).cumsum()
    closed = (tokens == tokenizer.return_id).cumsum()
    result: npt.NDArray[np.bool_] = (opened > closed) | (tokens == tokenizer.return_id)
    return result


def _perplexity(nlls: Sequence[float], tokens: Sequence[int], seed: int) -> Perplexity:
    low, high = ratio_interval(nlls, tokens, seed)
    return Perplexity(math.exp(sum(nlls) / sum(tokens)), Interval(math.exp(low), math.exp(high)))
