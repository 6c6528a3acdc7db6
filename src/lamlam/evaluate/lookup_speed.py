"""How fast a base answers, warm: exact lookups one at a time and 256 at once, and misspelt names.

What is asked for is drawn from the base itself, `MOST_READ` facts of it in the order of their names, so that a base of
any size can be measured where it lies. `benchmarks/kb.py` measures building, editing and memory on made-up bases.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from random import Random
from typing import Any

import numpy as np

from lamlam.errors import LamlamError
from lamlam.evaluate.topologies import misspelt
from lamlam.kb import KnowledgeBase

MOST_READ = 200_000
AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class LookupSpeeds:
    """Percentiles over single lookups, the median over batches. `misspelt_found`: share of misspelt names that were
    taken for the entity they were made of; some are nobody's any more, and abstaining is right."""

    base: str
    facts: int
    device: str
    seed: int
    queries: int
    exact_p50_us: float
    exact_p99_us: float
    at_once_256_ms: float
    misspelt_p50_ms: float
    misspelt_p99_ms: float
    misspelt_found: float

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {"task": "speed lookup", **asdict(self)}


def measure_lookups(kb: KnowledgeBase, base: str, queries: int = 10_000, seed: int = 0) -> LookupSpeeds:
    """Measure a base that is open; LamlamError where it holds nothing. A tenth as many misspelt names are asked."""
    facts = list(islice(kb, MOST_READ))
    if not facts:
        raise LamlamError(f"{base}: there are no facts in it to look up")
    rng = Random(seed)
    asked = [(fact.entity, fact.relation) for fact in rng.choices(facts, k=queries)]
    wrong = [(misspelt(entity, rng), relation) for entity, relation in asked[: max(1, queries // 10)]]
    kb.index_names()
    for warming in (asked, wrong):
        for query in warming:
            kb.lookup(*query)
    exact = _times(lambda query: kb.lookup(*query), asked)
    batches = [asked[first : first + AT_ONCE] for first in range(0, max(1, len(asked) - AT_ONCE + 1), AT_ONCE)]
    many = _times(kb.lookup_many, batches)
    fuzzy = _times(lambda query: kb.lookup(*query), wrong)
    found = [kb.lookup(*query) for query in wrong]
    right = sum(
        match is not None and match.fact.entity == meant for match, (meant, _) in zip(found, asked, strict=False)
    )
    p50, p99 = np.percentile(exact, [50, 99]) * 1e6
    fuzzy_p50, fuzzy_p99 = np.percentile(fuzzy, [50, 99]) * 1e3
    return LookupSpeeds(
        base, len(kb), platform.processor() or platform.machine(), seed, queries, float(p50), float(p99),
        float(np.median(many)) * 1e3, float(fuzzy_p50), float(fuzzy_p99), right / len(wrong),
    )  # fmt: skip


def _times(do: Callable[[Any], object], asked: Sequence[Any]) -> list[float]:
    took = []
    for query in asked:
        began = time.perf_counter()
        do(query)
        took.append(time.perf_counter() - began)
    return took
