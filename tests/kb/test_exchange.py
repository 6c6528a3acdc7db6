"""Facts in and out of Parquet, CSV, the peer's base and documents."""

import bz2
import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact
from lamlam.kb.exchange import read_batches, read_facts, write_facts
from lamlam.kb.exchange.rows import Skipped, facts_of
from lamlam.text import Document, Lookup
from lamlam.text.files import write_documents

FACTS = [
    Fact("Ada, Countess", "Birth Date", '10 "December"\n1815', source="d", span=(3, 9), author="me", confidence=0.5),
    Fact("%", "R", "é 🎸", rank=-2),
    Fact("Plain", "R", "v", source="7"),
]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read(tmp_path, suffix):
    assert write_facts(FACTS, tmp_path / f"facts{suffix}") == 3
    assert list(read_facts(tmp_path / f"facts{suffix}")) == FACTS


def test_the_peers_base_both_ways(tmp_path):
    path = tmp_path / "base.json"
    triplets = [["Arsenal_F.C.", "Ground", "Highbury_x"], ["Destiny\\'s Child", "Destiny\\'s Hit", 'Say \\"x\\"']]
    path.write_text(json.dumps({"triplets": triplets}))
    facts = list(read_facts(path))
    assert facts == [
        Fact("Arsenal F.C.", "Ground", "Highbury_x"),
        Fact("Destiny's Child", "Destiny's Hit", 'Say "x"'),
    ]
    write_facts(facts, path)
    written = json.loads(path.read_text())
    assert written["entities"] == ["Arsenal F.C.", "Destiny's Child"]
    assert written["relationships"] == ["Ground", "Destiny's Hit"]
    assert list(read_facts(path)) == facts


def test_the_peers_base_in_one_giant_row(tmp_path):
    path = tmp_path / "base.parquet"
    triplets = [[f"E_{number}", "R", str(number)] for number in range(1000)]
    pyarrow.parquet.write_table(pyarrow.table({"triplets": [triplets]}), path)
    assert list(read_facts(path)) == [Fact(f"E {number}", "R", str(number)) for number in range(1000)]


def test_subject_and_object_are_other_names_and_further_columns_are_left(tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text("object,x,subject,relation\nv,9,E,R\n")
    assert list(read_facts(path)) == [Fact("E", "R", "v")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "", "facts are read from .parquet, .csv, .json"),
        ("a.csv", "", "no column entity or relation or value"),
        ("a.csv", "entity,relation\na,b\n", "no column value"),
        ("a.csv", "entity,subject,relation,value\n", "two columns"),
        ("a.csv", "entity,relation,value\na,b,c,d\n", "line 2"),
        ("a.csv", 'entity,relation,value\na,b,"c\n', "not CSV"),
        ("a.csv", b"entity,relation,value\na,b,\xff\n", "UTF-8"),
        ("a.csv", "entity,relation,value,start\na,b,c,x\n", "are numbers"),
        ("a.csv.gz", b"\x1f\x8b cut", "damaged"),
        ("a.json", "{", "JSON"),
        ("a.json", '{"triplets": [["a", "b", "c"], ["d"', "JSON after triplet 1"),
        ("a.json", "[]", "no list `triplets`"),
        ("a.json", '{"triplets": [["a", "b"]]}', "triplet 1"),
        ("a.json", '{"triplets": [["a", "b", 5]]}', "triplet 1"),
        ("a.parquet", "PAR", "Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LamlamError) as raised:
        list(read_facts(path))
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def read(path):
    skipped = Skipped()
    facts = [fact for batch in read_batches(path, skipped) for fact in facts_of(batch)]
    return facts, skipped.lines()


def test_rows_that_cannot_be_facts_are_left_out_and_explained(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"entity,relation,value,source,start,end,confidence,rank,valid_from\n"
        b"Ada,Job,writer,d,1,4,0.5,2,1815\n"
        b"a,b\n"
        b'a,"b"c,d,,,,,,\n'
        b"a,b,\xff,,,,,,\n"
        b"a, ,c,,,,,,\n"
        b"a,b,c,,x,,,,\n"
        b"a,b,c,,5,3,,,\n"
        b"a,b,c,,,,2,,\n"
        b"a,b,c,,,,,99999999999,\n"
        b"a,b,c,,,,,,soon\n"
        b"a,b\0,c,,,,,,\n"
        b"Last,b,c,,,,,,\n"
    )
    facts, lines = read(path)
    ada = Fact("Ada", "Job", "writer", "d", (1, 4), confidence=0.5, rank=2, valid_from="1815")
    assert facts == [ada, Fact("Last", "b", "c")]
    told = "\n".join(lines)
    for says in (
        "not as many cells as the header has; quote cells that hold commas (first: line 3)",
        "not CSV: ',' expected after '\"' (first: line 4)",
        "bytes that are not UTF-8, or half a character (first: line 5)",
        "relation: nothing but white space (first: line 6)",
        "start, end, rank and confidence are numbers (first: line 7)",
        "a span that does not have 0 <= start <= end (first: line 8)",
        "a confidence that is not between 0 and 1 (first: line 9)",
        "a rank that is out of range (first: line 10)",
        "valid_from: not an ISO date such as 1815, 1815-12 or 1815-12-10 (first: line 11)",
        "relation: a NUL character (first: line 12)",
    ):
        assert f"1 left out: {says}" in told
    assert len(lines) == 10


def test_a_null_in_parquet_leaves_its_row_out(tmp_path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"subject": ["a", None, "d"], "relation": ["b"] * 3, "object": ["c"] * 3})
    pyarrow.parquet.write_table(table, path)
    assert read(path) == ([Fact("a", "b", "c"), Fact("d", "b", "c")], ["1 left out: no entity (first: row 2)"])


@pytest.mark.parametrize(("kind", "says"), [(pyarrow.list_(pyarrow.int64()), "convert it"), (pyarrow.string(), "")])
def test_columns_of_other_types_are_read_where_they_are_text_or_numbers(tmp_path, kind, says):
    path = tmp_path / "a.parquet"
    values = pyarrow.array([["1"]] if says else ["v"]).cast(kind)
    table = pyarrow.table({"entity": [7], "relation": pyarrow.array(["r"]).dictionary_encode(), "value": values})
    pyarrow.parquet.write_table(table, path)
    if says:
        with pytest.raises(LamlamError, match=says):
            read(path)
    else:
        assert read(path) == ([Fact("7", "r", "v")], [])


def test_triplets_of_another_shape_are_left_out(tmp_path):
    rows = [["A_B", "r", "v_w"], ["a", "b"], None, ["C\\'s", "r", "v"]]
    (tmp_path / "a.json").write_text(json.dumps({"triplets": rows}))
    pyarrow.parquet.write_table(pyarrow.table({"triplets": [rows]}), tmp_path / "a.parquet")
    expected = [Fact("A B", "r", "v_w"), Fact("C's", "r", "v")]
    for path in (tmp_path / "a.json", tmp_path / "a.parquet"):
        assert read(path) == (expected, ["2 left out: not [entity, relation, value] (first: triplet 2)"])


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_files_are_read(tmp_path, suffix, pack):
    path = tmp_path / f"facts.csv{suffix}"
    path.write_bytes(pack(b"entity,relation,value\na,b,c\n"))
    assert read(path) == ([Fact("a", "b", "c")], [])


def test_documents_give_the_facts_of_their_calls(tmp_path):
    lookups = [(0, Lookup("E", "R", "b")), (3, Lookup("E", " ", "x"))]
    write_documents([Document.with_lookups("d", "a b c", lookups)], tmp_path / "d.jsonl")
    facts, lines = read(tmp_path / "d.jsonl")
    assert facts == [Fact("E", "R", "b", "d", (2, 3))]
    assert lines == ["1 left out: relation: nothing but white space (first: document 1)"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    def facts():
        yield FACTS[0]
        raise KeyboardInterrupt

    for suffix in (".csv", ".parquet", ".json"):
        with pytest.raises(KeyboardInterrupt):
            write_facts(facts(), tmp_path / f"facts{suffix}")
    with pytest.raises(LamlamError, match="suffixes"):
        write_facts(FACTS, tmp_path / "facts.xls")
    assert list(tmp_path.iterdir()) == []
