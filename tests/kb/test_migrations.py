"""Bases of older versions, made by the tables of their time, open as ones of this version with nothing lost."""

import sqlite3
from pathlib import Path

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, schema


def made_by(path: Path, version: int) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((Path(__file__).parent / f"version_{version}.sql").read_text())
    connection.close()
    return path


@pytest.fixture
def old(path: Path) -> Path:
    return made_by(path, 1)


def test_everything_is_there(old):
    with KnowledgeBase.open(old) as kb:
        assert kb.check() == []
        assert list(kb) == [
            Fact("Ada Lovelace", "Birth Date", "10 December 1815", author="me"),
            Fact("Ada Lovelace", "Job", "poet", "doc", (3, 7), confidence=0.5),
            Fact("Charles Babbage", "Job", "poet"),
        ]
        assert [(c.old, c.new, c.author, c.reason) for c in kb.history("Ada Lovelace", "Birth Date")] == [
            (None, "1816", "import", "first"),
            ("1816", "10 December 1815", "me", "typo"),
        ]
        assert kb.lookup("the countess", "job").fact.value == "poet"
        assert kb.lookup("Ada Lovelacce", "Job").fact.value == "poet"
        assert kb.add([Fact("Gone", "R", "v")]).refused == 1
        assert kb.as_of("2001-09-10").lookup("Ada Lovelace", "Birth Date").fact == Fact(
            "Ada Lovelace", "Birth Date", "1816", "doc"
        )
        assert kb.rollback("2001-09-10") > 0
        assert kb.check() == []
        kb.forget("Ada Lovelace")
        assert kb.check() == []
    raw = b"".join(file.read_bytes() for file in old.parent.iterdir())
    assert b"Lovelace" not in raw
    assert b"lovelace" not in raw
    assert b"1816" not in raw


def test_one_that_cannot_be_written_says_what_to_do(old, monkeypatch):
    monkeypatch.setattr(schema.os, "access", lambda path, mode: False)
    with pytest.raises(LamlamError, match="older version 1 and cannot be written"):
        KnowledgeBase.open(old)


def test_a_migration_that_fails_changes_nothing(old, monkeypatch):
    from lamlam.kb import migrations

    def fail(name: str) -> str:
        raise KeyboardInterrupt

    before = old.read_bytes()
    monkeypatch.setattr(migrations, "normalise", fail)
    with pytest.raises(KeyboardInterrupt):
        KnowledgeBase.open(old)
    monkeypatch.undo()
    assert old.read_bytes() == before
    with KnowledgeBase.open(old) as kb:
        assert len(kb) == 3


def test_version_2_gets_a_table_of_synonyms(path):
    with KnowledgeBase.open(made_by(path, 2)) as kb:
        assert kb.check() == []
        assert [(change.old, change.new) for change in kb.history("Countess", "Birth Date")] == [
            (None, "1816"),
            ("1816", "10 December 1815"),
        ]
        [alias] = kb.other_names("aliases")
        assert (alias.name, alias.author, alias.reason) == ("Countess", "me", "her title")
        assert kb.add_synonym("trade", "Job")
        assert kb.lookup("the countess", "trade").fact.value == "poet"
        assert kb.add([Fact("Gone", "R", "v")]).refused == 1
        assert kb.check() == []


def test_a_version_that_never_was_says_what_to_do(path):
    with KnowledgeBase.open(path, create=True):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 0")
    connection.close()
    with pytest.raises(LamlamError, match="has version 0, which this lamlam cannot read"):
        KnowledgeBase.open(path)
