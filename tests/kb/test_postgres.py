"""What is PostgreSQL's own: databases that are no base, a server that goes, two writers, loads, and forgotten bytes."""

from collections.abc import Iterator

import psycopg
import pyarrow
import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, postgres
from lamlam.kb.postgres import PostgresStore
from tests.kb import postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    with postgres_server.running() as running:
        yield running


@pytest.fixture
def url(server: postgres_server.Server) -> str:
    return server.new_database()


def administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def refused(url: str, create: bool = False) -> str:
    with pytest.raises(LamlamError) as raised:
        KnowledgeBase.open(url, create=create).close()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_base_is_made_only_when_asked_for_and_is_there_afterwards(url):
    assert "create=True" in refused(url)
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Birth Date", "1815", source="d", span=(1, 5))])
    with KnowledgeBase.open(url) as one, KnowledgeBase.open(url) as other:
        one.set("Ada Lovelace", "Birth Date", "10 December 1815")
        assert other.lookup("Ada Lovelacce", "birth date").fact.value == "10 December 1815"


def test_what_is_no_base_says_so(server, url):
    administer(url, "CREATE TABLE facts (song TEXT)")
    assert "another program" in refused(url, create=True)
    assert "does not exist" in refused(server.url("nowhere"))
    assert "PostgreSQL" in refused(f"postgresql:///x?host={server.folder}/none")
    newer = server.new_database()
    KnowledgeBase.open(newer, create=True).close()
    administer(newer, "UPDATE meta SET value = '9' WHERE key = 'version'")
    assert "version 9" in refused(newer)


def test_a_second_writer_waits_and_then_says_so(url, monkeypatch):
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.1)
    with KnowledgeBase.open(url, create=True) as kb, psycopg.connect(url) as other:
        kb.add([Fact("a", "b", "c")])
        other.execute("LOCK TABLE transactions IN EXCLUSIVE MODE")
        with pytest.raises(LamlamError, match="another process is writing"):
            kb.add([Fact("a", "b", "d")])
        assert kb.lookup("a", "b").fact.value == "c"
        other.rollback()
        assert kb.add([Fact("a", "b", "d")]) == 1


def test_a_server_that_ends_the_connection(url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("a", "b", "c")])
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lamlam'"
        administer(url, end)
        for _ in range(2):
            with pytest.raises(LamlamError, match=r"server|closed") as raised:
                kb.lookup("a", "b")
            assert "\n" not in str(raised.value)


def test_a_closed_base_says_so(url):
    kb = KnowledgeBase.open(url, create=True)
    kb.close()
    kb.close()
    with pytest.raises(LamlamError, match="is closed"):
        kb.lookup("a", "b")


def test_a_load_gives_what_adding_gives(server, url):
    rows = [
        {"entity": f"Entity {n % 7}", "relation": "RS"[n % 2], "value": f"v{n % 5}", "rank": n % 3 or None}
        | {"source": f"d{n % 4}" if n % 3 else None, "start": n if n % 3 else None, "end": n + 2 if n % 3 else None}
        | {"confidence": 0.5 if n % 6 == 1 else None, "author": "me" if n % 5 == 1 else None}
        for n in range(200)
    ]
    facts = [
        Fact(
            row["entity"],
            row["relation"],
            row["value"],
            row["source"],
            None if row["start"] is None else (row["start"], row["end"]),
            row["author"],
            row["confidence"],
            row["rank"] or 0,
        )
        for row in rows
    ]
    batches = [pyarrow.RecordBatch.from_pylist(part, _schema()) for part in (rows[:90], rows[90:])]
    loaded = PostgresStore(url, create=True)
    added = loaded.load(batches, "me", "because")
    with KnowledgeBase.open(server.new_database(), create=True) as kb:
        assert kb.add(facts) == added
        assert list(loaded.facts()) == list(kb)
    assert added.known == 200 - added
    assert loaded.check() == []
    assert loaded.exact_many([("Entity 1", "S"), ("%", "\0"), ("Entity 1", "T")])[1:] == [None, None]
    with pytest.raises(LamlamError, match="still empty"):
        loaded.load(batches, None, None)
    loaded.add([Fact("Entity 1", "S", "later")], None, None, False)
    assert loaded.check() == []
    loaded.close()


def _schema() -> pyarrow.Schema:
    text, number = pyarrow.string(), pyarrow.int64()
    names = {"entity": text, "relation": text, "value": text, "rank": number, "source": text, "start": number}
    return pyarrow.schema({**names, "end": number, "confidence": pyarrow.float64(), "author": text})


def test_a_base_of_version_1_gets_a_table_of_synonyms(url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Educated At", "home")])
    administer(url, "DROP TABLE synonyms")
    administer(url, "UPDATE meta SET value = '1' WHERE key = 'version'")
    for _ in range(2):
        with KnowledgeBase.open(url) as kb:
            kb.add_synonym("schooling place", "Educated At")
            assert kb.lookup("Ada Lovelace", "schooling place").fact.value == "home"
            assert kb.check() == []


@pytest.mark.parametrize("value", ["", "a\0b", None])
def test_a_load_with_a_fact_that_cannot_be_stored_loads_nothing(url, value):
    store = PostgresStore(url, create=True)
    batch = pyarrow.record_batch({"entity": ["a", "b"], "relation": ["r", "r"], "value": ["v", value]})
    with pytest.raises(LamlamError, match="value of a fact"):
        store.load([batch], None, None)
    assert len(store) == 0
    assert store.add([Fact("a", "r", "v")], None, None, False) == 1
    store.close()


def test_nothing_forgotten_is_left_in_the_files_of_the_database(server, url):
    """In the tables and indexes; the write-ahead log is the server's."""
    secrets = [b"Zebediah", b"zebediah", b"Quux", b"quux", b"xylophone-4711", b"marimba-0815"]

    def left() -> list[bytes]:
        administer(url, "CHECKPOINT")
        raw = b"".join(file.read_bytes() for file in server.data.glob("base/**/*") if file.is_file())
        return [secret for secret in secrets if secret in raw]

    with KnowledgeBase.open(url, create=True) as kb:
        kb.add(Fact(f"Person {n}", "Birth Date", f"day {n}", source=f"doc {n}") for n in range(50))
        kb.add([Fact("Zebediah Quux", "Secret", "xylophone-4711", source="doc of Zebediah Quux", author="Quuxmaster")])
        kb.add_alias("Zebquuxter", "Zebediah Quux", reason="because Zebquuxter is Zebediah Quux")
        kb.set("Zebediah Quux", "Secret", "marimba-0815", author="Quuxmaster", reason="xylophone-4711 was wrong")
        administer(url, "ANALYZE")
        assert left() == secrets
        kb.forget("Zebquuxter")
        assert left() == []
        assert kb.lookup("Zebediah Quuxx", "Secret") is None
        assert kb.check() == []


def test_a_forget_that_was_stopped_is_finished_on_opening(url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("a", "b", "c")])
        administer(url, "INSERT INTO meta VALUES ('purge', '1')")
        assert any("forgotten bytes" in problem for problem in kb.check())
    with KnowledgeBase.open(url) as kb:
        assert kb.check() == []


def test_what_is_not_built_says_so(url, tmp_path):
    store = PostgresStore(url, create=True)
    with pytest.raises(LamlamError, match="cannot be compared"):
        store.diff(0, 1)
    with pytest.raises(LamlamError, match="pg_dump"):
        store.backup(tmp_path / "x")
    store.close()


def test_reading_at_a_moment_snapshots_and_rolling_back(url):
    store = PostgresStore(url, create=True)
    store.add([Fact("E", "R", "old", source="d")], "me", None, False)
    then = store.snapshot("then")
    store.set([Fact("E", "R", "new"), Fact("E", "S", "more")], None, None, False)
    entity = store.entity("E").id
    assert [fact.value for fact in store.exact("E", "R", 5, then.transaction)] == ["old"]
    assert [fact.value for fact in store.facts(at=then.transaction)] == ["old"]
    assert [named.name for named in store.relations_of(entity, at=then.transaction)] == ["R"]
    assert store.snapshots() == [then]
    assert store.transaction_at(then.time) == then.transaction
    assert store.rollback(then.transaction, None, None) == 3
    assert [(fact.value, fact.source) for fact in store.facts()] == [("old", "d")]
    assert [named.name for named in store.relations_of(entity, past=True)] == ["R", "S"]
    assert store.check() == []
    store.close()
