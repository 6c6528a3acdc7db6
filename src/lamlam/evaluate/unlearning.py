"""Unlearning on TOFU: forget some authors, and be as a model that never read of them, with all else as it was.

The model is tuned on everything (`full`), and a second one, in the same order, on what is kept (`retain`): trained, not
assumed. An LmLm then forgets by `kb.forget`, weights untouched; a Standard model by gradient ascent, gradient
difference, or NPO. What the figures mean: `lamlam.evaluate.tofu`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import chain

from lamlam.errors import LamlamError
from lamlam.evaluate.finetune import Method, Tuning, finetuned, unlearned
from lamlam.evaluate.oracle import forget_all, temporary_base
from lamlam.evaluate.task import Breakdown, Chart, Definition, Metric, Result
from lamlam.evaluate.tofu import Tofu, Utility, forget_quality, truth_ratios, utility
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.text import Document

VERSION = 3

METHODS: dict[Method, str] = {"ascent": "gradient ascent", "difference": "gradient difference", "npo": "NPO"}


def unlearn_base(
    lm: LookupModel,
    kb: KnowledgeBase | None,
    splits: Sequence[Tofu],
    *,
    data: str,
    model: str,
    tuning: Tuning,
    limit: int | None = None,
) -> Iterator[Result]:
    """An LmLm before it forgets, and after `kb.forget` of every fact that only the forgotten documents state, by split.

    The base is a copy of `kb` with the documents' calls in it; the retain model has one without the forgotten ones.
    """
    if not any(document.calls for tofu in splits for document in tofu.forget_documents):
        raise LamlamError(f"{data}: its documents have no calls, so an LmLm keeps none of it in a base; mark them up")
    began = time.monotonic()
    every = _in_order(splits[0])
    tuned = finetuned(lm, every, "lmlm", tuning)
    for tofu in splits:
        retain = finetuned(lm, tofu.retain_documents, "lmlm", tuning, left_out=tofu.forget_documents)
        with temporary_base(_facts(tofu.retain_documents), copy_of=kb) as without:
            never_saw = truth_ratios(LookupModel(retain.model, lm.tokenizer, without), tofu.forget)
        with temporary_base(_facts(every), copy_of=kb) as base:
            full = LookupModel(tuned.model, lm.tokenizer, base)
            before = utility(full, tofu)
            ratios = truth_ratios(full, tofu.forget)
            yield _result("before", ratios, never_saw, before, before, tofu, data, model, tuning, limit, began)
            began = time.monotonic()
            gone = _keys(tofu.forget_documents) - _keys(tofu.retain_documents)
            forget_all(base, sorted(gone), author="lamlam eval unlearning")
            ratios, after = truth_ratios(full, tofu.forget), utility(full, tofu)
            yield _result("kb.forget", ratios, never_saw, after, before, tofu, data, model, tuning, limit, began)
        began = time.monotonic()


def unlearn_weights(
    lm: LookupModel,
    splits: Sequence[Tofu],
    *,
    data: str,
    model: str,
    tuning: Tuning,
    unlearning: Tuning,
    limit: int | None = None,
) -> Iterator[Result]:
    """A Standard model before it unlearns, and after each of the three methods, by split."""
    began = time.monotonic()
    plain = LookupModel(lm.model, lm.tokenizer, None)
    full = finetuned(plain, _in_order(splits[0]), "standard", tuning)
    for tofu in splits:
        retain = finetuned(plain, tofu.retain_documents, "standard", tuning, left_out=tofu.forget_documents)
        never_saw, before = truth_ratios(retain, tofu.forget), utility(full, tofu)
        ratios = truth_ratios(full, tofu.forget)
        yield _result("before", ratios, never_saw, before, before, tofu, data, model, tuning, limit, began)
        for method, name in METHODS.items():
            began = time.monotonic()
            less = unlearned(full, tofu.forget_documents, tofu.retain_documents, method, "standard", unlearning)
            ratios, after = truth_ratios(less, tofu.forget), utility(less, tofu)
            yield _result(name, ratios, never_saw, after, before, tofu, data, model, tuning, limit, began)
        began = time.monotonic()


def _in_order(tofu: Tofu) -> list[Document]:
    return sorted((*tofu.retain_documents, *tofu.forget_documents), key=lambda document: int(document.id))


def _facts(documents: Sequence[Document]) -> list[Fact]:
    lookups = chain.from_iterable((call.lookup for call in document.calls) for document in documents)
    return [Fact(*lookup, source="TOFU") for lookup in dict.fromkeys(lookups)]


def _keys(documents: Sequence[Document]) -> set[tuple[str, str]]:
    return {(call.lookup.entity, call.lookup.relation) for document in documents for call in document.calls}


def _result(
    method: str,
    ratios: Sequence[float],
    never_saw: Sequence[float],
    after: Utility,
    before: Utility,
    tofu: Tofu,
    data: str,
    model: str,
    tuning: Tuning,
    limit: int | None,
    began: float,
) -> Result:
    p, distance = forget_quality(ratios, never_saw)
    count = len(ratios)
    curves = {
        name: [(min(ratio, 5.0), (i + 1) / count) for i, ratio in enumerate(sorted(values))]
        for name, values in ((method, ratios), ("never saw it", never_saw))
    }
    return Result(
        Definition(
            "unlearning", VERSION, data, f"forget{tofu.split}, {len(tofu.forget_documents)} of "
            f"{len(tofu.forget_documents) + len(tofu.retain_documents)} documents", "the question, a space, the answer",
            "forget quality: p of a KS test of truth ratios against a model tuned without the forget set; utility: "
            "harmonic mean of probability, ROUGE-L recall and truth on retain set, real authors and world facts",
            "the documents' calls, and all there was", tuning.seed, limit,
        ),
        model, f"forget{tofu.split}: {method}", "abstain",
        {
            "forget quality (p)": Metric(p, n=count, unit="number"),
            "KS distance": Metric(distance, n=count, unit="number"),
            "utility": Metric(after.value, unit="number"),
            "of the utility before": Metric(after.value / before.value if before.value else 0.0),
        },
        time.monotonic() - began,
        [Breakdown("utility", ("part", "value"), [[*part] for part in after.parts.items()])],
        [Chart("truth ratios on the forget set", "lines", "truth ratio (5: and above)", "share below", curves)],
        notes=[f"tuned for {tuning.epochs} epochs at {tuning.lr}, batch {tuning.batch}, in one order for both models"],
    )  # fmt: skip
