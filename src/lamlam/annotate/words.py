"""Texts as words with places, and what can be seen of a word without reading: the tagger's input."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamlam.kb.names import normalise
from lamlam.text import Span

_WORD = re.compile(r"\w+(?:[.,:]\d+)*|[^\w\s]")

FEATURES = (
    "capital",
    "all capitals",
    "has a digit",
    "four digits",
    "of the title",
    "said before",
    "quotation mark",
    "bracket",
    "after a sentence's end",
    "first line",
)


def words_of(text: str) -> list[Span]:
    """Where the words and punctuation marks of a text are; numbers like 1,234.5 are one word."""
    return [found.span() for found in _WORD.finditer(text)]


def features(text: str, words: Sequence[Span], title: str | None) -> list[list[float]]:
    """For every word the `FEATURES` as 0 or 1: shape [words][features]."""
    of_title = set(normalise(title or "").split())
    said: set[str] = set()
    rows: list[list[float]] = []
    first_line = text.find("\n") if "\n" in text else -1
    before = "."
    for start, end in words:
        word = text[start:end]
        lower = word.lower()
        flags = (
            word[0].isupper(),
            len(word) > 1 and word.isupper(),
            any(char.isdigit() for char in word),
            len(word) == 4 and word.isdigit(),
            lower in of_title,
            lower in said,
            word in "\"'“”‘’",
            word in "()[]",
            before in ".!?",
            start < first_line,
        )
        rows.append([float(flag) for flag in flags])
        said.add(lower)
        before = word
    return rows
