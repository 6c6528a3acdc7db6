"""What is PostgreSQL's own: databases that are no base, a server that goes, rights, loads cut short, bytes."""

import threading
from collections.abc import Iterator

import psycopg
import pyarrow
import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, postgres_load, postgres_schema
from tests.kb.postgres_server import Server, running


@pytest.fixture
def url(server: Server) -> str:
    return server.new_database()


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
    server.execute(url, "CREATE TABLE facts (song TEXT)")
    assert "another program" in refused(url, create=True)
    assert "does not exist" in refused(server.url("nowhere"))
    assert "PostgreSQL" in refused(f"postgresql:///x?host={server.folder}/none")
    newer = server.new_database()
    KnowledgeBase.open(newer, create=True).close()
    server.execute(newer, "UPDATE meta SET value = '9' WHERE key = 'version'")
    assert "version 9" in refused(newer)


def test_a_second_writer_waits_and_then_says_so(url, monkeypatch):
    monkeypatch.setattr(postgres_schema, "LOCK_SECONDS", 0.1)
    with KnowledgeBase.open(url, create=True) as kb, psycopg.connect(url) as other:
        kb.add([Fact("a", "b", "c")])
        other.execute("LOCK TABLE transactions IN EXCLUSIVE MODE")
        with pytest.raises(LamlamError, match="another process is writing"):
            kb.add([Fact("a", "b", "d")])
        assert kb.lookup("a", "b").fact.value == "c"
        other.rollback()
        assert kb.add([Fact("a", "b", "d")]) == 1


END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lamlam'"


def test_a_connection_that_the_server_ended_is_made_again(server, url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("a", "b", "c")])
        server.execute(url, END)
        assert kb.lookup("a", "b").fact.value == "c"
        assert kb.add([Fact("a", "b", "d")]) == 1
        server.execute(url, END)
        assert kb.forget("a").facts
        server.execute(url, END)
        assert kb.snapshot("now").name == "now"


def test_a_connection_that_ends_in_the_middle_of_a_change_leaves_nothing_of_it(server, url):
    def facts() -> Iterator[Fact]:
        yield Fact("a", "b", "c")
        server.execute(url, END)
        yield Fact("a", "b", "d")

    with KnowledgeBase.open(url, create=True) as kb:
        with pytest.raises(LamlamError, match="PostgreSQL server cannot be used") as raised:
            kb.add(facts())
        assert "\n" not in str(raised.value)
        assert (len(kb), kb.stats()["transactions"]) == (0, 0)
        assert kb.add([Fact("a", "b", "c")]) == 1
        assert kb.check() == []


def test_a_server_that_is_away(server):
    with running() as other:
        url = other.new_database()
        with KnowledgeBase.open(url, create=True) as kb:
            kb.add([Fact("a", "b", "c")])
            other.stop()
            for ask in (lambda: kb.lookup("a", "b"), lambda: kb.add([Fact("a", "b", "d")]), lambda: list(kb)):
                with pytest.raises(LamlamError, match="check the URL and that it runs") as raised:
                    ask()
                assert "\n" not in str(raised.value)
            assert "check the URL" in refused(url)
            other.start()
            assert kb.lookup("a", "b").fact.value == "c"
            assert kb.add([Fact("a", "b", "d")]) == 1


def test_a_password_is_never_shown(server, url, caplog, capfd):
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
    server.execute(url, "CREATE ROLE locked LOGIN PASSWORD 'right-4711'", "SELECT pg_reload_conf()")
    address = url.replace("user=lamlam", "user=locked")
    assert "password" in refused(f"{address}&password=wrong-4711")
    for malformed in ("postgresql://locked:wr%ng-4711@/x", "postgresql://locked:4711@x:y-4711@h:p/x"):
        said = refused(malformed)
        assert "4711" not in said
    server.execute(url, "GRANT ALL ON SCHEMA public TO locked")
    with KnowledgeBase.open(f"{address}&password=right-4711", create=True) as kb:
        kb.add([Fact("a", "b", "c")])
        assert "4711" not in repr(kb)
    assert "4711" not in caplog.text + "".join(capfd.readouterr())


def test_a_role_that_may_only_read(server, url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Born", "1815")])
    server.execute(
        url, "CREATE ROLE reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        "INSERT INTO meta VALUES ('purge', '1')",
    )  # fmt: skip
    with KnowledgeBase.open(url.replace("user=lamlam", "user=reader")) as kb:
        assert kb.lookup("Ada Lovelacce", "born").fact.value == "1815"
        assert kb.forget("Ada Lovelace", dry_run=True).facts
        for write in (
            lambda: kb.add([Fact("a", "b", "c")]),
            lambda: kb.set("Ada Lovelace", "Born", "1816"),
            lambda: kb.forget("Ada Lovelace"),
            lambda: kb.snapshot("s"),
            lambda: kb.load([]),
        ):
            with pytest.raises(LamlamError, match=r"cannot be written to.*ask the server's owner") as raised:
                write()
            assert "\n" not in str(raised.value)
        assert any("forgotten bytes" in problem for problem in kb.check())


def test_what_a_writer_forgets_who_owns_nothing_is_purged_by_the_owner(server, url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Born", "xylophone-4711"), Fact("E", "R", "v")])
    rights = "GRANT ALL ON ALL {} IN SCHEMA public TO writer"
    server.execute(url, "CREATE ROLE writer LOGIN", rights.format("TABLES"), rights.format("SEQUENCES"))
    for _ in range(2):
        with KnowledgeBase.open(url.replace("user=lamlam", "user=writer")) as kb:
            assert kb.add([Fact("a", "b", "c")]) + kb.set("a", "b", "d") > 0
            if kb.lookup("Ada Lovelace", "Born"):
                with pytest.raises(LamlamError, match="only their owner may write anew"):
                    kb.forget("Ada Lovelace")
            assert any("forgotten bytes" in problem for problem in kb.check())
    with KnowledgeBase.open(url) as kb:
        assert kb.check() == []
        assert b"xylophone-4711" not in server.raw(url)


def test_two_writers_take_turns(url):
    with KnowledgeBase.open(url, create=True) as one, KnowledgeBase.open(url) as other:
        writers = [
            threading.Thread(target=lambda kb=kb, n=n: [kb.set(f"E{n}", "R", str(step)) for step in range(20)])
            for n, kb in enumerate((one, other))
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [len(one.history(f"E{n}")) for n in (0, 1)] == [20, 20]
        assert one.stats()["transactions"] == 40
        assert one.check() == []


TABLE = pyarrow.table({"entity": ["Ada Lovelace", "Alan Turing"], "relation": ["R", "R"], "value": ["v", "w"]})


def test_a_load_that_stops_halfway_leaves_an_empty_base(url, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with KnowledgeBase.open(url, create=True) as kb:
        monkeypatch.setattr(postgres_load, "_send_facts", stop)
        with pytest.raises(KeyboardInterrupt):
            kb.load(TABLE.to_batches())
        monkeypatch.undo()
        assert (len(kb), kb.stats()["transactions"], kb.check()) == (0, 0, [])
        assert kb.load(TABLE.to_batches()) == 2
        assert kb.lookup("Ada Lovelacce", "R").fact.value == "v"


def test_a_load_that_stops_before_its_index_of_names_is_finished_on_opening(server, url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.load(TABLE.to_batches())
        kb.add_alias("Countess", "Ada Lovelace")
        server.execute(url, "TRUNCATE spoken", "INSERT INTO meta VALUES ('names_behind', '1')")
        assert kb.lookup("Ada Lovelacce", "R") is None
    with KnowledgeBase.open(url) as kb:
        assert kb.lookup("Ada Lovelacce", "R").fact.value == "v"
        assert kb.lookup("Countes", "R").fact.value == "v"
        assert kb.check() == []


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_base_is_brought_up_to_date(server, url, version):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Educated At", "home")])
    server.execute(
        url,
        *(["DROP TABLE synonyms"] if version == 1 else []),
        "DROP TABLE unnamed",
        f"UPDATE meta SET value = '{version}' WHERE key = 'version'",
    )
    for _ in range(2):
        with KnowledgeBase.open(url) as kb:
            kb.add_synonym("schooling place", "Educated At")
            assert kb.lookup("Ada Lovelace", "schooling place").fact.value == "home"
            assert kb.check() == []
    with KnowledgeBase.open(url) as kb:
        kb.forget("Ada Lovelace")
        assert kb.check() == []


def test_nothing_forgotten_is_left_in_any_file_of_a_server_that_does_not_keep_its_log():
    secrets = [b"Zebediah", b"zebediah", b"Quux", b"quux", b"xylophone-4711", b"marimba-0815"]
    with running("-c fsync=off -c wal_recycle=off -c min_wal_size=2MB") as server:

        def left() -> list[bytes]:
            raw = b"".join(file.read_bytes() for file in server.folder.rglob("*") if file.is_file())
            return [secret for secret in secrets if secret in raw]

        with KnowledgeBase.open(server.new_database(), create=True) as kb:
            kb.add(Fact(f"Person {n}", "Birth Date", f"day {n}", source=f"doc {n}") for n in range(50))
            kb.add([Fact("Zebediah Quux", "Secret", "xylophone-4711", source="of Zebediah Quux", author="Quuxmaster")])
            kb.add_alias("Zebquuxter", "Zebediah Quux", reason="because Zebquuxter is Zebediah Quux")
            kb.set("Zebediah Quux", "Secret", "marimba-0815", author="Quuxmaster", reason="xylophone-4711 was wrong")
            server.execute(kb._store._url, "ANALYZE")
            assert left() == secrets
            kb.forget("Zebquuxter")
            assert left() == []
            assert kb.lookup("Zebediah Quuxx", "Secret") is None
            assert kb.check() == []


@pytest.mark.parametrize("held", ["SELECT 1", "SELECT count(*) FROM texts"])
def test_bytes_held_by_a_reader_go_when_the_base_is_next_opened(server, url, held, monkeypatch):
    monkeypatch.setattr(postgres_schema, "LOCK_SECONDS", 0.2)
    with KnowledgeBase.open(url, create=True) as kb, psycopg.connect(url) as other:
        kb.add([Fact("Ada Lovelace", "Secret", "xylophone-4711"), Fact("E", "R", "v")])
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute(held)
        with pytest.raises(LamlamError, match="while another connection reads"):
            kb.forget("Ada Lovelace")
        assert kb.lookup("Ada Lovelace", "Secret") is None
        assert any("forgotten bytes" in problem for problem in kb.check())
        assert b"xylophone-4711" in server.raw(url)
        other.rollback()
    with KnowledgeBase.open(url) as kb:
        assert kb.check() == []
        assert b"xylophone-4711" not in server.raw(url)


def test_a_forget_that_was_stopped_is_finished_on_opening(server, url):
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("a", "b", "c")])
        server.execute(url, "INSERT INTO meta VALUES ('purge', '1')")
        assert any("forgotten bytes" in problem for problem in kb.check())
    with KnowledgeBase.open(url) as kb:
        assert kb.check() == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM entities WHERE name = 'E1'", "entity is missing"),
        ("DELETE FROM transactions", "transaction"),
        ("UPDATE facts SET support = 7 WHERE entity = 1", "support"),
        ("INSERT INTO aliases VALUES ('x', 99999, 'x', 1, NULL)", "aliases of no entity"),
        ("INSERT INTO spoken VALUES (99999, ' x ')", "names filed for no entity"),
        ("INSERT INTO evidence VALUES (1, 1, 99999, 0, -1, -1, 0, '', '', 2, NULL, NULL)", "evidence without"),
        ("UPDATE relations SET facts = 9", "relations counted wrongly"),
        ("UPDATE relations SET past = 9", "relations counted wrongly"),
        ("UPDATE texts SET uses = 9 WHERE text = 'v1'", "values counted wrongly"),
        ("INSERT INTO sources VALUES (1, 'd', 3)", "sources counted wrongly"),
        ("INSERT INTO authors VALUES (1, 'a', 3)", "authors counted wrongly"),
        ("INSERT INTO past VALUES (1, 1, 1, 77, 78, 0, 1, 1)", "former facts without the transaction"),
        ("INSERT INTO entities (id, name) VALUES (7, 'E1')", "there twice"),
    ],
)
def test_check_finds_what_is_wrong(server, damage, says):
    with server.lent() as url, KnowledgeBase.open(url, create=True) as kb:
        kb.add(Fact(f"E{n}", "R", f"v{n}") for n in range(3))
        server.execute(url, damage)
        assert [problem for problem in kb.check() if says in problem]
