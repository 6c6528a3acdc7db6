from collections.abc import Iterator
from pathlib import Path

import pytest

from lamlam.kb import Fact, KnowledgeBase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "facts.db"


@pytest.fixture
def kb(path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(path, create=True) as base:
        yield base


@pytest.fixture
def ada(kb: KnowledgeBase) -> KnowledgeBase:
    kb.add(
        [
            Fact("Ada Lovelace", "Birth Date", "10 December 1815", source="doc-17", span=(28, 44)),
            Fact("Ada Lovelace", "Occupation", "mathematician"),
            Fact("Charles Babbage", "Birth Date", "26 December 1791"),
        ]
    )
    return kb
