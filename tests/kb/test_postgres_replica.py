"""Names copied to this machine: found as the server has them at that moment, and wiped when it has them no more."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, postgres_replica
from lamlam.kb.postgres import PostgresStore
from tests.kb.postgres_server import Server, running

READER = """
import json, sys
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase
with KnowledgeBase.open(sys.argv[1]) as kb:
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            match = kb.lookup(line.strip(), "R")
            print(json.dumps(match and match.fact.entity), flush=True)
        except LamlamError as error:
            print(json.dumps(f"error: {error}"), flush=True)
"""
PEOPLE = [f"{first} {last}" for first in ("Ada", "Mary", "Alan") for last in ("Lovelace", "Shelley", "Turing")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "replica"


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with server.lent() as url:
        yield url


def raw(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def reader() -> Iterator[Callable[[str], Callable[[str], str | None]]]:
    """Starts processes that look names up, and gives what asks them."""
    with ExitStack() as stack:

        def start(url: str) -> Callable[[str], str | None]:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", READER, url], **pipes))
            assert process.stdout.readline() == "ready\n"

            def ask(name: str) -> str | None:
                process.stdin.write(name + "\n")
                return json.loads(process.stdout.readline())

            return ask

        yield start


def test_another_process_follows_through_changes_a_restart_and_a_forget(reader, folder):
    with running() as server:
        url = server.new_database()
        kb = KnowledgeBase.open(url, create=True)
        kb.add(Fact(name, "R", "v") for name in [*PEOPLE, "Zebediah Quux", "Barnaby Wugg"])
        ask = reader(f"{url}&replica={folder}")
        assert ask("Zebediah Quuxx") == "Zebediah Quux"
        kb.add([Fact("Wilhelmina Oppenheimer", "R", "v")])
        kb.add_alias("Xanthippe Zweig", "Ada Lovelace")
        assert ask("Wilhelmina Openheimer") == "Wilhelmina Oppenheimer"
        assert ask("Xantippe Zweig") == "Ada Lovelace"
        assert b"zebediah" in raw(folder)
        server.stop()
        assert ask("Zebediah Quuxx").startswith("error: the PostgreSQL server cannot be used")
        server.start()
        kb.forget("Zebediah Quux")
        kb.forget("Wilhelmina Oppenheimer")
        assert ask("Zebediah Quuxx") is None
        assert ask("Wilhelmina Openheimer") is None
        left = raw(folder)
        assert [name for name in (b"zebediah", b"quux", b"wilhelmina") if name in left] == []
        assert b"barnaby" in left
        # A look for something else is enough, and so is opening the base.
        kb.forget("Barnaby Wugg")
        assert ask("Ada Lovelaze") == "Ada Lovelace"
        assert b"barnaby" not in raw(folder)
        kb.forget("Mary Shelley")
        assert reader(f"{url}&replica={folder}")("Mary Sheley") is None
        assert b"mary shelley" not in raw(folder)
        assert ask("Mary Sheley") is None
        assert ask("Mary Turingg") == "Mary Turing"
        kb.close()


def test_what_was_forgotten_in_between_is_never_answered(url, folder):
    """Between the search and the question to the server, which is where it would slip through."""
    with KnowledgeBase.open(url, create=True) as kb, KnowledgeBase.open(f"{url}&replica={folder}") as other:
        kb.add(Fact(name, "R", "v") for name in PEOPLE)
        replica = other._store._near
        assert replica.near("ada lovelaze")[0].name == "Ada Lovelace"
        search, calls = replica._current, 0

        def forgotten_meanwhile():
            nonlocal calls
            calls += 1
            arrays = search()
            if calls == 1:
                kb.forget("Ada Lovelace")
            return arrays

        replica._current = forgotten_meanwhile
        assert "Ada Lovelace" not in [named.name for named in replica.near("ada lovelaze")]
        assert b"ada lovelace" not in raw(folder)


def test_it_finds_what_the_file_of_a_base_finds(url, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(postgres_replica, "MOST_RECENT", 12)
    monkeypatch.setattr("lamlam.kb.name_index.MOST_RECENT", 12)
    names = [f"{first} {middle}. {last}" for first in ("Ada", "Jo") for middle in "ABC" for last in PEOPLE]
    with (
        KnowledgeBase.open(tmp_path / "facts.db", create=True) as file,
        KnowledgeBase.open(f"{url}&replica={folder}", create=True) as kb,
    ):
        for part in (names[:20], names[20:25], names[25:]):
            for base in (file, kb):
                base.add(Fact(name, "R", "v") for name in part)
                base.add_alias(f"The {part[0]} of old", part[0])
                if len(base) > 30:
                    base.forget(names[3])
                base.snapshot(f"with {len(part)} more")
            for name in names:
                for query in (name[:-1], name.replace("a", "e", 1), f"{name}x", f"the {name} of olt"):
                    assert kb.candidates(query, 3) == file.candidates(query, 3), query
        assert kb.rollback("with 20 more") == file.rollback("with 20 more")
        assert kb.candidates(f"{names[21]}x", 3) == file.candidates(f"{names[21]}x", 3)
        assert kb.check() == []
    assert len(list(folder.rglob("names-*"))) == 1


@pytest.mark.parametrize("damage", ["cut", "lost", "state", "behind"])
def test_a_damaged_replica_is_made_again(url, folder, damage):
    with KnowledgeBase.open(f"{url}&replica={folder}", create=True) as kb:
        kb.add(Fact(name, "R", "v") for name in PEOPLE)
    arrays, state = next(folder.rglob("names-*")), next(folder.rglob("state.json"))
    (arrays.parent / ".names-1.1.partial").write_bytes(b"left by a process that was killed")
    match damage:
        case "cut":
            arrays.write_bytes(arrays.read_bytes()[:100])
        case "lost":
            arrays.unlink()
        case "state":
            state.write_text("{}")
        case "behind":  # the server was set back to an older state
            state.write_text(json.dumps(json.loads(state.read_text()) | {"wiped": 999}))
    with KnowledgeBase.open(f"{url}&replica={folder}") as kb:
        assert kb.lookup("Ada Lovelaze", "R").fact.entity == "Ada Lovelace"
    assert sorted(file.name[:6] for file in folder.glob("*/*")) + sorted(folder.rglob(".*")) == [
        "lock",
        "names-",
        "state.",
    ]


def test_a_folder_that_cannot_be(url, tmp_path):
    (tmp_path / "file").touch()
    KnowledgeBase.open(url, create=True).close()
    with pytest.raises(LamlamError, match=r"replica in .* cannot be written"):
        PostgresStore(f"{url}&replica={tmp_path}/file")
    with pytest.raises(LamlamError, match="one folder"):
        PostgresStore(f"{url}&replica=")
