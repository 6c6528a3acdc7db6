"""The files of a prefix index: made from entities and their relations, written whole, opened memory-mapped.

A folder holds `meta.json`, the arrays of two tries (of all entities, of all relations), for every node of the first
where its relations begin (`own_first`), those relations as nodes of the second (`own`), and `edits.jsonl`: what changed
since. The arrays depend on what is in the index alone, so what was taken out of it cannot be read off them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb.fact import Fact
from lamlam.kb.prefix_trie import Int64, Ints, Sequences, Trie, grow, narrow

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Names to token ids, as they stand in a call."""

EDITS = "edits.jsonl"
_FORMAT = 1
_ARRAYS = ("token", "first", "own_first", "own", "relation_token", "relation_first")
_BATCH = 65_536


class _Numbers(dict[str, int]):
    """Names by number, from 0 on in the order in which they are first asked for."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number


class Contents(NamedTuple):
    """Entity i has the relations `own[own_starts[i] : own_starts[i + 1]]`; the same ones may come twice."""

    entities: Sequences
    relations: Sequences
    own_starts: Int64
    own: Ints


class Opened(NamedTuple):
    """What lies in a folder; relations in `own` are nodes of `relations`."""

    meta: dict[str, Any]
    entities: Trie
    relations: Trie
    own_first: Ints
    own: Ints


def by_entity(facts: Iterable[Fact]) -> Iterator[tuple[str, list[str]]]:
    """(entity, its relations) from facts in the order of their entities, as a base gives them."""
    for entity, own in groupby(facts, attrgetter("entity")):
        yield entity, list(dict.fromkeys(fact.relation for fact in own))


def encoded(entries: Iterable[tuple[str, Iterable[str]]], encode: Encode) -> Contents:
    """Entities and their relations as token ids, a batch of names at a time."""
    entities, own_starts, own = [Sequences.of([])], [np.zeros(1, np.int64)], [np.zeros(0, np.uint32)]
    relations = _Numbers()
    places = 0
    entries = iter(entries)
    while batch := list(islice(entries, _BATCH)):
        part = Sequences.of(encode([entity for entity, _ in batch]))
        entities.append(Sequences(part.tokens.astype(np.uint32), part.starts))
        named = [list(names) for _, names in batch]
        own.append(np.fromiter(map(relations.__getitem__, chain.from_iterable(named)), np.uint32))
        own_starts.append(places + np.cumsum([len(names) for names in named]))
        places = int(own_starts[-1][-1])
    relation_tokens = Sequences.of(encode(list(relations)))
    return Contents(Sequences.joined(entities), relation_tokens, np.concatenate(own_starts), np.concatenate(own))


def write(contents: Contents, folder: Path, fingerprint: str, stamp: int) -> None:
    """Make the files; those there are replaced."""
    entities, relations, own_starts, own = contents
    rows = np.repeat(np.arange(len(entities.starts) - 1), np.diff(own_starts))
    writable = (np.diff(entities.starts) > 0)[rows] & (np.diff(relations.starts) > 0)[own]
    if not writable.all():  # a name without tokens
        rows, own = rows[writable], own[writable]
    asked = np.bincount(rows, minlength=len(entities.starts) - 1) > 0
    token, first, ends = grow(entities if asked.all() else _chosen(entities, np.flatnonzero(asked)))
    rows = ends[(np.cumsum(asked) - 1)[rows]]
    used = np.flatnonzero(np.bincount(own))
    relation_token, relation_first, ends = grow(_chosen(relations, used))
    relation_nodes = np.zeros(len(relations.starts), np.int64)
    relation_nodes[used] = ends
    # Names of the same tokens are one entity to a model: pairs, not lists, so that their relations are united.
    width = len(relation_token)
    pairs = rows
    pairs *= width
    pairs += relation_nodes[own]
    pairs.sort()
    new = np.ones(len(pairs), bool)
    np.not_equal(pairs[1:], pairs[:-1], out=new[1:])
    pairs = pairs[new]
    own_first = np.zeros(len(token) + 1, np.int64)
    np.cumsum(np.bincount(pairs // width, minlength=len(token)), out=own_first[1:])
    arrays = (token, first, narrow(own_first), narrow(pairs % width), relation_token, relation_first)
    meta = {"format": _FORMAT, "fingerprint": fingerprint, "stamp": stamp, "nodes": len(token), "pairs": len(pairs)}
    with write_beside(folder) as partial:
        partial.mkdir()
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(partial / f"{name}.npy", array)
        (partial / EDITS).touch()
        (partial / "meta.json").write_text(json.dumps(meta))


def read(folder: Path, fingerprint: str) -> Opened:
    """The files of a folder, mapped; `LamlamError` where they are missing, damaged or another tokenizer's."""
    if not (folder / "meta.json").is_file():
        raise LamlamError(f"there is no prefix index at {folder}; build one from the base with PrefixIndex.build")
    try:
        meta = json.loads((folder / "meta.json").read_text())
        if meta["format"] != _FORMAT:
            raise LamlamError(f"the prefix index {folder} is of another version of lamlam; build it again")
        if meta["fingerprint"] != fingerprint:
            raise LamlamError(
                f"the prefix index {folder} was built for another tokenizer ({meta['fingerprint']}, "
                f"not {fingerprint}); build one for this tokenizer"
            )
        arrays = [_mapped(folder / f"{name}.npy") for name in _ARRAYS]
        lengths = [len(array) for array in arrays]
        if lengths[:4] != [meta["nodes"], meta["nodes"] + 1, meta["nodes"] + 1, meta["pairs"]]:
            raise ValueError("lengths")
        if lengths[5] != lengths[4] + 1:
            raise ValueError("lengths")
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise LamlamError(f"the prefix index {folder} is damaged ({error}); build it again") from error
    token, first, own_first, own, relation_token, relation_first = arrays
    return Opened(meta, Trie(token, first), Trie(relation_token, relation_first), own_first, own)


def _chosen(sequences: Sequences, which: Ints) -> Sequences:
    """Some of the sequences, in the order asked."""
    lengths = np.diff(sequences.starts)[which]
    starts = np.zeros(len(which) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    at = np.arange(starts[-1]) + np.repeat(sequences.starts[which] - starts[:-1], lengths)
    return Sequences(sequences.tokens[at], starts)


def _mapped(path: Path) -> Ints:
    array: Ints = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    if array.ndim != 1 or array.dtype.kind != "u":
        raise ValueError(f"{path.name} is no list of numbers")
    return array
