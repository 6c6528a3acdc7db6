"""When a continuation gives a value: strictly, as the peer counts it, and by containing it.

All three take several accepted values (a name and its aliases): one of them is enough.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from lamlam.kb.names import normalise

PEER_WORDS = 5

_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{2})[.!?](?=\s|$)|\n")
"""A full stop after a word of two letters, so that the one of "J. Smith" ends nothing."""


def strict(text: str, values: Iterable[str]) -> bool:
    """The text starts with a value, white space aside, and the word ends there.

    "Paris" is given by "Paris, where", not by "Parisian" or "in Paris".
    """
    return any(_starts_with(text.lstrip(), value.strip()) for value in values)


def peer_lenient(text: str, values: Iterable[str]) -> bool:
    """What the peer calls exact match: a value is a substring of the first five words, whatever its case.

    "Paris" is given by "the Parisian quarter of", and a value of more than five words by nothing.
    """
    words = " ".join(text.split()[:PEER_WORDS]).casefold()
    return any(" ".join(value.split()).casefold() in words for value in values)


def contains(text: str, values: Iterable[str]) -> bool:
    """The first answer (up to the end of its sentence or line) holds a value as whole words.

    Case, accents and punctuation do not count, as in a base's names.
    """
    answer = f" {normalise(first_answer(text))} "
    return any(f" {normalise(value)} " in answer for value in values)


def first_answer(text: str) -> str:
    """The first sentence or line of a continuation."""
    text = text.strip()
    end = _SENTENCE_END.search(text)
    return text[: end.start()] if end else text


def _starts_with(text: str, value: str) -> bool:
    following = text[len(value) : len(value) + 1]
    in_word = following.isalnum() or (following != "" and unicodedata.category(following).startswith("M"))
    return text.startswith(value) and not in_word
