"""A backup of a base in PostgreSQL is an SQLite base: with its history, its other names, and what it has forgotten."""

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from tests.kb.postgres_server import Server


@pytest.mark.parametrize("filed_at_once", [True, False])
def test_a_backup_is_a_base_with_everything_in_it(server: Server, tmp_path, monkeypatch, filed_at_once):
    if not filed_at_once:
        monkeypatch.setattr("lamlam.kb.postgres_backup.MOST_RECENT", 3)
        monkeypatch.setattr("lamlam.kb.name_index.MOST_RECENT", 3)
    with server.lent() as url, KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact(f"Person {n}", "Job", f"job {n}", f"doc {n}", (n, n + 1), "me", 0.5) for n in range(9)], "me")
        kb.add([Fact("Ada Lovelace", "Born", "1814", rank=2, valid_from="1815"), Fact("Gone", "Job", "secret-4711")])
        kb.add_alias("The Countess", "Ada Lovelace")
        kb.add_synonym("profession", "Job", "me")
        kb.snapshot("then")
        kb.set("Ada Lovelace", "Born", "1815", author="you", reason="typo")
        kb.forget("Gone")
        kb.backup(tmp_path / "copy.db")
        with KnowledgeBase.open(tmp_path / "copy.db") as copy:
            assert copy.check() == []
            assert list(copy) == list(kb)
            assert copy.stats() | {"bytes": 0} == kb.stats() | {"bytes": 0}
            assert copy.history("Ada Lovelace") == kb.history("Ada Lovelace")
            assert copy.snapshots() == kb.snapshots()
            assert list(copy.as_of("then")) == list(kb.as_of("then"))
            assert copy.diff("then") == kb.diff("then")
            assert copy.lookup("the countess", "born").fact == kb.lookup("the countess", "born").fact
            assert copy.lookup("Ada Lovelacce", "Born").fact.value == "1815"
            assert copy.lookup("The Countes", "Born").fact.value == "1815"
            assert copy.lookup("Person 3", "profession").fact.value == "job 3"
            assert copy.add([Fact("Gone", "Job", "anything")]).refused == 1
            assert copy.rollback("then") == kb.rollback("then")
            assert list(copy) == list(kb)
        assert b"secret-4711" not in (tmp_path / "copy.db").read_bytes()
        with pytest.raises(LamlamError, match="already"):
            kb.backup(tmp_path / "copy.db")
        with pytest.raises(LamlamError, match="no folder"):
            kb.backup(tmp_path / "none" / "copy.db")
    assert not [file for file in tmp_path.iterdir() if "partial" in file.name]
