"""Imports go on where they were stopped, and end the same: in any order, in any number of runs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError, Stopped
from lamlam.kb import Fact, KnowledgeBase, importing
from lamlam.kb.beside import beside
from lamlam.kb.exchange import rows, write_facts
from lamlam.kb.importing import build, import_file
from lamlam.text import Call, Document, Lookup
from lamlam.text.files import write_documents

from .test_labelled import DUMP, write_dump
from .test_load import FACTS

CROWD = [Fact(f"Person {n // 4}", f"R{n % 4}", f"v{n % 17}", source=f"d{n % 9}", rank=n % 3) for n in range(60)]


def in_base(path: Path) -> tuple:
    with KnowledgeBase.open(path) as kb:
        assert kb.check() == []
        stats = kb.stats()
        names = sorted({fact.entity for fact in kb})
        return list(kb), [kb.aliases(name) for name in names], stats["entities"], stats["values"], stats["sources"]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(rows, "ROWS", 7)
    monkeypatch.setattr("lamlam.kb.exchange.tables.ROWS", 7)
    monkeypatch.setattr("lamlam.kb.exchange.peer.ROWS", 7)


def file_of(folder: Path, suffix: str) -> Path:
    path = folder / f"facts{suffix}"
    if suffix == ".jsonl":
        lookups = [Lookup(fact.entity, fact.relation, fact.value) for fact in CROWD]
        calls = [tuple(Call(0, one) for one in lookups[n : n + 9]) for n in range(0, 60, 9)]
        write_documents([Document(f"d{n}", "x", some) for n, some in enumerate(calls)], path)
    elif suffix == ".nt":
        lines = [f'<http://x/{fact.entity[7:]}> <http://x/{fact.relation}> "{fact.value}" .' for fact in CROWD]
        label = '<http://x/3> <http://www.w3.org/2000/01/rdf-schema#label> "P" .'
        path.write_text("\n".join([*lines, "broken", label]))
    elif suffix == "-dump.json":
        write_dump(path, DUMP)
    else:
        write_facts(CROWD, path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet", ".jsonl", ".nt", "-dump.json"])
@pytest.mark.parametrize("there", [False, True])
def test_an_import_that_is_stopped_again_and_again_ends_the_same(tmp_path, monkeypatch, small_parts, suffix, there):
    file = file_of(tmp_path, suffix)
    bases = [tmp_path / "stopped.db", tmp_path / "whole.db"]
    if there:
        for path in bases:
            with KnowledgeBase.open(path, create=True) as kb:
                kb.add([Fact("Person 1", "R0", "v4"), Fact("Ada Lovelace", "height", "7", source="me")])
    whole = import_file(file, bases[1], author="me")
    runs, places = 0, []
    while True:
        runs += 1
        done, parts = importing._Work.done, iter(range(2))

        def stopping(self, part, added=None, done=done, parts=parts):
            if next(parts, None) is None:  # put in, but the place not kept: as when killed in between
                raise KeyboardInterrupt
            done(self, part, added)
            places.append(part.after)

        with monkeypatch.context() as patched, contextlib.suppress(Stopped):
            patched.setattr(importing._Work, "done", stopping)
            again = import_file(file, bases[0], author="me")
            break
    assert in_base(bases[0]) == in_base(bases[1])
    assert again.skipped == whole.skipped
    assert runs == 1 if suffix == ".parquet" and not there else runs > 2 or suffix == "-dump.json"
    assert places == sorted(places)
    assert suffix == ".jsonl" or len(places) == len(set(places))  # no part was kept twice
    assert not list(tmp_path.glob(".*"))


def test_an_import_survives_kill_9(tmp_path):
    facts = [Fact(f"Entity {n}", "R", f"value {n}", source=f"d{n}") for n in range(10_000)]
    write_facts(facts, tmp_path / "facts.csv")
    for there in (False, True):
        path = tmp_path / f"{there}.db"
        if there:
            KnowledgeBase.open(path, create=True).close()
        code = (
            "import sys, pathlib; from lamlam.kb.exchange import rows; rows.ROWS = 1000\n"
            "from lamlam.kb.importing import import_file\n"
            "import_file(pathlib.Path(sys.argv[1]), sys.argv[2], tell=lambda *done: print(*done, flush=True))"
        )
        kills = 0
        while True:
            command = [sys.executable, "-c", code, tmp_path / "facts.csv", path]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                for _ in range(4):
                    process.stdout.readline()
                if not kills:
                    time.sleep(0.02 * there)
                    process.send_signal(signal.SIGKILL)
                process.stdout.read()
            kills += process.returncode == -signal.SIGKILL
            if process.returncode == 0:
                break
        assert kills
        with KnowledgeBase.open(path) as kb:
            assert (sorted(kb, key=repr), kb.check()) == (sorted(facts, key=repr), [])
    assert not list(tmp_path.glob(".*"))


@settings(max_examples=12, deadline=None)
@given(st.lists(FACTS, min_size=1, max_size=12), st.lists(FACTS, min_size=1, max_size=12), st.randoms(), st.booleans())
def test_any_order_of_rows_and_files_gives_the_same_base(tmp_path_factory, first, second, random, there):
    folder = tmp_path_factory.mktemp("order")
    shuffled = [random.sample(facts, len(facts)) for facts in (first, second)]
    for n, files in enumerate(((first, second), (shuffled[1], shuffled[0]))):
        if there:
            KnowledgeBase.open(folder / f"{n}.db", create=True).close()
        for facts in files:
            write_facts(facts, folder / "facts.csv")
            import_file(folder / "facts.csv", folder / f"{n}.db")
    one, other = (in_base(folder / f"{n}.db") for n in range(2))
    assert one == other


def test_another_file_is_begun_anew(path, tmp_path, small_parts):
    write_facts(CROWD, tmp_path / "a.csv")

    def stop(what, count):
        if count > 20:
            raise KeyboardInterrupt

    with pytest.raises(Stopped, match="goes on"):
        import_file(tmp_path / "a.csv", path, tell=stop)
    write_facts([Fact("Other", "R", "v")], tmp_path / "b.csv")
    assert import_file(tmp_path / "b.csv", path).added == 1
    assert in_base(path)[0] == [Fact("Other", "R", "v")]


def test_two_imports_into_one_base_at_once_are_refused(path, tmp_path):
    write_facts(CROWD, tmp_path / "a.csv")

    def again(*_):
        with pytest.raises(LamlamError, match="another import works"):
            import_file(tmp_path / "a.csv", path)

    assert import_file(tmp_path / "a.csv", path, tell=again).added == 60


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "there is no file"),
        ("a.csv", "entity,relation,value\n,b,c\n", "not one fact could be read"),
        ("a.json", '{"triplets": [["a", "b", "c"], ', "after triplet 1"),
        ("a.xyz", "", "facts are read from"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_what_cannot_be_imported_leaves_nothing(path, tmp_path, name, content, says, there):
    if there:
        KnowledgeBase.open(path, create=True).close()
    if content is not None:
        (tmp_path / name).write_text(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LamlamError, match=says):
        import_file(tmp_path / name, path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_build_takes_the_place_of_a_base_and_of_all_that_lay_beside_it(path, tmp_path):
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add(Fact(f"Forgettable {n}", "R", "v") for n in range(6000))
        kb.index_names()
        kb.add([Fact("Forgettable too", "R", "v")])
    assert [file.name for file in beside(path)] != []
    write_documents([Document.with_lookups("d", "a b", [(0, Lookup("E", "R", "b"))])], tmp_path / "d.jsonl")
    assert build(tmp_path / "d.jsonl", path).added == 1
    assert beside(path) == []
    assert b"orgettable" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    with KnowledgeBase.open(path) as kb:
        assert (list(kb), kb.check()) == ([Fact("E", "R", "b", "d", (2, 3))], [])


def test_a_base_that_is_open_elsewhere_is_not_replaced(path, tmp_path):
    write_documents([Document.with_lookups("d", "a b", [(0, Lookup("E", "R", "b"))])], tmp_path / "d.jsonl")
    code = (
        "import sys; from lamlam.kb import *; kb = KnowledgeBase.open(sys.argv[1], create=True)\n"
        "kb.add([Fact('a', 'b', 'c')]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(LamlamError, match="another process has the base"):
            build(tmp_path / "d.jsonl", path)
        other.stdin.close()
    with KnowledgeBase.open(path) as kb:
        assert list(kb) == [Fact("a", "b", "c")]


def test_a_large_import_leaves_nothing_for_the_first_misspelt_lookup_to_make(path, tmp_path):
    write_facts([Fact(f"Person Number{n}", "R", "v") for n in range(6000)], tmp_path / "facts.csv")
    import_file(tmp_path / "facts.csv", path)
    (index,) = beside(path)
    made = os.stat(index).st_mtime_ns
    with KnowledgeBase.open(path) as kb:
        assert kb.lookup("Persn Number77", "R").fact.entity == "Person Number77"
    assert os.stat(index).st_mtime_ns == made
    assert json.dumps([file.name for file in beside(path)]) == json.dumps([index.name])
