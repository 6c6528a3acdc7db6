"""The names of a base as flat arrays in one file beside it: found misspelt in well under a millisecond, never loaded.

Rows are (entity, normalised name) pairs. A word is filed under itself and under what is left when any one character is
left out, so that words an edit apart share a key; rows are filed under their words, under their first and last word
together, and under all their letters without gaps. Everything is a sorted array that is searched where it lies, in the
page cache, whatever the size of the base.

The file is derived: it can be made again from the tables at any time. What is forgotten is overwritten in place.
"""

from __future__ import annotations

import json
import mmap
import os
from array import array
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lamlam.atomic import write_beside
from lamlam.kb.names import LONGEST_FUZZY, deletions

LONGEST_WORD = 40
"""Longer words are found only as they are."""
SHORTEST_MISSPELT = 4
"""A shorter word has no typos that could not make another word of it; neither has one with digits."""

_MAGIC = b"LMLNAMES"
_LAYOUT = 1
_HEADER = 4096
_ALIGNED = 64
_CHUNK = 200_000

Array = npt.NDArray[Any]
Uints = npt.NDArray[np.uint32]


def word_keys(word: str) -> set[int]:
    """What a word is filed under for its misspellings: itself, and itself without one of its letters."""
    misspelt = SHORTEST_MISSPELT <= len(word) <= LONGEST_WORD and not any(map(str.isdigit, word))
    spelled = deletions(word, 1) if misspelt else {word}
    return {crc32(one.encode()) for one in spelled}


def closed_key(normalised: str) -> int:
    """What a name is filed under without its gaps: "mcdonald" and "mc donald"."""
    return crc32(normalised.replace(" ", "").encode())


def ends_key(first: str, last: str) -> int:
    """What a name is filed under by its first word, or its initial, and its last, whichever stands first."""
    return crc32(f"{first} {last}".encode() if first <= last else f"{last} {first}".encode())


def build(path: Path, rows: Iterable[tuple[int, str]], stamp: str) -> int:
    """Write the file for (entity, normalised name) pairs, by ascending entity, and give their number.

    `stamp` says which state of the base it is made from.
    """
    arrays = _arrays(rows)
    header: dict[str, Any] = {"layout": _LAYOUT, "stamp": stamp, "arrays": {}}
    at = _HEADER
    for name, values in arrays.items():
        header["arrays"][name] = [at, len(values), values.dtype.str]
        at += -(-values.nbytes // _ALIGNED) * _ALIGNED
    with write_beside(path) as partial, partial.open("wb") as file:
        file.write((_MAGIC + json.dumps(header).encode()).ljust(_HEADER))
        for values in arrays.values():
            values.tofile(file)
            file.write(b"\0" * (-values.nbytes % _ALIGNED))
    return len(arrays["entities"])


class NameArrays:
    """An open file of names. Any number of threads and processes may read it at once."""

    def __init__(self, path: Path) -> None:
        """Raises `ValueError` where the file is none of names, of another layout, or cut off."""
        writable = os.access(path, os.W_OK)
        with path.open("r+b" if writable else "rb") as file:
            head = file.read(_HEADER)
            if len(head) < _HEADER or not head.startswith(_MAGIC):
                raise ValueError(f"{path} is no file of names")
            header = json.loads(head[len(_MAGIC) :])
            if header["layout"] != _LAYOUT:
                raise ValueError(f"{path} has another layout")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        self.stamp: str = header["stamp"]
        places = header["arrays"]
        parts = {name: np.frombuffer(self._map, kind, count, at) for name, (at, count, kind) in places.items()}
        self.entities: Uints = parts["entities"]
        self._text_at, self._word_at, self._row_at = parts["text_at"], parts["word_at"], parts["row_at"]
        self._key, self._key_word, self._row = parts["key"], parts["key_word"], parts["row"]
        self._closed, self._closed_row = parts["closed"], parts["closed_row"]
        self._ends, self._ends_row = parts["ends"], parts["ends_row"]
        self._word_key = parts["word_key"]
        self._text_start, self._word_start = places["text"][0], places["word_text"][0]

    def __len__(self) -> int:
        return len(self.entities)

    def name(self, row: int) -> str:
        """The normalised name of a row; empty where it was forgotten."""
        return self._read(self._text_start, self._text_at, row)

    def names(self, rows: Uints) -> list[str]:
        """The names of some rows."""
        start, text = self._text_start, self._map
        places = zip(self._text_at[rows].tolist(), self._text_at[rows + 1].tolist(), strict=True)
        read = [text[start + first : start + last] for first, last in places]
        return ["" if name[:1] == b"\0" else name.decode() for name in read]

    def lengths(self, rows: Uints) -> Array:
        """How many bytes the names of some rows have."""
        return self._text_at[rows + 1] - self._text_at[rows]

    def word(self, word: int) -> str:
        """A word by its number; empty where it was forgotten."""
        return self._read(self._word_start, self._word_at, word)

    def frequency(self, words: Uints) -> Array:
        """How many rows have each of some words."""
        return self._row_at[words + 1] - self._row_at[words]

    def rows_of(self, word: int) -> Uints:
        """The rows that have a word, in order."""
        return self._row[self._row_at[word] : self._row_at[word + 1]]

    def words_exactly(self, texts: list[str]) -> list[int]:
        """The numbers of some words, -1 for those that no name has."""
        wanted = np.array([crc32(text.encode()) for text in texts], np.uint32)
        found = []
        for text, key, start in zip(texts, wanted, np.searchsorted(self._word_key, wanted).tolist(), strict=True):
            word = start
            while word < len(self._word_key) and self._word_key[word] == key and self.word(word) != text:
                word += 1
            found.append(word if word < len(self._word_key) and self._word_key[word] == key else -1)
        return found

    def words_filed(self, filed: list[int]) -> list[list[int]]:
        """For each of some `word_keys`, the words filed under it, and rarely one that is not: keys are short."""
        return [words.tolist() for words in _under(self._key, self._key_word, filed)]

    def rows_closed(self, filed: list[int]) -> list[Uints]:
        """For each of some `closed_key`, its rows, and rarely others."""
        return _under(self._closed, self._closed_row, filed)

    def rows_ending(self, filed: list[int]) -> list[Uints]:
        """For each of some `ends_key`, its rows, and rarely others."""
        return _under(self._ends, self._ends_row, filed)

    def scrub(self, entity: int, names: set[int]) -> None:
        """Overwrite the names of an entity that have these CRC-32s, and the words that no other name has."""
        start, end = (int(np.searchsorted(self.entities, np.uint32(entity), side)) for side in ("left", "right"))
        for row in range(start, end):
            name = self.name(row)
            if crc32(name.encode()) not in names:
                continue
            for word in set(name.split()):
                self._scrub_row(word, row)
            _unfile(self._closed, self._closed_row, closed_key(name), row)
            for key in _ends_of(name):
                _unfile(self._ends, self._ends_row, key, row)
            self._blank(self._text_start, self._text_at, row)
        self._map.flush()

    def close(self) -> None:
        """Let go of the file."""
        empty = np.empty(0, np.uint32)
        self.entities = self._text_at = self._word_at = self._row_at = empty
        self._key = self._key_word = self._row = self._closed = self._closed_row = empty
        self._ends = self._ends_row = self._word_key = empty
        with suppress(BufferError):  # a search under way in another thread lets go of it soon
            self._map.close()

    def _read(self, start: int, at: Array, number: int) -> str:
        text = self._map[start + int(at[number]) : start + int(at[number + 1])]
        return "" if text[:1] == b"\0" else text.decode()

    def _blank(self, start: int, at: Array, number: int) -> None:
        first, last = start + int(at[number]), start + int(at[number + 1])
        self._map[first:last] = bytes(last - first)

    def _scrub_row(self, text: str, row: int) -> None:
        """Take a row from a word; its place gets a neighbour's number, which keeps the order and says nothing new."""
        word = self.words_exactly([text])[0]
        rows = self.rows_of(word) if word >= 0 else self._row[:0]
        others = rows[rows != row]
        if len(others):
            rows[:] = np.sort(np.concatenate([others, np.repeat(others[:1], len(rows) - len(others))]))
        elif word >= 0:
            self._blank(self._word_start, self._word_at, word)
            for key in word_keys(text):
                _unfile(self._key, self._key_word, key, word)
            self._word_key[word] = self._word_key[max(0, word - 1)] if word else 0


def _arrays(rows: Iterable[tuple[int, str]]) -> dict[str, Array]:
    """Everything that the file holds, by name, in the order of the file."""
    # Here, because only a build needs pyarrow, and loading it takes longer than a lookup.
    import pyarrow as pa
    import pyarrow.compute as pc

    entities, closed, ends, codes, counts = array("I"), array("I"), array("I"), [], []
    texts: list[bytes] = []
    lengths: list[Array] = []
    words: dict[str, int] = {}
    todo = iter(rows)
    while chunk := list(islice(todo, _CHUNK)):
        entities.extend(entity for entity, _ in chunk)
        names = [name for _, name in chunk]
        closed.extend(map(closed_key, names))
        for name in names:
            ends.extend(_ends_of(name))
        encoded = [name.encode() for name in names]
        texts.append(b"".join(encoded))
        lengths.append(np.fromiter(map(len, encoded), np.uint32, len(encoded)))
        split = pc.split_pattern(pa.array([name if len(name) <= LONGEST_FUZZY else "" for name in names]), " ")
        counts.append(np.diff(split.offsets.to_numpy()))
        filed = split.flatten().dictionary_encode()
        numbers = [words.setdefault(word, len(words)) for word in filed.dictionary.to_pylist()]
        codes.append(np.array(numbers, np.uint32)[filed.indices.to_numpy()])
    of = np.frombuffer(entities, np.uint32)
    if np.any(of[1:] < of[:-1]):
        raise ValueError("names must come by ascending entity")
    # Words are numbered by their key, so that a word is found without another array.
    spelled = [word.encode() for word in words]
    unsorted = np.fromiter(map(crc32, spelled), np.uint32, len(spelled))
    order = np.argsort(unsorted, kind="stable").astype(np.uint32)
    number = np.empty_like(order)
    number[order] = np.arange(len(order), dtype=np.uint32)
    spelled = [spelled[word] for word in order.tolist()]
    code, count = number[_joined(codes)], _joined(counts)
    by_word = np.argsort(code, kind="stable")
    row, code = np.repeat(np.arange(len(count), dtype=np.uint32), count)[by_word], code[by_word]
    once = np.ones(len(row), np.bool_)  # a word that a name has twice
    once[1:] = (row[1:] != row[:-1]) | (code[1:] != code[:-1])
    row, code = row[once], code[once]
    row_at = _places(np.bincount(code, minlength=len(words)))
    key, key_word = _filed([word.decode() for word in spelled])
    closed_key_, closed_row = _sorted(closed)
    ends_key_, ends_row = _sorted(ends)
    return {
        "entities": of,
        "text": np.frombuffer(b"".join(texts), np.uint8),
        "text_at": _places(_joined(lengths)),
        "word_text": np.frombuffer(b"".join(spelled), np.uint8),
        "word_at": _places(np.fromiter(map(len, spelled), np.uint32, len(spelled))),
        "word_key": unsorted[order],
        "key": key,
        "key_word": key_word,
        "row": row,
        "row_at": row_at,
        "closed": closed_key_,
        "closed_row": closed_row,
        "ends": ends_key_,
        "ends_row": ends_row // 2,  # there are two keys of each row
    }


def _filed(words: list[str]) -> tuple[Uints, Uints]:
    """The keys of all words in order, and the word of each."""
    key, owner = array("I"), array("I")
    for number, word in enumerate(words):
        of_word = word_keys(word)
        key.extend(of_word)
        owner.extend([number] * len(of_word))
    in_order, order = _sorted(key)
    return in_order, np.frombuffer(owner, np.uint32)[order]


def _sorted(values: array[int]) -> tuple[Uints, Uints]:
    """Values in order, and the place that each of them had."""
    order = np.argsort(np.frombuffer(values, np.uint32), kind="stable").astype(np.uint32)
    return np.frombuffer(values, np.uint32)[order], order


def _under(keys: Uints, filed: Uints, wanted: list[int]) -> list[Uints]:
    """What is filed under each of the wanted keys; `keys` are in order."""
    sought = np.array(wanted, np.uint32)
    order = np.argsort(sought)  # neighbours share most of their way through the file
    starts, ends = np.empty(len(sought), np.int64), np.empty(len(sought), np.int64)
    starts[order] = np.searchsorted(keys, sought[order])
    ends[order] = np.searchsorted(keys, sought[order], "right")
    return [filed[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _unfile(keys: Uints, filed: Uints, key: int, what: int) -> None:
    """Have the places of something filed under a key say what the places before them say, which keeps the order."""
    start, end = (int(np.searchsorted(keys, np.uint32(key), side)) for side in ("left", "right"))
    for place in range(start, end):
        if filed[place] == what:
            keys[place], filed[place] = (keys[place - 1], filed[place - 1]) if place else (0, filed[0])


def _ends_of(name: str) -> tuple[int, int]:
    words = name.split(" ")
    return ends_key(words[0], words[-1]), ends_key(words[0][:1], words[-1])


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts).astype(np.uint32) if parts else np.empty(0, np.uint32)


def _places(lengths: Array) -> Array:
    """Where each of many things laid end to end begins, and the end of the last."""
    at = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=at[1:])
    return at
