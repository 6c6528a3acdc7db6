"""Documents as the local annotator reads them: parsed, and tagged.

Whoever makes calls (`local`) and whoever teaches the judge of calls (`readings`) read them in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamlam.annotate.coreference import Names
from lamlam.annotate.parse import Stretch, names_in, parse_all
from lamlam.annotate.tagger import Candidate, SpanTagger, Window, candidate_at, gather, state_at, windows_of
from lamlam.annotate.tagger_training import read_windows
from lamlam.text import Document, Span

AT_ONCE = 64
"""Documents that are parsed and tagged together."""


class Tagged(NamedTuple):
    """A document with a title, and what parser and tagger say of it: see `parse.Stretch`, `tagger.gather` and
    `tagger_training.read_windows`."""

    document: Document
    names: Names
    stretches: list[Stretch]
    words: list[Span]
    windows: list[Window]
    chances: np.ndarray
    states: list[np.ndarray]

    def candidate(self, span: Span) -> Candidate | None:
        """The words at `span` (characters of the text), with the tagger's chance; None where none stand there."""
        return candidate_at(self.chances, self.words, span)

    def state(self, at: Candidate) -> np.ndarray | None:
        """The tagger's mean state [hidden] over these words; None where no window holds them all."""
        return state_at(self.windows, self.states, at)


def tag_all(documents: Sequence[Document], parser: Any, tokenizer: Any, tagger: SpanTagger) -> Iterator[Tagged]:
    """Those of the documents that have a title, in their order; their windows are tagged together."""
    named = [(document, names) for document in documents if (names := names_in(document)) is not None]
    parsed = list(parse_all(parser, [document for document, _ in named]))
    cut = [windows_of(document, stretches, tokenizer) for (document, _), stretches in zip(named, parsed, strict=True)]
    of_windows = iter(read_windows(tagger, [window for _, windows in cut for window in windows]))
    for (document, names), stretches, (words, windows) in zip(named, parsed, cut, strict=True):
        found = [next(of_windows) for _ in windows]
        chances = gather(len(words), windows, [chances for chances, _ in found])
        yield Tagged(document, names, stretches, words, windows, chances, [states for _, states in found])
