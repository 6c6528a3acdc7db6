"""Oracle bases: made from a benchmark's own answers, for as long as a measurement takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lamlam.kb import Fact, KnowledgeBase


@contextmanager
def temporary_base(facts: Iterable[Fact] = (), copy_of: KnowledgeBase | None = None) -> Iterator[KnowledgeBase]:
    """A base with `facts` in it, or with those that `copy_of` holds and `facts`; it is gone after the block.

    The copy is made fact by fact, aliases included, so that it works for every kind of store and changes to it never
    reach the original.
    """
    with TemporaryDirectory(prefix="lamlam-base-") as folder, KnowledgeBase.open(Path(folder) / "facts.db", True) as kb:
        if copy_of is not None:
            kb.add(copy_of)
            for entity in sorted({fact.entity for fact in copy_of}):
                for alias in copy_of.aliases(entity):
                    kb.add_alias(alias, entity)
        kb.add(facts)
        yield kb
