"""What every annotator is: documents in, the same documents with calls beside their text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from lamlam.text import Document


class Annotator(Protocol):
    """Finds the facts that texts state. The texts stay what they are, byte for byte."""

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents one after another, in their order, with calls added; id, text and meta as they came.

        Nothing is read ahead beyond what the annotator works on, so a corpus larger than memory passes through.
        """
        ...
