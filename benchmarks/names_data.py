"""Real and made-up names for measuring resolution."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from name_variants import PEOPLES_RELATIONS

_ONE_ANSWER = frozenset({"capital", "capital of", "country", "place of birth", "father", "mother"})


class Subjects(NamedTuple):
    """The subjects of facts/wikidata.parquet."""

    names: list[str]
    people: frozenset[str]
    relations: dict[str, list[str]]
    """The relations of each subject."""


def subjects(data: Path) -> Subjects:
    """Read them; sorted, so that samples from a seed are the same."""
    table = pq.read_table(data / "facts" / "wikidata.parquet", columns=["subject", "relation"])
    relations: dict[str, set[str]] = defaultdict(set)
    for subject, relation in zip(*(table[column].to_pylist() for column in ("subject", "relation")), strict=True):
        relations[subject].add(relation)
    people = frozenset(subject for subject, own in relations.items() if own & PEOPLES_RELATIONS)
    return Subjects(sorted(relations), people, {subject: sorted(own) for subject, own in relations.items()})


def stranger(name: str) -> bool:
    """Whether a subject is kept out of every base, to be asked for all the same: one in twenty."""
    return blake2b(name.encode(), digest_size=2, salt=b"stranger").digest()[0] < 13


def alias_pairs(data: Path) -> list[tuple[str, str, str]]:
    """(source, another name, name) from the labels and surfaces of T-REx and the answers of PopQA."""
    pairs = set()
    trex = pq.read_table(data / "eval" / "trex.parquet", columns=["sub_label", "evidences"]).to_pylist()
    for row in trex:
        pairs |= {("T-REx", evidence["sub_surface"], row["sub_label"]) for evidence in row["evidences"]}
    for row in pq.read_table(data / "eval" / "popqa.parquet", columns=["prop", "obj", "possible_answers"]).to_pylist():
        if row["prop"] in _ONE_ANSWER:  # elsewhere the answers are of several things
            pairs |= {("PopQA", answer, row["obj"]) for answer in json.loads(row["possible_answers"])}
    for document in json.loads((data / "eval" / "redocred-dev.json").read_text("utf-8")):
        for mentions in document["vertexSet"]:
            if mentions[0]["type"] in ("PER", "ORG", "LOC", "MISC"):
                names = sorted({mention["name"] for mention in mentions}, key=lambda name: (-len(name), name))
                pairs |= {("Re-DocRED", name, names[0]) for name in names[1:]}
    return sorted(pair for pair in pairs if pair[1] != pair[2])


def made_up(real: list[str], count: int, seed: int) -> Iterator[str]:
    """`count` names: the real ones, then their words put together anew by their own frequencies and places.

    One word in twelve is a new one, made of two halves of real words, so that the vocabulary grows as names do.
    """
    yield from real[:count]
    rng = np.random.default_rng(seed)
    split = [name.split() for name in real]
    lengths = np.array([min(6, len(words)) for words in split])
    firsts = [words[0] for words in split]
    others = [word for words in split for word in words[1:]]
    halves = [word for word in others if word.isalpha() and len(word) > 3]
    made = len(real)
    while made < count:
        block = min(100_000, count - made)
        sizes = rng.choice(lengths, block)
        first = rng.integers(0, len(firsts), block)
        other = rng.integers(0, len(others), (block, 5))
        half = rng.integers(0, len(halves), (block, 12))
        new = rng.random((block, 6)) < 1 / 12
        for row in range(block):
            words = [firsts[first[row]], *(others[place] for place in other[row, : sizes[row] - 1])]
            for at in np.flatnonzero(new[row, : sizes[row]]).tolist():
                one, two = halves[half[row, 2 * at]], halves[half[row, 2 * at + 1]]
                words[at] = one[: len(one) // 2 + 1] + two[len(two) // 2 :]
            yield " ".join(words)
        made += block
