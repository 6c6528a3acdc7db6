"""Bases for as long as a measurement takes: made from a benchmark's answers, or a copy that may be changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lamlam.kb import Fact, KnowledgeBase


@contextmanager
def temporary_base(facts: Iterable[Fact] = (), copy_of: KnowledgeBase | None = None) -> Iterator[KnowledgeBase]:
    """A base with `facts` in it, or with all that `copy_of` holds and `facts`; it is gone after the block.

    Whatever is done to a copy never reaches the original.
    """
    with TemporaryDirectory(prefix="lamlam-base-") as folder:
        path = Path(folder) / "facts.db"
        if copy_of is not None:
            copy_of.backup(path)
        with KnowledgeBase.open(path, create=copy_of is None) as kb:
            kb.add(facts)
            yield kb


def forget_all(kb: KnowledgeBase, keys: Iterable[tuple[str, str]], author: str) -> None:
    """Forget each (entity, relation) that is still there: what is another spelling of one before has gone with it."""
    for entity, relation in keys:
        match = kb.lookup(entity, relation)
        if match is not None and (match.fact.entity, match.fact.relation) == (entity, relation):
            kb.forget(entity, relation, author=author)
