"""Where sentences end: at full stops that are not an abbreviation's or an initial's, and at the ends of lines; and long
texts in pieces that end there."""

from __future__ import annotations

import re

from lamlam.text import Span

_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s+[\"'“‘(\[]?[A-Z0-9\W])|\n+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|Gov|Sen|Rep|No|Nos|Vol|Mt|Ft|vs|v|c|ca|approx"
    r"|Inc|Ltd|Co|Corp|Bros|Jan|Feb|Mar|Apr|Aug|Sept|Sep|Oct|Nov|Dec|lit|pop|e\.g|i\.e|al|U\.S|U\.K|D\.C|Ph\.D|b|d|fl))\.$"
)


def sentences_of(text: str) -> list[Span]:
    """Spans that together hold all of the text but white space between them, each a sentence or a line."""
    found: list[Span] = []
    start = 0
    for end in _END.finditer(text):
        if end.group()[0] == "." and _ABBREVIATION.search(text, max(start, end.start() - 8), end.start() + 1):
            continue
        _add(found, text, start, end.end())
        start = end.end()
    _add(found, text, start, len(text))
    return found


def pieces_of(text: str, longest: int) -> list[Span]:
    """The text in stretches of at most `longest` characters, each a run of whole sentences.

    A sentence longer than that is cut at the last blank before, or in mid-word where it has none.
    """
    ends: list[int] = []
    for start, end in sentences_of(text):
        while end - start > longest:
            blank = text.rfind(" ", start + 1, start + longest)
            start = blank if blank > 0 else start + longest
            ends.append(start)
        ends.append(end)
    found: list[Span] = []
    begin, last = 0, 0
    for end in ends:
        if end - begin > longest and last > begin:
            found.append((begin, last))
            begin = last
        last = end
    if last > begin:
        found.append((begin, last))
    return found


def _add(found: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        found.append((start, end))
