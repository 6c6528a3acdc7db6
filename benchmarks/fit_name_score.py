"""Fit the constants by which names are scored, and choose the threshold, on the half of names kept for that.

    python benchmarks/fit_name_score.py [--data ../shared/data] [--write]

Writes name_score.json, words.txt and given_names.txt into the package with --write; prints the constants without. No
name of the other half, which `benchmarks/resolution.py` measures on, is a query, a stranger or a source of words here.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from name_variants import FURTHER, held_out, undecidable, variant
from names_data import Subjects, stranger, subjects

from lamlam.kb import name_score
from lamlam.kb.name_arrays import NameArrays, build
from lamlam.kb.name_search import frequency, near
from lamlam.kb.names import normalise

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PACKAGE = Path(__file__).resolve().parents[1] / "src" / "lamlam" / "kb"
QUERIES = 6000
FURTHER_QUERIES = QUERIES // 6
"""Of rarer ways. That they are fewer is a second look: as many as of the others cost 0.005 of the names found."""
SIZES = (40_000, 0)
LEAST_FOUND = 0.962
"""Of the tuning half, at every size; what is asked on the other half is 0.95."""
MARGIN = 0.5
"""In log-odds: between candidates nearer than that nothing decides. Wrong answers fall from 1.0 to 0.6 in 1,000."""


class Query(NamedTuple):
    """A query with its candidates' (name, differences); `true` is None for a stranger.

    Those that are `further` changed than in spelling have a say in the weights, not in the threshold.
    """

    further: bool
    true: str | None
    candidates: list[tuple[str, list[float]]]


def collect(data: Subjects, size: int, folder: Path) -> list[Query]:
    """Variants of names in the base, and names that are not, each with what the index finds."""
    rng = random.Random(7)
    base = [name for name in data.names if not stranger(name)]
    base = sorted(rng.sample(base, size)) if size else base
    forms = [normalise(name) for name in base]
    there = set(forms)
    build(folder / "names", enumerate(forms), "fit")
    arrays = NameArrays(folder / "names")
    known = lru_cache(None)(lambda word: frequency(arrays, word))
    tuning = rng.sample([name for name in base if not held_out(name)], QUERIES)
    asked = [(variant(name, name in data.people, rng), name) for name in tuning]
    more = rng.sample([name for name in base if not held_out(name)], FURTHER_QUERIES)
    asked += [(variant(name, name in data.people, rng, further=True), name) for name in more]
    unclear = undecidable([(spelled, name) for spelled, name in asked if spelled], base)
    outside = [name for name in data.names if stranger(name) and not held_out(name) and normalise(name) not in there]
    queries = []
    for written, way, true in [
        *((*spelled, name) for spelled, name in asked if spelled and (spelled[0], name) not in unclear),
        *((name, "", None) for name in rng.sample(outside, QUERIES)),
    ]:
        query = name_score.spelling(written)
        if true is not None and normalise(written) in there:
            if normalise(written) == normalise(true):  # otherwise it is another real name, and right to be found
                queries.append(Query(way in FURTHER, "", []))
            continue
        found = [base[entity] for entity, _ in near(arrays, " ".join(query.words), 12)]
        counted = [(name, name_score.differences(query, name_score.spelling(name), known)) for name in found]
        queries.append(Query(way in FURTHER, true, [(name, one) for name, one in counted if one is not None]))
    arrays.close()
    return queries


def fitted(queries: list[Query]) -> np.ndarray:
    """Weights of a logistic regression by Newton's method, lightly held to zero."""
    counts = np.array([one for query in queries for _, one in query.candidates])
    same = [normalise(name) == normalise(query.true or "") for query in queries for name, _ in query.candidates]
    weights = np.zeros(counts.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-counts @ weights))
        gradient = counts.T @ (p - np.array(same, float)) + weights
        weights -= np.linalg.solve((counts.T * (p * (1 - p))) @ counts + np.eye(len(weights)), gradient)
    return weights


def rates(queries: list[Query], weights: np.ndarray, threshold: float) -> tuple[float, float]:
    """The share of known names found, and of strangers taken for somebody, at a threshold in log-odds."""
    found = known = accepted = strangers = 0
    for further, true, candidates in queries:
        if further:
            continue
        ranked = sorted(((float(np.dot(weights, one)), normalise(name)) for name, one in candidates), reverse=True)
        clear = len(ranked) > 0 and ranked[0][0] >= threshold
        clear = clear and (len(ranked) == 1 or ranked[0][0] - ranked[1][0] >= MARGIN)
        if true is None:
            strangers += 1
            accepted += clear
        else:
            known += 1
            found += true == "" or (clear and ranked[0][1] == normalise(true))
    return found / known, accepted / strangers


def words(data: Subjects) -> tuple[list[str], list[str]]:
    """Words that are common in names, and given names of people, in the tuning half."""
    common: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for name in data.names:
        if not held_out(name):
            parts = normalise(name).split()
            common.update(set(parts))
            if name in data.people and 2 <= len(parts) <= 4 and "(" not in name and "," not in name:
                given.update(parts[:-1])
    known = [word for word, count in common.items() if count >= 5 and len(word) > 3 and word.isascii()]
    firsts = [word for word, count in given.items() if count >= 4 and len(word) > 2 and 3 * count >= common[word]]
    return sorted(filter(str.isalpha, known)), sorted(filter(str.isalpha, firsts))


def main() -> None:
    """Collect, fit, choose, print, and with --write put it into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    data = subjects(arguments.data)
    if arguments.write:
        for file, listed in zip(("words.txt", "given_names.txt"), words(data), strict=True):
            (PACKAGE / file).write_text("\n".join(listed) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        by_size = [collect(data, size, Path(folder)) for size in SIZES]
    weights = fitted([query for queries in by_size for query in queries])
    grid = np.arange(-3, 3, 0.05)
    enough = [step for step in grid if all(rates(queries, weights, step)[0] >= LEAST_FOUND for queries in by_size)]
    threshold = float(max(enough))
    for size, queries in zip(SIZES, by_size, strict=True):
        found, accepted = rates(queries, weights, threshold)
        print(f"tuning half, {size or 'all'} subjects: {found:.3f} found, {accepted:.3f} of strangers accepted")
    constants = {
        "made by": "benchmarks/fit_name_score.py from the subjects of facts/wikidata.parquet, tuning half",
        "threshold": round(float(1 / (1 + np.exp(-threshold))), 4),
        "margin": MARGIN,
        "weights": {what: round(float(one), 3) for what, one in zip(name_score.DIFFERENCES, weights, strict=True)},
    }
    print(text := json.dumps(constants, indent=1))
    if arguments.write:
        (PACKAGE / "name_score.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
