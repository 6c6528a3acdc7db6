"""What is not a base of this version says so in one line; what cannot be written to can still be read."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, schema


@pytest.fixture
def made(path: Path) -> Path:
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add(Fact(f"E{n}", "R", f"v{n}") for n in range(500))
    return path


def refused(path: str | Path, create: bool = False) -> str:
    with pytest.raises(LamlamError) as raised:
        KnowledgeBase.open(path, create=create).close()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_missing_file_is_not_made_unasked(path):
    assert "no base at" in refused(path)
    assert not path.exists()


def test_a_missing_folder(tmp_path):
    assert "no folder" in refused(tmp_path / "none" / "facts.db", create=True)


def test_a_folder(tmp_path):
    assert "is a folder" in refused(tmp_path)


def test_an_empty_file(path):
    path.touch()
    assert "empty file" in refused(path)
    KnowledgeBase.open(path, create=True).close()
    KnowledgeBase.open(path).close()


@pytest.mark.parametrize("create", [True, False])
def test_something_else(path, create):
    path.write_bytes(b"PAR1 and then some")
    assert "not an SQLite file" in refused(path, create)
    assert path.read_bytes() == b"PAR1 and then some"


def test_another_programs_database(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (title)")
    other.close()
    assert "another program's" in refused(path, create=True)


@pytest.mark.parametrize(("version", "mend"), [(schema.VERSION + 1, "newer lamlam"), (0, "build the base again")])
def test_another_version(made, version, mend):
    with sqlite3.connect(made) as other:
        other.execute(f"PRAGMA user_version = {version}")
    other.close()
    assert mend in refused(made)


@pytest.mark.parametrize("keep", [60, 4096, 20_000])
def test_a_file_cut_off(made, keep):
    os.truncate(made, keep)
    assert "cut off" in refused(made)


def test_damaged_pages_are_found_by_check_or_when_they_are_read(made):
    size = made.stat().st_size
    with made.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 4))
    found = ""
    try:
        with KnowledgeBase.open(made) as kb:
            found = " ".join(kb.check())
    except LamlamError as error:
        found = str(error)
    assert "damaged" in found or "malformed" in found or "page" in found.lower()


@pytest.mark.parametrize(("url", "says"), [("postgresql://h/db", "PostgreSQL"), ("http://h/db", "http://")])
def test_urls(url, says):
    assert says in refused(url)


def test_a_read_only_base_is_read_but_not_written(made, monkeypatch):
    monkeypatch.setattr(schema.os, "access", lambda path, mode: False)
    with KnowledgeBase.open(made) as kb:
        assert kb.lookup("E1", "R").fact.value == "v1"
        assert kb.forget("E1", dry_run=True).facts
        for write in (lambda: kb.add([Fact("a", "b", "c")]), lambda: kb.set("E1", "R", "x"), lambda: kb.forget("E1")):
            with pytest.raises(LamlamError, match="read-only"):
                write()
    assert [file.name for file in made.parent.iterdir()] == [made.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(made):
    made.chmod(0o444)
    made.parent.chmod(0o555)
    try:
        with KnowledgeBase.open(made) as kb:
            assert kb.lookup("E1", "R").fact.value == "v1"
    finally:
        made.parent.chmod(0o755)


def test_a_second_writer_waits_and_then_says_so(made, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.1)
    with KnowledgeBase.open(made) as kb:
        other = sqlite3.connect(made, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LamlamError, match="another process is writing"):
            kb.add([Fact("a", "b", "c")])
        assert kb.lookup("E1", "R").fact.value == "v1"
        other.execute("ROLLBACK")
        other.close()
        assert kb.add([Fact("a", "b", "c")]) == 1


def test_two_bases_open_on_one_file_see_each_others_changes(made):
    with KnowledgeBase.open(made) as one, KnowledgeBase.open(made) as other:
        one.set("E1", "R", "new")
        assert other.lookup("E1", "R").fact.value == "new"


def test_a_base_copied_without_its_log_is_whole_after_closing(made, tmp_path):
    shutil.copy(made, tmp_path / "copy.db")
    with KnowledgeBase.open(tmp_path / "copy.db") as kb:
        assert (len(kb), kb.check()) == (500, [])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM entities WHERE name = 'E1'", "entity is missing"),
        ("DELETE FROM transactions", "transaction"),
        ("UPDATE facts SET support = 7 WHERE entity = 1", "support"),
        ("UPDATE words SET entities = 9 WHERE word = 'e1'", "counted wrongly"),
        ("INSERT INTO aliases VALUES ('x', 99999, 'x', 1, NULL)", "aliases of no entity"),
        ("UPDATE normalised SET hash = 5 WHERE entity = 1", "normal form"),
        ("DELETE FROM normalised WHERE entity = 1", "normal form"),
        ("INSERT INTO normalised VALUES (5, 99999)", "normal form"),
        ("INSERT INTO evidence VALUES (1, 1, 99999, 0, -1, -1, 0, '', '', 2, NULL, NULL)", "evidence without"),
        ("UPDATE relations SET facts = 9", "relations counted wrongly"),
        ("UPDATE texts SET uses = 9 WHERE text = 'v1'", "values counted wrongly"),
        ("INSERT INTO sources VALUES (1, 'd', 3)", "sources counted wrongly"),
        ("INSERT INTO authors VALUES (1, 'a', 3)", "authors counted wrongly"),
        ("INSERT INTO past VALUES (1, 1, 1, 77, 78, 0, 1, 1)", "former facts without the transactions"),
    ],
)
def test_check_finds_what_is_wrong(made, damage, says):
    with sqlite3.connect(made) as other:
        other.execute(damage)
    other.close()
    with KnowledgeBase.open(made) as kb:
        assert [problem for problem in kb.check() if says in problem]
