from __future__ import annotations

import json
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.evaluate.annotation import Pair, alike, matched, measure_annotation, measure_groups, pair_up
from lamlam.evaluate.annotation_page import write_page
from lamlam.text import Call, Document, Lookup, parse
from lamlam.text.files import write_documents

TEXT = "Ada was born on 10 December 1815 in London."
GOLD = parse(
    "Ada was born on [dblookup('Ada Lovelace', 'Birth Date') -> 10 December 1815] 10 December 1815 in "
    "[dblookup('Ada Lovelace', 'Birth Place') -> London] London.",
    id="d",
)
NEAR = parse(
    "Ada was born on [dblookup('Ada', 'Date of Birth') -> December 1815] 10 December 1815 in "
    "[dblookup('Ada Lovelace', 'Death Place') -> London] London.",
    id="d",
)
values = st.sampled_from(["a", "a b", "b c", "a b c d"])
calls = st.lists(st.builds(lambda value: Call(0, Lookup("e", "r", value)), values), max_size=5)


def test_what_agrees_exactly_and_softly_by_hand():
    result = measure_annotation([Pair(GOLD, NEAR)])
    assert {name: one.agreed for name, one in result.exact.items()} == {
        "span": 1, "value": 1, "entity": 1, "relation": 0, "call": 0,
    }  # fmt: skip
    assert {name: one.agreed for name, one in result.soft.items()} == {
        "span": 2, "value": 2, "entity": 2, "relation": 2, "call": 2,
    }  # fmt: skip
    assert (result.exact["span"].precision, result.exact["span"].recall, result.exact["span"].f1) == (0.5, 0.5, 0.5)
    assert result.calls_per_100_words() == pytest.approx((200 / 9, 200 / 9))
    assert result.faithful == 1


def test_a_value_that_the_text_does_not_say_is_no_span():
    gold = Document("d", TEXT, (Call(0, Lookup("Ada", "Sex", "female")),))
    result = measure_annotation([Pair(gold, gold)])
    assert result.exact["span"] == result.soft["span"] == (0, 0, 0)
    assert result.exact["value"] == (1, 1, 1)
    assert result.exact["span"].f1 == 0


def test_missing_and_changed_documents_are_counted_not_forgiven():
    changed = Document("e", "other text")
    pairs, extra = pair_up([GOLD, Document("e", "a text")], [changed, Document("x", "")])
    result = measure_annotation(pairs)
    assert (result.documents, result.missing, result.faithful, extra) == (2, 1, 0, 1)
    assert result.exact["span"] == (0, 2, 0)


@given(calls, calls)
def test_exact_agreement_is_a_multiset_and_soft_the_best_one_to_one(gold, predicted):
    result = measure_annotation([Pair(Document("d", "", tuple(gold)), Document("d", "", tuple(predicted)))])
    ours, theirs = (Counter(call.lookup.value for call in side) for side in (gold, predicted))
    assert result.exact["value"] == ((ours & theirs).total(), len(gold), len(predicted))
    fewer, more = sorted((gold, predicted), key=len)
    best = max(sum(alike(*both) for both in zip(fewer, order, strict=False)) for order in permutations(more))
    found = matched(gold, predicted, alike)
    assert result.soft["value"].agreed == len(found) == best
    assert len({one for one, _ in found}) == len({other for _, other in found}) == len(found)


def test_groups_and_ids():
    one, two = (Document(id, "t", (), {"from": id}) for id in "ab")
    assert [result.group for result in measure_groups([Pair(one, one), Pair(two, None)], "from")] == ["a", "b"]
    with pytest.raises(LamlamError, match="two gold documents have the id 'a'"):
        pair_up([one, one], [])
    with pytest.raises(LamlamError, match="no gold documents"):
        pair_up([], [])


def test_the_page_shows_both_and_escapes_everything():
    hostile = Document("<script>", "<b> & 1815", (Call(6, Lookup("<i>", "&", "1815"), (6, 10)),))
    page = write_page([Pair(GOLD, NEAR), Pair(hostile, None)], "<heading>")
    assert page.count('class="same"') == 1 + 2  # the legend, London twice
    assert page.count('class="alike"') == 1 + 2
    assert "predicted (missing)" in page
    for raw in ("<script>", "<b>", "<i>", "<heading>"):
        assert raw not in page


def test_the_command_prints_the_figures_and_writes_the_page(tmp_path, run_eval):
    write_documents([GOLD], tmp_path / "gold.parquet")
    write_documents([NEAR], tmp_path / "pred.jsonl")
    page = tmp_path / "page.html"
    result = run_eval("annotation", tmp_path / "gold.parquet", tmp_path / "pred.jsonl", "--page", page, "--json")
    told = json.loads(result.output)
    assert told["results"][0]["exact"]["span"]["f1"] == 0.5
    assert "London" in page.read_text()
    result = run_eval("annotation", tmp_path / "gold.parquet", tmp_path / "pred.jsonl")
    assert "span F1 0.500" in result.output
    assert "fidelity 100.0%" in result.output


@pytest.fixture
def run_eval():
    from typer.testing import CliRunner

    from lamlam.cli.evaluate import app

    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
