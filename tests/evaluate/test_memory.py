"""What sits in the weights, and the infusion curve, on models trained in seconds."""

import json
import math

import pytest
import torch

from lamlam.errors import LamlamError
from lamlam.evaluate import Question, Tuning, infuse, measure_memory, small_models, tuned_on
from lamlam.evaluate.infusion import _result, collapse_point, read_infusion
from lamlam.generate import LookupModel
from lamlam.model import new_model
from lamlam.text import Document, Lookup
from lamlam.text.files import write_documents
from tests.evaluate.conftest import TableModel

PLACES = ["London", "Lincoln", "Warsaw", "Paris"]


def facts(seen):
    questions = [
        Question(f"Person {i} was born in", place, f"Person {i}", "Birth Place", seen=times)
        for i, (place, times) in enumerate(zip(PLACES, seen, strict=True))
    ]
    documents = [
        Document.with_lookups(
            q.entity, f"{q.prompt} {q.value}.", [(len(q.prompt) + 1, Lookup(q.entity, q.relation, q.value))]
        )
        for q in questions
    ]
    return questions, documents


@pytest.fixture
def lm(tokenizer):
    return LookupModel(new_model("tiny", tokenizer).eval(), tokenizer, None)


def test_by_hand(tokenizer):
    table = torch.full((len(tokenizer),), 1 / len(tokenizer))
    result = measure_memory(
        LookupModel(TableModel(table), tokenizer, None), facts([0, 0, 5, 5])[0], data="toy", model="t"
    )
    figures = {name: metric.value for name, metric in result.metrics.items() if name.startswith("probability")}
    words = len(tokenizer) - len(tokenizer.lookup_ids)  # without a base no call can come
    assert figures == {f"probability, seen {n}": pytest.approx(1 / words, rel=1e-4) for n in (0, 5)}


def test_what_a_standard_model_reads_often_it_keeps_and_an_lmlm_does_not(lm):
    questions, documents = facts([0, 0, 40, 40])
    grown = {}
    for kind in ("standard", "lmlm"):
        tuned = tuned_on(lm, questions, documents, kind, Tuning(4, 3e-3, 8))
        result = measure_memory(tuned, questions, data="toy", model=kind)
        grown[kind] = result.metrics["probability, seen 40"].value
    assert grown["standard"] > 0.5 > grown["lmlm"]


def test_bad_input(lm):
    questions, documents = facts([1, 1, 1, 1])
    with pytest.raises(LamlamError, match="1 questions do not say how often"):
        measure_memory(lm, [Question("x", "y")], data="toy", model="m")
    with pytest.raises(LamlamError, match="3 documents for 4 questions"):
        tuned_on(lm, questions, documents[1:], "lmlm", Tuning())


def test_the_collapse_point_of_a_known_parabola():
    points = [(times, 0.9 - 0.1 * math.log(times / 10) ** 2) for times in (1, 3, 10, 30, 100)]
    assert collapse_point(points) == pytest.approx(10)
    assert collapse_point([(1, 0.1), (10, 0.2), (100, 0.9)]) is None  # only rises
    assert collapse_point([(1, 0.1), (10, 0.2)]) is None
    assert collapse_point([]) is None
    flat = [(times / 1000, 0.0) for times in range(1, 100)]
    assert collapse_point(flat + points) == pytest.approx(10)  # too few repeats to stay say nothing of the top


def test_a_fall_within_chance_is_no_collapse():
    def result(last):
        points = [(times, [1.0] * right + [0.0] * (20 - right)) for times, right in ((5, 1), (10, 12), (20, last))]
        return _result("1x32", "standard", points, "toy", 400, 20, Tuning(1), 0.0)

    assert result(1).metrics["collapse point (times)"].value == pytest.approx(10)
    assert result(1).notes == []
    assert "collapse point (times)" not in result(11).metrics
    assert "No collapse" in result(11).notes[0]


def test_infusion(tokenizer):
    questions, documents = facts([0] * 4)
    general = [Document(str(i), f"The town number {i} lies there.") for i in range(6)]
    sizes = small_models(tokenizer, ["1x32"], seed=0)
    reworded = [Document(f"{one.id} again", one.text, one.calls) for one in documents]
    pairs = [(list(told), question) for *told, question in zip(documents, reworded, questions, strict=True)]
    results = list(infuse(sizes, general, pairs, [2, 1], data="toy", documents=8, tuning=Tuning(1)))
    assert [result.model for result in results] == ["standard, 1x32", "lmlm, 1x32"]
    assert [row[0] for row in results[0].tables[0].rows] == [1, 2]
    assert {"retention, 1 times", "retention, 2 times", "falls from its highest by"} <= set(results[0].metrics)
    with pytest.raises(LamlamError, match="12 documents, more than the 8"):
        next(infuse(sizes, general, pairs, [3], data="toy", documents=8, tuning=Tuning(1)))
    for size in ("big", "2x", "0x32", "1x33"):
        with pytest.raises(LamlamError, match="is no size"):
            small_models(tokenizer, [size], seed=0)


def test_infusion_documents(tmp_path):
    questions, documents = facts([0] * 4)
    write_documents(documents, tmp_path / "facts.parquet")
    [([document], question)] = read_infusion(tmp_path / "facts.parquet", 1)
    assert (document, question.prompt, question.value) == (documents[0], questions[0].prompt, "London")
    rows = [
        {"prompt": f"{q.entity} came from", "value": q.value, "entity": q.entity, "relation": q.relation}
        for q in questions
    ]
    (tmp_path / "other.jsonl").write_text("\n".join(map(json.dumps, rows[:2])))
    [(_, question)] = read_infusion(tmp_path / "facts.parquet", 1, tmp_path / "other.jsonl")
    assert (question.prompt, question.value) == ("Person 0 came from", "London")
    with pytest.raises(LamlamError, match="no question asks for 'Birth Place' of 'Person 2'"):
        read_infusion(tmp_path / "facts.parquet", None, tmp_path / "other.jsonl")
    write_documents([*documents, *documents[:2]], tmp_path / "twice.parquet")
    assert [len(told) for told, _ in read_infusion(tmp_path / "twice.parquet")] == [2, 2, 1, 1]
    write_documents([Document("x", "plain")], tmp_path / "plain.parquet")
    with pytest.raises(LamlamError, match="document x has no call"):
        read_infusion(tmp_path / "plain.parquet")
