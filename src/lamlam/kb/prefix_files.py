"""The files of a prefix index: made from entities and their relations, written whole, opened memory-mapped.

A folder holds `meta.json`, the trie of all names of entities (`token`, `first`), for every node of it where its
relations begin (`own_first`), those relations as numbers (`own`), the tokens of each relation (`relation_token`,
`relation_first`), the nodes with the most children (`hot`), `tokenizer.json`, and a file of edits: what changed since.
Relations are numbered by their tokens, so that those of an entity stand in the order of their tokens too. The arrays
depend on what is in the index alone, so what was taken out of it cannot be read off them.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb.prefix_trie import Int64, Ints, Sequences, Trie, grow, narrow

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Names to token ids, as they stand in a call."""

LONGEST_RELATION = 1023
"""A relation of more tokens is left out: no model writes it."""
TOKENIZER = "tokenizer.json"
HOT_NODES, HOT_CHILDREN = 128, 256
"""The most nodes whose continuations are kept as rows of a mask, and the fewest children that such a node has."""
FIRST_EDITS = "edits-0.jsonl"
_FORMAT = 2
_ARRAYS = ("token", "first", "own_first", "own", "relation_token", "relation_first", "hot")
_BATCH = 65_536


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep all others from changing the files of a folder; not to be entered twice."""
    try:
        file = folder.with_name(folder.name + ".lock").open("a")
    except OSError:  # where nothing can be written, nobody changes anything
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
    """What lies in a folder. Relation r is `relation_token[relation_first[r] : relation_first[r + 1]]`."""

    meta: dict[str, Any]
    entities: Trie
    own_first: Ints
    own: Ints
    relations: Sequences
    hot: Int64


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


def write(contents: Contents, folder: Path, meta: dict[str, Any], tokenizer: str = "") -> None:
    """Make the files; those there are replaced. `meta`: `fingerprint`, `base` and `stamp`."""
    entities, relations, own_starts, own = contents
    rows = np.repeat(np.arange(len(entities.starts) - 1), np.diff(own_starts))
    lengths = np.diff(relations.starts)
    kept = (np.diff(entities.starts) > 0)[rows] & ((lengths > 0) & (lengths <= LONGEST_RELATION))[own]
    if not kept.all():  # a name without tokens, say
        rows, own = rows[kept], own[kept]
    asked = np.bincount(rows, minlength=len(entities.starts) - 1) > 0
    token, first, ends = grow(entities if asked.all() else _chosen(entities, np.flatnonzero(asked)))
    rows = ends[(np.cumsum(asked) - 1)[rows]]
    relations, number = _in_order(relations, np.flatnonzero(np.bincount(own)))
    # Names of the same tokens are one entity to a model: pairs, not lists, so that their relations are united.
    width = max(1, len(relations.starts) - 1)
    pairs = rows
    pairs *= width
    pairs += number[own]
    pairs.sort()
    new = np.ones(len(pairs), bool)
    np.not_equal(pairs[1:], pairs[:-1], out=new[1:])
    pairs = pairs[new]
    own_first = np.zeros(len(token) + 1, np.int64)
    np.cumsum(np.bincount(pairs // width, minlength=len(token)), out=own_first[1:])
    arrays = [token, first, *map(narrow, (own_first, pairs % width, *relations)), _hot(first)]
    meta = {"format": _FORMAT, **meta, "edits": FIRST_EDITS, "nodes": len(token), "pairs": len(pairs)}
    with write_beside(folder) as partial:
        partial.mkdir(mode=0o700)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(partial / f"{name}.npy", array)
        (partial / FIRST_EDITS).touch()
        (partial / TOKENIZER).write_text(tokenizer)
        write_meta(partial, meta)


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Put `meta.json` in, in place of the one that is there; whoever has the index open sees that it is another."""
    with write_beside(folder / "meta.json") as partial:
        partial.write_text(json.dumps(meta))


def read_meta(folder: Path) -> dict[str, Any] | None:
    """What `meta.json` says; None where there is none, or none of this version."""
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())
        return meta if meta["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
        token, first, own_first, own, relation_token, relation_first, hot = arrays
        nodes, pairs = meta["nodes"], meta["pairs"]
        if [len(token), len(first), len(own_first), len(own)] != [nodes, nodes + 1, nodes + 1, pairs]:
            raise ValueError("lengths")
        if int(relation_first[-1]) != len(relation_token) or int(own_first[-1]) != pairs:
            raise ValueError("lengths")
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise LamlamError(f"the prefix index {folder} is damaged ({error}); build it again") from error
    relations = Sequences(relation_token.astype(np.int64), relation_first.astype(np.int64))
    return Opened(meta, Trie(token, first, bool(meta.get("wiped"))), own_first, own, relations, hot.astype(np.int64))


def writable(folder: Path, name: str) -> Ints:
    """An array of a folder, mapped so that what is written to it goes to the file."""
    array: Ints = np.load(folder / f"{name}.npy", mmap_mode="r+", allow_pickle=False)
    return array


def _chosen(sequences: Sequences, which: Ints) -> Sequences:
    """Some of the sequences, in the order asked."""
    lengths = np.diff(sequences.starts)[which]
    starts = np.zeros(len(which) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    at = np.arange(starts[-1]) + np.repeat(sequences.starts[which] - starts[:-1], lengths)
    return Sequences(sequences.tokens[at], starts)


def _in_order(relations: Sequences, used: Int64) -> tuple[Sequences, Int64]:
    """The relations in use, each once and in the order of their tokens; and by old number the new one."""
    tokens, starts = relations
    lists = [tuple(tokens[starts[one] : starts[one + 1]].tolist()) for one in used.tolist()]
    ordered = sorted(set(lists))
    place = {tokens: number for number, tokens in enumerate(ordered)}
    number = np.zeros(len(starts), np.int64)
    number[used] = [place[tokens] for tokens in lists]
    return Sequences.of(ordered), number


def _hot(first: Ints) -> Ints:
    """The nodes with the most children, in order."""
    counts = np.diff(first.astype(np.int64))
    many = np.flatnonzero(counts >= HOT_CHILDREN)
    if len(many) > HOT_NODES:
        many = many[np.lexsort((many, -counts[many]))[:HOT_NODES]]
    return np.sort(many).astype(np.uint32)


def _mapped(path: Path) -> Ints:
    array: Ints = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    if array.ndim != 1 or array.dtype.kind != "u":
        raise ValueError(f"{path.name} is no list of numbers")
    return array
