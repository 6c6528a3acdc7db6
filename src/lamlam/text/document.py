"""Document, Call and Lookup: text, with the calls kept beside it.

A document never holds markup inside its text. Written form, token form and plain text are renderings of it
(`lamlam.text.written`, `lamlam.text.tokens`), and their parsers are the renderings' exact inverses.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Span = tuple[int, int]
"""Character offsets (start, end) into `Document.text`; `end` is exclusive."""


class Lookup(NamedTuple):
    """A fact as a call asks for it: `value` is what the base returns for (`entity`, `relation`)."""

    entity: str
    relation: str
    value: str


class Call(NamedTuple):
    """A lookup inserted before character `at` of a document's text.

    `span` is where the value is mentioned in the text that follows, or None where the text never says it.
    """

    at: int
    lookup: Lookup
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A source text, untouched, and the calls that belong into it, in the order in which they are written.

    Raises ValueError if calls are out of order or point outside the text. `meta` holds JSON values only.
    """

    id: str
    text: str
    calls: tuple[Call, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", tuple(self.calls))
        previous = 0
        for call in self.calls:
            if not previous <= call.at <= len(self.text):
                raise ValueError(
                    f"document {self.id!r}: call at character {call.at} is out of order or outside the text "
                    f"(length {len(self.text)}): {call.lookup}"
                )
            if call.span is not None and not call.at <= call.span[0] <= call.span[1] <= len(self.text):
                raise ValueError(f"document {self.id!r}: span {call.span} lies outside the text after its call")
            previous = call.at

    @classmethod
    def with_lookups(
        cls, id: str, text: str, lookups: Iterable[tuple[int, Lookup]], meta: Mapping[str, Any] | None = None
    ) -> Document:
        """A document whose spans are found by `find_mention`; `lookups` are (at, lookup) pairs in order of `at`."""
        calls = tuple(Call(at, lookup, find_mention(text, at, lookup.value)) for at, lookup in lookups)
        return cls(id, text, calls, meta or {})


def find_mention(text: str, at: int, value: str) -> Span | None:
    """The first whole-word occurrence of `value` at or after character `at`, on the same line; None if there is none.

    Renderings do not carry spans, so parsers find them again by this rule: it is a function of (text, at, value).
    """
    if not value:
        return None
    line_end = text.find("\n", at)
    line_end = len(text) if line_end < 0 else line_end
    # A value may itself hold newlines; it then has to begin on this line.
    limit = min(len(text), line_end + len(value))
    start = text.find(value, at, limit)
    while start >= 0:
        end = start + len(value)
        cut_before = start > 0 and _in_word(text[start - 1]) and _in_word(value[0])
        cut_after = end < len(text) and _in_word(text[end]) and _in_word(value[-1])
        if not cut_before and not cut_after:
            return (start, end)
        start = text.find(value, start + 1, limit)
    return None


def _in_word(char: str) -> bool:
    """Whether the character is a letter, a digit, or a mark that belongs to one (an accent, an Indic vowel sign)."""
    return char.isalnum() or (not char.isascii() and unicodedata.category(char).startswith("M"))
