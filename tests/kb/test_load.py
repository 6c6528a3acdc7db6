"""Loading from Arrow against adding one by one: the same base, whatever the order and the batches."""

import tempfile
from pathlib import Path

import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.exchange import read_batches, write_facts
from lamlam.kb.filing import closed_hashes
from lamlam.kb.names import normalise
from lamlam.kb.reading import closed_hash

PLAIN = [Fact(f"E{n % 37}", f"R{n % 5}", f"v{n % 11}") for n in range(500)]
NAME = st.sampled_from(["E", "F", "The E", "é", "C++"])
FACTS = st.builds(
    Fact,
    NAME,
    NAME,
    NAME,
    source=st.none() | st.sampled_from(["d", "e"]),
    span=st.none() | st.just((1, 2)),
    author=st.none() | st.just("me"),
    confidence=st.none() | st.sampled_from([0.25, 0.5]),
    rank=st.integers(-1, 1),
    valid_from=st.none() | st.just("1815"),
    valid_to=st.none() | st.just("1852"),
)

NEARLY_PLAIN = st.lists(st.sampled_from(["the", "The", "'", "+", "#", " ", "_", "-", "a", "B", "7", "é"])).map("".join)


def batches(facts: list[Fact], size: int, folder: Path) -> list[pyarrow.RecordBatch]:
    write_facts(facts, folder / "facts.parquet")
    table = pyarrow.Table.from_batches(list(read_batches(folder / "facts.parquet")))
    return table.to_batches(max_chunksize=size)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FACTS, min_size=1, max_size=20), st.integers(1, 7))
def test_a_load_is_an_add(lend, facts, size):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with lend() as (loaded, _), lend() as (added, _):
            told = loaded.load(batches(facts, size, folder), "me", "why")
            slow = added.add(facts, "me", "why")
            assert (told, told.known) == (slow, slow.known)
            assert list(loaded) == list(added)
            assert loaded.check() == []
            assert loaded.facts("E") == added.facts("E")
            same = [(c.what, c.new, c.author, c.reason) for c in loaded.history("E")]
            assert same == [(c.what, c.new, c.author, c.reason) for c in added.history("E")]
            loaded.set("Another", "E", "new")
            loaded.add(facts)
            loaded.forget(facts[0].entity)
            assert loaded.check() == []


def test_a_loaded_base_finds_names_by_any_spelling(kb, tmp_path):
    names = ["The Beatles", "AC/DC", "Beyoncé Knowles", "Łódź", "O'Brien", "F.C. Köln", "C++", "!!!", "x_y"]
    kb.load(batches([Fact(name, "Kind", f"kind of {name}") for name in names], 4, tmp_path))
    for name in names:
        assert kb.lookup(name, "Kind").fact.entity == name
        assert kb.lookup(name.swapcase(), "kind").fact.entity == name
    assert kb.lookup("beyonce knowels", "Kind").fact.entity == "Beyoncé Knowles"


@settings(max_examples=300)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")) | NEARLY_PLAIN, max_size=20))
@example(["0#\x1f", "C+\x0b"])
def test_names_are_filed_as_they_are_normalised(names):
    expected = [closed_hash(normalise(name)) for name in names]
    assert closed_hashes(pyarrow.array(names, pyarrow.string())).tolist() == expected


def test_an_empty_load_leaves_an_empty_base(kb):
    assert kb.load([]) == 0
    assert len(kb) == 0
    assert kb.check() == []


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("entity", ["a", " "], "empty"),
        ("value", ["a", "b\0"], "NUL"),
        ("relation", ["a", None], "without text in relation"),
        ("source", ["a", "\0"], "source"),
        ("confidence", [0.5, 2.0], "confidence"),
        ("rank", [1, 2**40], "rank"),
        ("valid_from", ["1815", "soon"], "ISO date"),
    ],
)
def test_a_load_with_a_bad_row_leaves_an_empty_base(kb, column, values, says):
    columns = {"entity": ["a", "b"], "relation": ["a", "b"], "value": ["a", "b"], column: values}
    with pytest.raises(LamlamError, match=says):
        kb.load(pyarrow.table(columns).to_batches())
    assert len(kb) == 0
    assert kb.load(pyarrow.table({"entity": ["a"], "relation": ["b"], "value": ["c"]}).to_batches()) == 1


def test_only_a_new_base_is_loaded(ada, tmp_path):
    with pytest.raises(LamlamError, match="not new"):
        ada.load(batches(PLAIN, 100, tmp_path))
    assert len(ada) == 3


def test_a_base_that_others_have_open_is_not_loaded(kb, path, tmp_path):
    with KnowledgeBase.open(path) as other:
        assert len(other) == 0
        with pytest.raises(LamlamError, match="another process has"):
            kb.load(batches(PLAIN, 100, tmp_path))
    assert kb.load(batches(PLAIN, 100, tmp_path)) == len(set(PLAIN))


def test_a_load_that_stops_halfway_leaves_an_empty_base(kb, path, tmp_path, monkeypatch):
    from lamlam.kb import loading

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "_write_entities", stop)
    with pytest.raises(KeyboardInterrupt):
        kb.load(batches(PLAIN, 100, tmp_path))
    monkeypatch.undo()
    assert (len(kb), kb.check()) == (0, [])
    assert kb.load(batches(PLAIN, 100, tmp_path)) == len(set(PLAIN))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(FACTS, min_size=1, max_size=12),
    st.lists(FACTS, min_size=1, max_size=12),
    st.lists(FACTS, max_size=2),
    st.integers(1, 7),
    st.booleans(),
)
def test_a_batch_into_a_base_that_has_facts_is_an_add(first, second, forgotten, size, force):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            KnowledgeBase.open(folder / "batches.db", create=True) as fast,
            KnowledgeBase.open(folder / "added.db", create=True) as slow,
        ):
            for base in (fast, slow):
                base.add(first, "me")
                for fact in forgotten:
                    if base.lookup(fact.entity, fact.relation) and base.lookup(fact.entity, fact.relation).score == 1:
                        base.forget(fact.entity, fact.relation)
            for batch in batches(second, size, folder):
                rows = [Fact(*fact) for fact in facts_of(batch)]
                told, as_slow = fast.add_batch(batch, "you", "why", force), slow.add(rows, "you", "why", force)
                assert (told, told.known, told.refused) == (as_slow, as_slow.known, as_slow.refused)
            assert list(fast) == list(slow)
            assert fast.check() == []
            assert fast.stats() | {"bytes": 0} == slow.stats() | {"bytes": 0}
            for entity in {fact.entity for fact in first + second}:
                of_fast, of_slow = ([(c.what, c.old, c.new, c.reason) for c in b.history(entity)] for b in (fast, slow))
                assert of_fast == of_slow


def facts_of(batch: pyarrow.RecordBatch) -> list[tuple]:
    rows = batch.to_pylist()
    for row in rows:
        start, end = row.pop("start"), row.pop("end")
        row["span"] = None if start is None else (start, end)
    order = list(Fact._fields)
    return [tuple(row[name] for name in order) for row in rows]
