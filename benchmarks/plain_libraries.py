"""What is written by hand here beside what a plain library gives, on the same real names, in one run.

    python benchmarks/plain_libraries.py [--data ../shared/data] [--queries 300]

Misspelt names: our index, rapidfuzz over all names, and SQLite's own trigrams (FTS5) with rapidfuzz to rank what they
give. Each answers from the score on which at most 3 % of strangers pass on the tuning half; figures are of the test
half. What may come next of a query: our prefix index, and a tree of dictionaries.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from name_variants import held_out, undecidable, variant
from names_data import Subjects, stranger, subjects
from prefix_index import microseconds, timed
from rapidfuzz import fuzz, process
from real_base import real_base
from resolution import DATA, Names, resident
from rich.console import Console
from rich.table import Table

from lamlam.kb.name_score import fitted
from lamlam.kb.names import normalise
from lamlam.kb.resolve import resolve_entity
from lamlam.model import train_tokenizer

MOST_STRANGERS = 0.03
RANKED = 50
"""Names that the trigrams give for rapidfuzz to rank."""
ROWS, STEPS = 256, 300

Search = Callable[[str], tuple[str | None, float]]
"""From a query to the best name and its score."""


class Trigrams:
    """All names in a table of SQLite's FTS5."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute("CREATE VIRTUAL TABLE names USING fts5(name, tokenize = 'trigram', detail = 'none')")
        self._connection.executemany("INSERT INTO names (rowid, name) VALUES (?, ?)", enumerate(names))

    def best(self, query: str) -> tuple[str | None, float]:
        """The best of RANKED names that share trigrams with the query, the rare ones counting most."""
        trigrams = {query[at : at + 3] for at in range(len(query) - 2)}
        wanted = " OR ".join('"' + one.replace('"', '""') + '"' for one in sorted(trigrams))
        if not wanted:
            return None, 0.0
        found = "SELECT rowid FROM names WHERE names MATCH ? ORDER BY rank LIMIT ?"
        near = [self._names[row[0]] for row in self._connection.execute(found, (wanted, RANKED))]
        return _best(query, near)


def _best(query: str, names: list[str]) -> tuple[str | None, float]:
    found = process.extractOne(query, names, scorer=fuzz.token_sort_ratio)
    return (None, 0.0) if found is None else (found[0], found[1])


def misspelt(data: Subjects, count: int, table: Table, folder: Path) -> None:
    """Share found, strangers let in, and time of each way."""
    names = [name for name in data.names if not stranger(name)]
    forms = sorted({normalise(name) for name in names})
    ours = Names(names, data.relations, folder / "names")
    trigrams = Trigrams(forms)

    def by_index(query: str) -> tuple[str | None, float]:
        found = resolve_entity(ours, query)
        return (None, 0.0) if found.named is None else (normalise(found.named.name), found.score)

    ways: dict[str, tuple[Search, float | None]] = {
        f"our index (score {fitted().threshold:.2f} and what else it asks for)": (by_index, 0.0),
        "rapidfuzz over all names": (lambda query: _best(normalise(query), forms), None),
        f"FTS5 trigrams, {RANKED} ranked by rapidfuzz": (lambda query: trigrams.best(normalise(query)), None),
    }
    rng, there = random.Random(5), set(forms)
    halves = []
    for test in (False, True):
        known = rng.sample([name for name in names if held_out(name) == test], 4 * count)
        asked = [(spelled, name) for name in known if (spelled := variant(name, name in data.people, rng))]
        unclear = undecidable(asked, names)
        variants = [(spelled, name) for (spelled, _), name in asked if (spelled, name) not in unclear]
        outside = rng.sample([name for name in data.names if stranger(name) and held_out(name) == test], 2 * count)
        questions = [one for one in variants if normalise(one[0]) not in there][:count]
        questions += [(name, "") for name in outside if normalise(name) not in there][:count]
        halves.append(questions)
    for what, (search, cutoff) in ways.items():
        tuning, test = ([(_timed(search, query), name) for query, name in half] for half in halves)
        if cutoff is None:
            passed = sorted((score for (_, score, _), name in tuning if not name), reverse=True)
            cutoff = passed[int(MOST_STRANGERS * len(passed))] + 1e-9
        right = [best == normalise(name) and score >= cutoff for (best, score, _), name in test if name]
        let_in = [score >= cutoff and best is not None for (best, score, _), name in test if not name]
        p50, p99 = np.percentile([took for (*_, took), _ in test], [50, 99])
        table.add_row(what, f"{np.mean(right):.3f}", f"{np.mean(let_in):.3f}", f"{p50 * 1e3:,.2f}", f"{p99 * 1e3:,.2f}")
    told = f"{len(names):,} names; {len(halves[1]):,} questions, one half of them misspelt names, the other strangers"
    table.caption = told


def _timed(search: Search, query: str) -> tuple[str | None, float, float]:
    began = time.perf_counter()
    best, score = search(query)
    return best, score, time.perf_counter() - began


def next_tokens(data: Subjects, table: Table, folder: Path) -> None:
    """A step of ROWS rows, and the memory of what answers it."""
    names = [name for name in data.names if not stranger(name)]
    tokenizer = train_tokenizer((f" {name}" for name in names[:50_000]), 8000)
    with real_base(folder / "facts.db", names, data.relations) as kb:
        index = kb.prefix_index(tokenizer)
        queries = [tokenizer.encode_query(fact.entity, fact.relation)[1:] for fact in kb]
    chosen = random.Random(2).sample(queries, 5000)
    p50, p99 = microseconds(index, chosen, ROWS, len(tokenizer))
    table.add_row("our prefix index", f"{index.stats()['bytes'] / 1e6:,.0f}", f"{p50 / 1e3:.2f}", f"{p99 / 1e3:.2f}")
    before, root = resident(), {}
    for query in queries:
        node = root
        for token in query:
            node = node.setdefault(token, {})
    megabytes = resident() - before
    rng = random.Random(1)
    at = [[rng.choice(chosen), 0, root] for _ in range(ROWS)]

    def step() -> None:
        pairs = [(row, token) for row, (_, _, node) in enumerate(at) for token in node]
        assert np.array(pairs).size
        for row in at:
            query, place, node = row
            row[1:] = place + 1, node[query[place]]
            if place + 1 == len(query):
                row[:] = rng.choice(chosen), 0, root

    p50, p99 = np.percentile([timed(step) for _ in range(STEPS)], [50, 99]) * 1e3
    table.add_row("a tree of dictionaries", f"{megabytes:,.0f}", f"{p50:.2f}", f"{p99:.2f}")
    table.caption = f"{len(queries):,} queries of a real base, {ROWS} rows a step"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--queries", type=int, default=300)
    arguments = parser.parse_args()
    data = subjects(arguments.data)
    spelled = Table("misspelt names", "found", "strangers let in", "p50, ms", "p99, ms")
    following = Table("what may come next", "MB", "p50, ms", "p99, ms")
    with tempfile.TemporaryDirectory() as folder:
        misspelt(data, arguments.queries, spelled, Path(folder))
        next_tokens(data, following, Path(folder))
    for table in (spelled, following):
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
