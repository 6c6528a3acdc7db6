"""Wiping the gaps of pages: nothing of the deleted is left, nothing else is touched, nobody's copies bring it back."""

import sqlite3
from pathlib import Path
from random import Random

import pytest

from lamlam.kb import Fact, KnowledgeBase, rawfile
from lamlam.kb.scrub import scrub


def raw(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


@pytest.mark.parametrize("page_size", [4096, 65536])
def test_what_secure_delete_leaves_is_wiped_and_the_rest_stays(tmp_path, page_size):
    path = tmp_path / "x.db"
    rng = Random(page_size)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID")
    connection.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT)")
    rows = [
        (f"key {rng.getrandbits(60):x}", f"value {rng.getrandbits(60):x} " + "y" * rng.randrange(900))
        for _ in range(1500)
    ]
    connection.execute("BEGIN")
    for key, value in rows:
        connection.execute("INSERT INTO t VALUES (?, ?)", (key, value))
        connection.execute("INSERT INTO u (v) VALUES (?)", (value,))
    gone, kept = rows[::2], rows[1::2]
    for key, _ in gone:
        connection.execute("DELETE FROM t WHERE k = ?", (key,))
    connection.executemany("DELETE FROM u WHERE id = ?", [(number,) for number in range(1, len(rows), 2)])
    connection.execute("COMMIT")
    secrets = [key.encode() for key, _ in gone] + [value[:20].encode() for _, value in gone]
    before = path.read_bytes()
    connection.close()
    left = [secret for secret in secrets if secret in before]
    file = rawfile.hold(path)
    assert scrub(file) > 0
    assert scrub(file) == 0
    rawfile.release(file)
    assert left  # or this would show nothing
    after = path.read_bytes()
    assert [secret for secret in secrets if secret in after] == []
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sorted(connection.execute("SELECT * FROM t")) == sorted(kept)
    assert sorted(row[0] for row in connection.execute("SELECT v FROM u")) == sorted(value for _, value in kept)
    connection.close()


def test_pages_that_others_remember_do_not_bring_it_back(kb, path):
    rng = Random(1)
    values = [f"{rng.getrandbits(60):x}" for _ in range(1500)]
    facts = [Fact("Kept" if n % 2 else "Gone", f"R{n % 7}", value) for n, value in enumerate(values)]
    rng.shuffle(facts)
    with KnowledgeBase.open(path) as other:
        for start in range(0, len(facts), 250):
            (kb, other)[start // 250 % 2].add(facts[start : start + 250])
        assert len(list(other)) == len(list(kb)) == 1500
        kb.forget("Gone")
        assert [value for value in values[::2] if value.encode() in raw(path)] == []
        # Pages all over the file are written again, by the one that did not forget.
        other.add(Fact("Kept", f"R{n % 7}", f"{rng.getrandbits(60):x}") for n in range(1000))
        other.edit(Fact(f"New {n}", "R", f"{rng.getrandbits(60):x}") for n in range(500))
        assert [value for value in values[::2] if value.encode() in raw(path)] == []
        assert other.check() == []
    assert [value for value in values[::2] if value.encode() in raw(path)] == []


def test_a_long_value_goes_with_all_its_pages(kb, path):
    parts = [f"part-{number:05}-of-the-secret" for number in range(3000)]
    kb.add([Fact("E", "R", " ".join(parts)), Fact("F", "R", "x" * 50_000)])
    kb.forget("E")
    assert [part for part in parts if part.encode() in raw(path)] == []
    assert kb.lookup("F", "R").fact.value == "x" * 50_000
    assert kb.check() == []


def test_a_value_that_was_only_there_within_an_edit_leaves_nothing(kb, path):
    kb.edit([Fact("E", "R", "slip-of-the-hand"), Fact("E", "R", "meant")])
    kb.forget("E")
    assert b"slip-of-the-hand" not in raw(path)


def test_closing_one_base_leaves_the_locks_of_another(path):
    """Closing any descriptor of a file drops all locks that the process has on it."""
    with KnowledgeBase.open(path, create=True) as kb:
        KnowledgeBase.open(path).close()
        kb._store._connection.execute("BEGIN IMMEDIATE")
        KnowledgeBase.open(path).close()
        locks = Path("/proc/locks").read_text()
        assert str(path.stat().st_ino) in locks
        kb._store._connection.execute("ROLLBACK")
