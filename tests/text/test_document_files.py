from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.text import Call, Document, Lookup
from lamlam.text.files import read_documents, write_documents, write_renderings
from tests.text.hostile_documents import documents

ADA = Document(
    "ada",
    "Ada was born in 1815.",
    (Call(16, Lookup("Ada", "Born", "1815"), (16, 20)), Call(21, Lookup("Ada", "Died", "1852"))),
    {"title": "Ada Lovelace", "nested": {"α": [1, None, 2.5]}},
)


def one_error(path) -> str:
    with pytest.raises(LamlamError) as error:
        list(read_documents(path))
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@settings(max_examples=60)
@given(some=st.lists(documents(), min_size=1, max_size=4))
def test_documents_pass_through_files_unchanged(tmp_path_factory, ending, some):
    folder = tmp_path_factory.mktemp("files")
    first, second = folder / f"a.{ending}", folder / f"b.{ending}"
    assert write_documents(some, first) == len(some)
    again = list(read_documents(first))
    assert again == some
    write_documents(again, second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("form", ["written", "tokens", "plain"])
def test_renderings_are_read_back(tmp_path, form):
    assert write_renderings([ADA], tmp_path / "r.jsonl", form) == 1
    (again,) = read_documents(tmp_path / "r.jsonl")
    assert again == (ADA if form != "plain" else Document(ADA.id, ADA.text, (), ADA.meta))


def test_the_columns_are_the_documented_ones(tmp_path):
    write_documents([ADA, Document("empty", "")], tmp_path / "d.parquet")
    table = pq.read_table(tmp_path / "d.parquet")
    assert table.column_names == ["id", "text", "calls", "meta"]
    assert table["calls"].to_pylist()[0] == [
        {"at": 16, "entity": "Ada", "relation": "Born", "value": "1815", "start": 16, "end": 20},
        {"at": 21, "entity": "Ada", "relation": "Died", "value": "1852", "start": None, "end": None},
    ]
    assert json.loads(table["meta"].to_pylist()[0]) == ADA.meta
    assert pq.ParquetFile(tmp_path / "d.parquet").metadata.row_group(0).column(1).compression == "ZSTD"


def test_raw_text_becomes_documents_without_calls(tmp_path):
    table = pyarrow.table({"id": [7, 8], "title": ["A", None], "text": ["a", "b"], "meta": ["not json", "x"]})
    pq.write_table(table, tmp_path / "1.parquet")
    (tmp_path / "2.jsonl").write_bytes(
        '\ufeff{"text": "c\u2028d", "title": "C", "form": "sonnet"}\r\n\r\n{"text": "e"}'.encode()
    )
    (tmp_path / "3.txt").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "4.txt").write_bytes(b"")
    (tmp_path / ".hidden.jsonl").write_text("broken")
    (tmp_path / "readme.md").write_text("not a document")
    assert list(read_documents(tmp_path)) == [
        Document("7", "a", (), {"title": "A"}),
        Document("8", "b"),
        Document("2/1", "c\u2028d", (), {"title": "C"}),
        Document("2/3", "e"),
        Document("3", "one\r\ntwo\n"),
        Document("4", ""),
    ]


def test_no_documents(tmp_path):
    assert write_documents([], tmp_path / "d.parquet") == 0
    assert list(read_documents(tmp_path / "d.parquet")) == []


def test_paths_that_cannot_be_read(tmp_path):
    assert "No such file" in one_error(tmp_path / "missing.jsonl")
    assert "unknown ending" in one_error(tmp_path / "x.csv")
    (tmp_path / "folder").mkdir()
    assert "no .parquet, .jsonl, .json, .txt file" in one_error(tmp_path / "folder")
    if os.geteuid() != 0:
        (tmp_path / "locked.jsonl").touch(0o000)
        assert "Permission denied" in one_error(tmp_path / "locked.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', "broken JSON at column 13"),
        ("[1]", "not an object"),
        ('{"id": "a"}', "'text' is missing"),
        ('{"text": 3}', "'text' is not a string"),
        ('{"text": "a", "calls": 3}', "'calls' has to be a list"),
        ('{"text": "a", "calls": ["x"]}', "'calls' has to be a list"),
        ('{"text": "a", "calls": [{"at": 0}]}', "'calls' has to be a list"),
        ('{"text": "a", "calls": [], "meta": 3}', "'meta' has to be an object"),
        ('{"text": "[dblookup(", "form": "written"}', "malformed call"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", "JSON that cannot be read"),
    ],
)
def test_broken_lines_are_named(tmp_path, line, message):
    (tmp_path / "d.jsonl").write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(LamlamError) as error:
        list(read_documents(tmp_path / "d.jsonl"))
    assert f"{tmp_path / 'd.jsonl'}, line 2" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"at": 9},
        {"at": -1},
        {"start": 0, "end": 9},
        {"at": "0"},
        {"at": None},
        {"at": True},
        {"start": 1},
        {"value": None},
        {"entity": 3},
    ],
)
def test_calls_that_do_not_fit_are_named(tmp_path, change):
    call = {"at": 0, "entity": "E", "relation": "R", "value": "V", "start": None, "end": None, **change}
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "d", "text": "text", "calls": [call]}))
    assert "d.jsonl, line 1: " in one_error(tmp_path / "d.jsonl")


def test_bytes_that_are_not_text(tmp_path):
    (tmp_path / "d.jsonl").write_bytes(b'{"text": "fine"}\n{"text": "\xff"}\n')
    assert "line 2: not UTF-8 (byte 10)" in one_error(tmp_path / "d.jsonl")
    (tmp_path / "d.txt").write_bytes(b"caf\xe9")
    assert "not UTF-8 (byte 3)" in one_error(tmp_path / "d.txt")
    broken = pyarrow.array([b"fine", b"\xff"]).view(pyarrow.string())
    pq.write_table(pyarrow.table({"text": broken}), tmp_path / "d.parquet")
    assert "utf-8" in one_error(tmp_path / "d.parquet")


def test_broken_parquet(tmp_path):
    path = tmp_path / "d.parquet"
    path.touch()
    assert "empty" in one_error(path)
    path.write_bytes(b"PAR1 this is no Parquet file")
    assert "not a whole Parquet file" in one_error(path)
    write_documents([ADA] * 100, path)
    whole = path.read_bytes()
    for length in (3, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "not a whole Parquet file" in one_error(path)
    pq.write_table(pyarrow.table({"id": ["a"], "body": ["b"]}), path)
    assert "no column 'text'; its columns are id, body" in one_error(path)
    pq.write_table(pyarrow.table({"text": ["a", None]}), path)
    assert "row 2: the field 'text' is not a string" in one_error(path)
    pq.write_table(pyarrow.table({"text": ["a"], "calls": [["x"]]}), path)
    assert "row 1: 'calls' has to be a list" in one_error(path)
    calls = [[{"at": 5, "entity": "E", "relation": "R", "value": "V", "start": None, "end": None}]]
    pq.write_table(pyarrow.table({"text": ["a"], "calls": calls}), path)
    assert "row 1: " in one_error(path)
    pq.write_table(pyarrow.table({"text": ["a"], "calls": [None], "meta": ["{"]}, schema=None), path)
    assert "row 1, meta: broken JSON" in one_error(path)


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "json"])
@pytest.mark.parametrize(
    "document",
    [
        Document("the-id", "half \ud83d a character"),
        Document("the-id", "a", (Call(0, Lookup("\udc00", "R", "V")),)),
        Document("the-id", "a", (), {"title": "\ud800"}),
        Document("the-id", "a", (), {"when": object()}),
        Document("the-id", "a", (), {"score": float("nan")}),
    ],
)
def test_what_no_file_can_hold_is_named_and_the_old_file_stays(tmp_path, ending, document):
    path = tmp_path / f"d.{ending}"
    write_documents([ADA], path)
    before = path.read_bytes()
    with pytest.raises(LamlamError, match="document 'the-id'") as error:
        write_documents([ADA, document], path)
    str(error.value).encode("utf-8")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "json"])
def test_an_interruption_leaves_nothing_behind(tmp_path, ending):
    def interrupted() -> Iterator[Document]:
        yield ADA
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_documents(interrupted(), tmp_path / f"d.{ending}")
    assert os.listdir(tmp_path) == []


def test_unknown_endings_are_refused_before_anything_is_read(tmp_path):
    def untouched() -> Iterator[Document]:
        raise AssertionError
        yield

    for write in (write_documents, lambda documents, path: write_renderings(documents, path, "plain")):
        with pytest.raises(LamlamError, match="unknown ending"):
            write(untouched(), tmp_path / "d.txt")


def test_row_groups_are_bounded(tmp_path):
    write_documents((Document(str(number), "") for number in range(9000)), tmp_path / "many.parquet")
    write_documents((Document(str(number), "x" * 6_000_000) for number in range(4)), tmp_path / "long.parquet")
    for name, rows in (("many", [8192, 808]), ("long", [3, 1])):
        metadata = pq.ParquetFile(tmp_path / f"{name}.parquet").metadata
        assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == rows


# 300 MB of text pass from one file into the other; the margin is for a batch on either side of the conversion.
PASS_THROUGH = """
import resource, sys
import pyarrow.parquet
from lamlam.text import Document
from lamlam.text.files import read_documents, write_documents

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

first, second = sys.argv[1:]
texts = (f"{number} " + "some words of text " * 1000 for number in range(1000))
write_documents((Document(str(number), text) for number, text in enumerate(texts)), first)
before = peak()
sizes = sum(len(document.text) for _ in range(16) for document in read_documents(first))
again = (document for _ in range(16) for document in read_documents(first))
write_documents(again, second)
print(peak() - before, sizes // 1_000_000)
"""


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_corpus_larger_than_its_memory_passes_through(tmp_path, ending):
    command = [sys.executable, "-c", PASS_THROUGH, str(tmp_path / f"a.{ending}"), str(tmp_path / f"b.{ending}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, read = map(int, done.stdout.split())
    assert read > 300
    assert grown < 160
