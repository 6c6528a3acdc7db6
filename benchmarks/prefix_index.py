"""How long the prefix index takes to build and to answer, and how large it is, over generated names.

    python benchmarks/prefix_index.py [--names 9500000] [--folder /tmp/prefix] [--seed 0]

Encoding the names is the tokenizer's own time and told apart. A step is what a constrained decoder asks of a batch:
which tokens may come next in each row, and where the row stands after one of them. The rows walk through queries for
random names and their relations, each from a place of its own. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import gettempdir

import numpy as np

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


def microseconds(index: PrefixIndex, queries: list[list[int]], rows: int, masks: bool, vocabulary: int) -> list[float]:
    """p50 and p99 of a step of `rows` rows, in µs. A query is the entity's ids, -1, the relation's ids."""
    rng = Random(1)
    at = [[rng.choice(queries), 0] for _ in range(rows)]
    nodes = np.zeros(rows, np.int64)
    out = np.zeros((rows, vocabulary), bool)
    taken = []
    for step in range(STEPS + 20):
        for row, place in enumerate(at):
            if place[1] == len(place[0]):
                at[row], nodes[row] = [rng.choice(queries), 0], index.entity_root
            elif place[0][place[1]] < 0:
                nodes[row] = index.relation_roots(nodes[row : row + 1])[0]
                place[1] += 1
        tokens = np.array([query[place] for query, place in at])
        start = time.perf_counter()
        if masks:
            index.mask(nodes, out)
        else:
            index.next(nodes)
        nodes = index.advance(nodes, tokens)
        if step >= 20:  # by then the rows are no longer in step
            taken.append(time.perf_counter() - start)
        for place in at:
            place[1] += 1
        assert (nodes >= 0).all()
    return [round(float(np.percentile(taken, q)) * 1e6) for q in (50, 99)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(gettempdir()) / "prefix-index-benchmark")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tokenizer = train_tokenizer(f" {name}" for name, _ in entries(50_000, options.seed))
    encoding = 0.0

    def encode(names: list[str]) -> list[list[int]]:
        nonlocal encoding
        start = time.perf_counter()
        batch = tokenizer.hf.backend_tokenizer.encode_batch_fast([f" {name}" for name in names])
        ids = [one.ids for one in batch]
        encoding += time.perf_counter() - start
        return ids

    generating = timed(lambda: sum(1 for _ in entries(options.names, options.seed)))
    building = timed(
        lambda: PrefixIndex.build(entries(options.names, options.seed), encode, tokenizer.fingerprint(), options.folder)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told: dict[str, object] = {"names": options.names, "seed": options.seed, "vocabulary": len(tokenizer)}
    told |= {
        "seconds_encoding": round(encoding, 1),
        "seconds_building_beside": round(building - encoding - generating, 1),
        "peak_mb": peak // 1024,
    }
    opened = timed(lambda: PrefixIndex.open(options.folder, encode, tokenizer.fingerprint()))
    index = PrefixIndex.open(options.folder, encode, tokenizer.fingerprint())
    told |= index.stats() | {"ms_to_open": round(opened * 1e3, 1)}
    told["files"] = {file.name: file.stat().st_size for file in sorted(options.folder.glob("*.npy"))}
    rng = Random(2)
    chosen = [entry for entry in entries(min(options.names, 500_000), options.seed) if rng.random() < 0.01]
    queries = [[*encode([name])[0], -1, *encode([rng.choice(own)])[0]] for name, own in chosen]
    for rows in (1, 64, 256):
        told[f"us_next_and_advance_{rows}_rows_p50_p99"] = microseconds(index, queries, rows, False, len(tokenizer))
        told[f"us_mask_and_advance_{rows}_rows_p50_p99"] = microseconds(index, queries, rows, True, len(tokenizer))
    edits = [(name, own[1:]) for name, own in chosen[:1000]]
    told["us_an_update_alone"] = round(timed(lambda: [index.update([edit], 1) for edit in edits]) * 1e3, 1)
    told["us_next_and_advance_64_rows_after_edits_p50_p99"] = microseconds(
        index, queries[1000:], 64, False, len(tokenizer)
    )
    told["seconds_compacting"] = round(timed(index.compact), 1)
    print(json.dumps(told))
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
