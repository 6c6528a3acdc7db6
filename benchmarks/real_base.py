"""A base of real subjects, as users have it: loaded into a file, asked through KnowledgeBase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lamlam.kb import KnowledgeBase

_ROWS = 100_000


def real_base(path: Path, names: list[str], relations: dict[str, list[str]]) -> KnowledgeBase:
    """A new base at `path` with a fact for each (name, relation); its index of names is made."""
    kb = KnowledgeBase.open(path, create=True)
    kb.load(_batches(names, relations))
    kb.resolve("the first misspelt name makes the index")
    return kb


def _batches(names: list[str], relations: dict[str, list[str]]) -> Iterator[pa.RecordBatch]:
    pairs = [(name, relation) for name in names for relation in relations[name]]
    for start in range(0, len(pairs), _ROWS):
        entities, of = zip(*pairs[start : start + _ROWS], strict=True)
        yield pa.record_batch({"entity": list(entities), "relation": list(of), "value": ["known"] * len(of)})
