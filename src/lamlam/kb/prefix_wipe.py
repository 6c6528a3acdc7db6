"""Out of the bytes of a prefix index: what was forgotten is overwritten where it lies, and left out of the edits.

The arrays keep their shape: a forgotten name leaves nodes whose tokens are its neighbours', or none.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamlam.atomic import write_beside
from lamlam.kb.prefix_files import read_meta, writable, write_meta
from lamlam.kb.prefix_trie import Ints, Trie, none

Tokens = Sequence[int]


def wipe(
    folder: Path,
    entries: Sequence[tuple[Tokens, Sequence[Tokens]]],
    gone: Sequence[Tokens],
    kept: Sequence[Any],
    stamp: tuple[int, float],
) -> None:
    """Leave to each entity of `entries` only the relations it comes with, and take the relations in `gone` out.

    `kept`: the edits that stay. A relation in `gone` that an entity still has stays.
    """
    token, first, own_first, own = (writable(folder, name) for name in ("token", "first", "own_first", "own"))
    relation_token, relation_first = writable(folder, "relation_token"), writable(folder, "relation_first")
    numbers = _numbers(relation_token, relation_first)
    trie = Trie(token, first, wiped=True)
    for entity, relations in entries:
        node = trie.find(entity) if entity else -1
        if node > 0:
            _leave(own[int(own_first[node]) : int(own_first[node + 1])], {numbers.get(tuple(one)) for one in relations})
            while node and not _alive(own_first, own, node) and trie.is_leaf(node):
                parent = trie.above(node)[0]
                trie.wipe(node, token)
                node = parent
    named = {tuple(one) for _, relations in kept for one in relations}
    edited = [trie.find(entity) for entity, _ in kept]
    for relation in {tuple(one) for one in gone} - named:
        if (number := numbers.get(relation)) is None:
            continue
        places = np.flatnonzero(own == number)
        holders = np.searchsorted(own_first, places.astype(own_first.dtype), side="right") - 1
        if np.isin(holders, edited).all():  # what is left of it are lists that an edit has put others in place of
            own[places] = none(own)
            relation_token[int(relation_first[number]) : int(relation_first[number + 1])] = 0
    for array in (token, own, relation_token):
        array.flush()  # type: ignore[attr-defined]
    meta = read_meta(folder) or {}
    before = folder / Path(meta["edits"]).name
    after = f"edits-{secrets.token_hex(4)}.jsonl"  # another file: who reads the one before must not go on in this one
    line = json.dumps({"stamp": stamp, "changes": kept}, separators=(",", ":")) + "\n" if kept else ""
    with write_beside(folder / after) as partial:
        partial.write_text(line)
    write_meta(folder, meta | {"stamp": stamp, "edits": after, "wiped": True})
    before.unlink()
    _sync(folder)


def _numbers(tokens: Ints, first: Ints) -> dict[tuple[int, ...], int]:
    """Relations by their tokens."""
    bounds = zip(first[:-1].tolist(), first[1:].tolist(), strict=True)
    return {tuple(tokens[start:end].tolist()): number for number, (start, end) in enumerate(bounds)}


def _leave(own: Ints, kept: set[int | None]) -> None:
    """Keep some numbers of a stretch, in order; what is left over repeats the last of them, or is none."""
    numbers = [number for number in own.tolist() if number in kept]
    last = numbers[-1] if numbers else none(own)
    own[:] = numbers + [last] * (len(own) - len(numbers))


def _alive(own_first: Ints, own: Ints, node: int) -> bool:
    start, end = int(own_first[node]), int(own_first[node + 1])
    return end > start and int(own[start]) != none(own)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
