"""Facts in and out of Parquet, CSV and the peer's base."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact
from lamlam.kb.exchange import read_facts, write_facts

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
        ("a.txt", "", ".parquet, .csv and .json"),
        ("a.csv", "", "no column entity or relation or value"),
        ("a.csv", "entity,relation\na,b\n", "no column value"),
        ("a.csv", "entity,subject,relation,value\n", "two columns"),
        ("a.csv", "entity,relation,value\na,b,c\na,b\n", "line 3"),
        ("a.csv", "entity,relation,value\na,b,c,d\n", "line 2"),
        ("a.csv", 'entity,relation,value\na,b,"c\n', "not CSV"),
        ("a.csv", b"entity,relation,value\na,b,\xff\n", "UTF-8"),
        ("a.csv", "entity,relation,value,start\na,b,c,x\n", "are numbers"),
        ("a.json", "{", "JSON"),
        ("a.json", "[]", "no list `triplets`"),
        ("a.json", '{"triplets": [["a", "b"]]}', "triplet 0"),
        ("a.json", '{"triplets": [["a", "b", 5]]}', "triplet 0"),
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


def test_a_null_in_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"subject": ["a", None], "relation": ["b", "b"], "object": ["c", "c"]}), path
    )
    with pytest.raises(LamlamError, match="without text"):
        list(read_facts(path))


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
