"""Which few of millions of names a misspelt name may be: those that share its rare words, typos aside.

The rarest words are looked up first and the common ones only narrow down what those gave. Where all words are common
their rows are intersected. What comes out is ranked roughly and is for `lamlam.kb.name_score` to judge.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple
from zlib import crc32

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from lamlam.kb.name_arrays import LONGEST_WORD, Array, NameArrays, Uints, closed_key, ends_key, word_keys
from lamlam.kb.names import deletions

SAMPLE = 400_000
"""So many names the constants of `lamlam.kb.name_score` were fitted over."""
MOST_WORDS = 12
"""Words of a query that are looked up; a name with more has rare ones among the first."""
WELL_KNOWN = 20
"""A word of so many names is taken as it is: what it may be a misspelling of is left to the other words to find."""
LONG = 6
"""An unknown word of so many letters, with none alike, is looked for with two edits."""
MOST_ALIKE = 40
"""Words alike that are taken for one word of a query, the most frequent first."""
MOST_NARROWING = 4
"""Of a common misspelt word, words alike by which rows are narrowed down."""
ENOUGH = 1500
"""Rows with rare words that are weighed one by one."""
MOST_INTERSECTED = 5000
"""Rows of a common word that are looked for among those of another."""
COMPARED = 32
"""Rows whose names are read and compared as strings."""
_ALIKE = 0.7  # the worth of a word alike, of that of the word itself


class _Word(NamedTuple):
    """The words of the names that one word of a query may be."""

    text: str
    exact: int
    """The word itself, -1 where no name has it."""
    alike: list[int]
    """Others within an edit or so."""
    rows: int
    """How many rows they have together."""
    weight: float
    """What sharing it is worth: the rarer, the more."""


def near(arrays: NameArrays, normalised: str, limit: int) -> list[tuple[int, str]]:
    """Up to `limit` (entity, normalised name), the nearest first."""
    words = normalised.split()
    if not words or not len(arrays):
        return []
    rows, shares = _candidates(arrays, words)
    texts = arrays.names(rows)
    names = [one for one in zip(rows.tolist(), texts, shares.tolist(), strict=True) if one[1]]
    if len(names) > limit:
        names = _nearest(normalised, words, names, limit)
    return [(int(arrays.entities[row]), name) for row, name, _ in names]


def frequency(arrays: NameArrays, word: str) -> int:
    """How many names have a word, out of at most SAMPLE: among more names, typos become words by chance."""
    number = arrays.words_exactly([word])[0] if len(arrays) else -1
    rows = len(arrays.rows_of(number)) if number >= 0 else 0
    return rows if len(arrays) <= SAMPLE else rows * SAMPLE // len(arrays)


def _candidates(arrays: NameArrays, words: list[str]) -> tuple[Uints, Array]:
    """Rows, and the share of the query's words (by weight) that each has."""
    looked_up = _looked_up(arrays, list(dict.fromkeys(words))[:MOST_WORDS])
    rare: list[_Word] = []
    total = 0
    for word in looked_up:
        if total + word.rows > ENOUGH:
            break
        total += word.rows
        rare.append(word)
    common = looked_up[len(rare) :]
    whole = sum(word.weight for word in looked_up) or 1.0
    found = _directly(arrays, words, looked_up)
    worth = [_ALIKE * whole] * len(found)
    if not rare and common:
        found.append(_intersection(arrays, common))
        worth.append(0.0)
    for word in rare:
        if word.exact >= 0:
            found.append(arrays.rows_of(word.exact))
            worth.append(word.weight)
        if word.alike:
            found.append(_once([arrays.rows_of(number) for number in word.alike]))
            worth.append(word.weight * _ALIKE)
    rows, weight = _summed(found, worth)
    for word in common:
        weight = weight + _having(arrays, word, rows)
    if len(rows) > COMPARED:
        # Of names that share the same words the shortest lacks least.
        chosen = np.argpartition(arrays.lengths(rows) * 0.05 - weight, COMPARED)[:COMPARED]
        rows, weight = rows[chosen], weight[chosen]
    return rows, weight / whole


def _looked_up(arrays: NameArrays, words: list[str]) -> list[_Word]:
    """The words that the names have or nearly have, the rarest first."""
    numbers = arrays.words_exactly(words)
    counts = [len(arrays.rows_of(number)) if number >= 0 else 0 for number in numbers]
    filed = [[] if count >= WELL_KNOWN else list(word_keys(word)) for word, count in zip(words, counts, strict=True)]
    under = iter(arrays.words_filed([key for of_word in filed for key in of_word]))
    found = []
    for text, exact, count, of_word in zip(words, numbers, counts, filed, strict=True):
        others = {number for _ in of_word for number in next(under)} - {exact}
        if not others and exact < 0 and LONG <= len(text) <= LONGEST_WORD:
            # With two letters left out here and one there, more than half of words two edits apart are found.
            twice = [crc32(shorter.encode()) for shorter in deletions(text, 2)]
            others = {number for numbers in arrays.words_filed(twice) for number in numbers}
        alike, more = _most_frequent(arrays, others)
        if rows := count + more:
            found.append(_Word(text, exact, alike, rows, log(len(arrays) / rows + 1) + 0.5))
    return sorted(found, key=lambda word: word.rows)


def _most_frequent(arrays: NameArrays, words: set[int]) -> tuple[list[int], int]:
    """At most MOST_ALIKE of some words, and how many rows those have."""
    if not words:
        return [], 0
    numbers = np.array(list(words), np.uint32)
    counts = arrays.frequency(numbers)
    order = np.argsort(-counts, kind="stable")[:MOST_ALIKE]
    return numbers[order].tolist(), int(counts[order].sum())


def _directly(arrays: NameArrays, words: list[str], looked_up: list[_Word]) -> list[Uints]:
    """Rows that differ in gaps only, and those with the first and the last word, one of them perhaps misspelt."""
    known = {word.text: word.alike for word in looked_up}
    first, last = words[0], words[-1]
    closed, ends = [closed_key(" ".join(words))], [ends_key(first, last)]
    if len(words) == 1:
        closed += [closed_key(arrays.word(number)) for number in known.get(first, ())]
    else:
        if len(first) > 1:
            ends.append(ends_key(first[0], last))
        for word, other in ((first, last), (last, first)):
            ends += [ends_key(arrays.word(number), other) for number in known.get(word, ())]
    found = arrays.rows_closed(closed) + arrays.rows_ending(list(dict.fromkeys(ends)))
    return [rows[:COMPARED] for rows in found if len(rows)]


def _once(parts: list[Uints]) -> Uints:
    """The rows of all parts in order, each once. For so few, sorting takes a third of the time of `np.unique`."""
    rows = np.sort(np.concatenate(parts))
    first = np.ones(len(rows), np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    return rows[first]


def _summed(found: list[Uints], worth: list[float]) -> tuple[Uints, Array]:
    """All rows once, each with what the words it has are worth."""
    if not found:
        return np.empty(0, np.uint32), np.empty(0)
    rows, place = np.unique(np.concatenate(found), return_inverse=True)
    return rows, np.bincount(place, np.repeat(worth, [len(one) for one in found]), len(rows))


def _intersection(arrays: NameArrays, common: list[_Word]) -> Uints:
    """Rows that have the two rarest of common words; where there is only one word, the shortest of its rows."""
    word = common[0]
    parts = [arrays.rows_of(number)[:MOST_INTERSECTED] for number in (word.exact, *word.alike) if number >= 0]
    rows = parts[0] if len(parts) == 1 else _once([np.concatenate(parts)[:MOST_INTERSECTED]])
    if len(common) == 1:
        rows = rows[:ENOUGH]
        return rows[np.argsort(arrays.lengths(rows), kind="stable")[:COMPARED]]
    return rows[_having(arrays, common[1], rows) > 0]


def _having(arrays: NameArrays, word: _Word, rows: Uints) -> Array:
    """What a word is worth to each of some rows, in order: to those that have it or one alike."""
    having = np.zeros(len(rows), np.bool_)
    for number in (word.exact,) if word.exact >= 0 else word.alike[:MOST_NARROWING]:
        filed = arrays.rows_of(number)
        place = np.searchsorted(filed, rows)
        place[place == len(filed)] = 0
        having |= filed[place] == rows
    return having * word.weight


def _nearest(
    normalised: str, words: list[str], listed: list[tuple[int, str, float]], limit: int
) -> list[tuple[int, str, float]]:
    """The nearest by words shared and as strings, the words in the order written or sorted."""
    names = [name for _, name, _ in listed]
    straight = cdist([normalised], names, scorer=OSA.normalized_similarity)[0]
    turned = cdist(
        [" ".join(sorted(words))],
        [" ".join(sorted(name.split())) for name in names],
        scorer=OSA.normalized_similarity,
    )[0]
    shares = np.array([share for *_, share in listed])
    order = np.argsort(-(np.maximum(straight, turned) + 2 * shares), kind="stable")[:limit]
    return [listed[place] for place in order.tolist()]
