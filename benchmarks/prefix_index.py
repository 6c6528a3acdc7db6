"""What the prefix index of a base costs: to build, to keep at what the base says, and to ask at every step.

    python benchmarks/prefix_index.py [--facts 1000000] [--seed 0]

A step is what a constrained decoder asks of a batch: which tokens may come next in each row, and where each row stands
after one of them. The rows walk through queries for random names and their relations, each from a place of its own, so
that each step has rows in names, in relations and between. Prints a figure a line.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow

from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.prefix_base import encoder, wiping
from lamlam.kb.prefix_index import PrefixIndex
from lamlam.model import train_tokenizer

SYLLABLES = [c + v + e for c in "bcdfghjklmnprstvwz" for v in "aeiou" for e in ("", "n", "r", "s", "l")]
STEPS = 2000


def words(rng: Random, count: int) -> list[str]:
    return ["".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3)))).capitalize() for _ in range(count)]


def entries(count: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Names of two or three words, common words first, some with a year; each with three to nine relations."""
    rng = Random(seed)
    vocabulary, relations = words(rng, 300_000), [" ".join(words(rng, rng.choice((1, 2, 2)))) for _ in range(800)]
    for number in range(count):
        parts = [vocabulary[int(len(vocabulary) * rng.random() ** 2)] for _ in range(rng.choice((2, 2, 3)))]
        if number % 5 == 0:
            parts.append(f"({rng.randrange(1800, 2030)})")
        own = {relations[int(len(relations) * rng.random() ** 3)] for _ in range(rng.randrange(3, 10))}
        yield " ".join(parts), sorted(own)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def microseconds(
    index: PrefixIndex, queries: list[list[int]], rows: int, vocabulary: int, mask: bool = False
) -> list[int]:
    """p50 and p99 of a step of `rows` rows, in µs: what may come next, as pairs or as a mask, and one token taken."""
    rng = Random(1)
    at = [[rng.choice(queries), 0] for _ in range(rows)]
    nodes = np.zeros(rows, np.int64)
    out = np.zeros((rows, vocabulary), bool)
    taken = []
    for step in range(STEPS + 20):
        tokens = np.array([query[place] for query, place in at])
        start = time.perf_counter()
        if mask:
            index.mask(nodes, out)
        else:
            index.allowed(nodes)
        nodes = index.advance(nodes, tokens)
        if step >= 20:  # by then the rows are no longer in step
            taken.append(time.perf_counter() - start)
        assert (nodes >= 0).all()
        for place in at:
            place[1] += 1
            if place[1] == len(place[0]):
                place[:] = [rng.choice(queries), 0]
    return [round(float(np.percentile(taken, q)) * 1e6) for q in (50, 99)]


def measured(folder: Path, facts: int, seed: int) -> dict[str, object]:
    """One base, its index, and what it costs."""
    path = folder / "facts.db"
    names = list(entries(facts // 5, seed))
    rows = [(name, relation, "v") for name, own in names for relation in own]
    tokenizer = train_tokenizer((f" {name}" for name, _ in names[:50_000]), 32_004)
    kb = KnowledgeBase.open(path, create=True)
    columns = list(zip(*rows, strict=True))
    table = pyarrow.table(dict(zip(("entity", "relation", "value"), columns, strict=True)))
    kb.load(table.to_batches(100_000))
    told: dict[str, object] = {"facts": len(kb), "entities": len(names), "seed": seed, "vocabulary": len(tokenizer)}
    told["seconds_encoding_the_names_alone"] = timed(lambda: encoder(tokenizer.pieces)([name for name, _ in names]))
    indexes: list[PrefixIndex] = []
    told["seconds_building"] = timed(lambda: indexes.append(kb.prefix_index(tokenizer)))
    (index,) = indexes
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told["ms_to_open"] = 1e3 * timed(lambda: kb.prefix_index(tokenizer))
    told |= index.stats()
    told["bytes_a_fact"] = index.stats()["bytes"] / len(kb)
    told["bytes_of_hot_rows"] = index.hot(len(tokenizer)).nbytes
    rng = Random(2)
    chosen = rng.sample(names, min(20_000, len(names)))
    queries = [tokenizer.encode_query(name, rng.choice(own))[1:] for name, own in chosen]
    for count in (1, 64, 256):
        told[f"us_allowed_and_advance_{count}_rows_p50_p99"] = microseconds(
            index, queries, count, len(tokenizer), False
        )
    told["us_mask_and_advance_256_rows_p50_p99"] = microseconds(index, queries, 256, len(tokenizer), mask=True)
    told["us_to_see_that_nothing_changed"] = 1e6 * timed(lambda: [index.refresh() for _ in range(1000)]) / 1000

    def edit(name: str) -> None:
        kb.add([Fact(name, "Never Seen Before", "v")])

    edited = [name for name, _ in chosen[:1000]]
    told["us_an_edit_in_the_base"] = 1e6 * timed(lambda: [edit(name) for name in edited[:500]]) / 500
    told["us_to_take_over_500_edits_together_each"] = 1e6 * timed(index.refresh) / 500
    taken = []
    for name in edited[500:]:
        edit(name)
        taken.append(timed(index.refresh))
    told["us_to_take_over_one_edit_p50_p99"] = [round(float(np.percentile(taken, q)) * 1e6) for q in (50, 99)]
    told["us_allowed_and_advance_256_rows_after_edits_p50_p99"] = microseconds(
        index, queries, 256, len(tokenizer), False
    )
    wiped = [timed(wiping_one(kb, name)) for name, _ in chosen[1000:1020]]
    told["ms_to_wipe_an_entity_p50"] = 1e3 * float(np.median(wiped))
    told["ms_to_see_that_it_was_wiped"] = 1e3 * timed(index.refresh)
    told["seconds_compacting"] = timed(index.compact)
    kb.close()
    return {name: round(what, 2) if isinstance(what, float) else what for name, what in told.items()}


def wiping_one(kb: KnowledgeBase, name: str) -> Callable[[], None]:
    """What forgetting an entity costs in the index alone, the base's own part being done."""
    what = kb._selection(name, None, None)
    wipe = wiping(kb._store, what)
    kb._store.forget(what, None, None, dry_run=False)
    return wipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name, what in measured(Path(folder), options.facts, options.seed).items():
            print(f"{name:55} {what}")


if __name__ == "__main__":
    main()
