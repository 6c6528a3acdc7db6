"""Perplexity on held-out documents (paper, "Three perplexities"): Standard, and LmLm static, dynamic, normalized.

All are exp(NLL / N) with the same N, the number of tokens of the original text tokenised without calls, one end token
a document included. What differs is whose NLL is summed:

- *standard*: the tokens of the plain text.
- *static*: the tokens of the text, the documents' own (gold) calls standing in the context, themselves unscored.
- *dynamic*: the tokens of the text, the model's own queries standing where the gold calls stood, with what a base
  answered; a call that found nothing is not there.
- *normalized*: of the documents with their gold calls, the tokens of the text and the queries: all that the model has
  to produce. The returned values and the tokens that close a call are what the base writes, and are left out.

The end token is scored, and counted, in each. A call cuts the text's tokens where it stands, and a space follows it:
the text takes some more tokens beside calls than alone (`text_tokens` against `tokens`). They are paid for in the
sum, but do not thin it out in N, so that all can be compared with one another and between mark-ups.

A denser mark-up lowers static and normalized by itself, since the values flow in from the documents' own calls; and
dynamic with an oracle base (made of the same documents) as well. These say what such calls are worth, not what a base
does. Dynamic with a base made without the documents, with its share of hits, and completion do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from lamlam.corpus import encode_document
from lamlam.errors import LamlamError
from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.evaluate.own_calls import with_own_calls
from lamlam.evaluate.scoring import in_query, token_nlls, windowing
from lamlam.evaluate.task import Chart, Definition, Metric, Result
from lamlam.generate import Base, LookupModel
from lamlam.text import Document

VERSION = 2

_DOCUMENTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Perplexity:
    """A perplexity and its 95 % bootstrap interval over documents."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Dynamic:
    """Dynamic perplexity with one base: `queries` the model asked, one a gold call; the share that `hit`."""

    perplexity: Perplexity
    queries: int
    hit: float


@dataclass(frozen=True, slots=True)
class PerplexityResult:
    """The perplexities of one model on one set of documents, with what they were measured on.

    `seed` draws the bootstrap. `context` and `stride`: see `lamlam.evaluate.scoring`. `tokens` is the N of all;
    `text_tokens`, `query_tokens` and `given_tokens` (values and closing tokens) are those of the documents with their
    calls. Tokens count end tokens, not start tokens. `dynamic`: by the kind of base, "oracle" or "full".
    """

    model: str
    split: str
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
    dynamic: Mapping[str, Dynamic]

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


class _Scores:
    """One number a document: its tokens, and the NLLs in nats by perplexity; and what is counted."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.nlls: dict[str, list[float]] = {}
        self.counts = dict.fromkeys(("calls", "text_tokens", "query_tokens", "given_tokens"), 0)
        self.asked: dict[str, list[int]] = {}

    def add(self, name: str, nats: float) -> None:
        self.nlls.setdefault(name, []).append(nats)

    def perplexity(self, name: str, seed: int) -> Perplexity:
        nlls = self.nlls[name]
        low, high = ratio_interval(nlls, self.tokens, seed)
        return Perplexity(math.exp(sum(nlls) / sum(self.tokens)), Interval(math.exp(low), math.exp(high)))


def perplexities(
    lm: LookupModel,
    documents: Iterable[Document],
    *,
    split: str,
    bases: Mapping[str, Base] | None = None,
    model: str = "",
    context: int | None = None,
    seed: int = 0,
    batch_tokens: int = 4096,
) -> PerplexityResult:
    """Standard, static and normalized perplexity of `lm` on `documents`, which pass through a few at a time.

    `bases`: dynamic perplexity as well, against each of them, by the kind of base. `split` and `model` are names for
    the result. `context`: how many tokens the model has in view at most; None means all that it has positions for,
    which can be more than it was trained with. LamlamError where there is no document, the context is too long, or the
    model's output is not a number.
    """
    windows = windowing(lm.model, context)
    bases = bases or {}
    scores = _Scores()
    remaining = iter(documents)

    def nlls_of(sequences: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float64]]:
        return token_nlls(lm.model, [[lm.tokenizer.start_id, *ids] for ids in sequences], windows, batch_tokens)

    while some := list(islice(remaining, _DOCUMENTS_AT_ONCE)):
        plain = [encode_document(document, lm.tokenizer, "standard").ids for document in some]
        # A document without calls is the same both ways: run once.
        alone = nlls_of(plain)
        _score(lm, some, alone, nlls_of, scores, gold=True)
        for ids, nll in zip(plain, alone, strict=True):
            scores.tokens.append(len(ids))
            scores.add("standard", float(nll.sum()))
        for name, base in bases.items():
            rewritten = with_own_calls(LookupModel(lm.model, lm.tokenizer, base), some)
            asked = scores.asked.setdefault(name, [0, 0])
            asked[0] += sum(one.queries for one in rewritten)
            asked[1] += sum(one.hits for one in rewritten)
            _score(lm, [one.document for one in rewritten], alone, nlls_of, scores, name)
    if not scores.tokens:
        raise LamlamError(f"{split}: no documents to measure on; give at least one")
    if not all(map(math.isfinite, chain(*scores.nlls.values()))):
        raise LamlamError(f"{model or 'the model'} gives no finite probabilities on {split}: its weights are broken")
    standard, static, normalized = (scores.perplexity(name, seed) for name in ("standard", "static", "normalized"))
    dynamic = {
        name: Dynamic(scores.perplexity(f"dynamic {name}", seed), queries, hits / max(1, queries))
        for name, (queries, hits) in scores.asked.items()
    }
    return PerplexityResult(
        model, split, seed, windows.context, windows.stride, len(scores.tokens),
        tokens=sum(scores.tokens), standard=standard, static=static, normalized=normalized, dynamic=dynamic,
        **scores.counts,
    )  # fmt: skip


def measure_perplexity(
    lm: LookupModel,
    documents: Iterable[Document],
    *,
    data: str,
    bases: Mapping[str, Base] | None = None,
    model: str = "",
    context: int | None = None,
    seed: int = 0,
    limit: int | None = None,
) -> Result:
    """`perplexities` as a result."""
    began = time.monotonic()
    found = perplexities(lm, documents, split=data, bases=bases, model=model, context=context, seed=seed)

    def figure(one: Perplexity) -> Metric:
        return Metric(one.value, *one.interval, found.documents, "number")

    metrics = {name: figure(getattr(found, name)) for name in ("standard", "static", "normalized")}
    for name, one in found.dynamic.items():
        metrics[f"dynamic, {name}"] = figure(one.perplexity)
        metrics[f"queries that hit, {name}"] = Metric(one.hit, n=one.queries)
    shown = {name: metric.value for name, metric in metrics.items() if metric.unit == "number"}
    return Result(
        Definition(
            "perplexity", VERSION, data, "held-out documents with their calls", "the text itself",
            "exp(NLL / tokens of the plain text): standard, the plain text; static, with gold calls in context; "
            "dynamic, with the model's own queries at their places; normalized, text and gold queries",
            "gold calls; dynamic: oracle, made of these documents; full, made without them", seed, limit,
        ),
        model, "gold calls", "abstain", metrics, time.monotonic() - began,
        charts=[Chart("perplexity", "bars", "", "perplexity", {"perplexity": list(shown.items())})],
        notes=[
            f"{found.documents:,} documents, {found.calls:,} calls, {found.tokens:,} tokens of plain text; context "
            f"{found.context}, stride {found.stride}. With gold calls or an oracle base, perplexity falls with any "
            "dense mark-up: read it beside completion, and dynamic with a full base.",
        ],
        details=found.to_json(),
    )  # fmt: skip


def _score(
    lm: LookupModel,
    documents: Sequence[Document],
    alone: Sequence[npt.NDArray[np.float64]],
    nlls_of: Any,
    scores: _Scores,
    base: str = "",
    gold: bool = False,
) -> None:
    """Score documents with calls in them; `alone`: the NLLs of their plain texts."""
    marked = [encode_document(document, lm.tokenizer, "lmlm") for document in documents]
    called = [number for number, document in enumerate(documents) if document.calls]
    with_calls = dict(zip(called, nlls_of([marked[number].ids for number in called]), strict=True))
    for number, document in enumerate(documents):
        nll = with_calls.get(number, alone[number])
        trained = np.array(marked[number].trained)
        query = in_query(marked[number].ids, lm.tokenizer)
        scores.add("static" if gold else f"dynamic {base}", float(nll[trained & ~query].sum()))
        if gold:
            scores.add("normalized", float(nll[trained].sum()))
            scores.counts["calls"] += len(document.calls)
            scores.counts["text_tokens"] += int((trained & ~query).sum())
            scores.counts["query_tokens"] += int(query.sum())
            scores.counts["given_tokens"] += int((~trained).sum())
