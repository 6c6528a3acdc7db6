"""Completion against a model that says exactly what a script says."""

import json
from typing import NamedTuple

import pytest

from lamlam.errors import LamlamError
from lamlam.evaluate import Question, complete, measure_completion
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from tests.evaluate.conftest import ScriptedModel, script

ADA = Question("Ada Lovelace was born on", "10 December 1815", "Ada Lovelace", "Birth Date")
BABBAGE = Question("Charles Babbage was born on", "26 December 1791", "Charles Babbage", "Birth Date")
NOBODY = Question("Nobody was born on", "1 May 1900", "Nobody", "Birth Date")
LONDON = Question("Ada Lovelace was born in", "London", "Ada Lovelace", "Birth Place")
CLAIM = Question("The engine is", "analytical")


@pytest.fixture
def kb(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as base:
        base.add([Fact("Ada Lovelace", "Birth Date", "10 December 1815"), Fact("Ada Lovelace", "Death Date", "1852")])
        yield base


@pytest.fixture
def lm(tokenizer, kb):
    def says(question, *parts):
        return script(tokenizer, question.prompt, *parts)

    scripts = [
        # rightly asked and answered, and another call after the first word, which must not count
        says(ADA, ("ada lovelace", "Birth date", "10 December 1815"), " 10 December 1815.", ("X", "Y")),
        # asked for the wrong fact, which the base has: the value goes wrong
        says(BABBAGE, ("Ada Lovelace", "Death Date", "1852"), " 1852 in London"),
        # the base has nothing: taken back, then written from memory
        says(NOBODY, ("Nobody", "Birth Date")),
        says(NOBODY, " 1 May 1900"),
        # right without asking
        says(LONDON, " London, where"),
        # a longer word
        says(CLAIM, " analytically sound"),
    ]
    return LookupModel(ScriptedModel(tokenizer, scripts), tokenizer, kb)


def test_every_figure_by_hand(lm):
    asked = [ADA, BABBAGE, NOBODY, LONDON, CLAIM]
    result = complete(lm, asked, base="facts", split="test", model="scripted", seed=3, batch_size=2)
    assert {a.question.prompt for a in result.answers if a.right} == {ADA.prompt, NOBODY.prompt, LONDON.prompt}
    metrics = result.metrics()
    assert result.accuracy == metrics["strict"].value == 3 / 5
    assert metrics["first answer contains"].value == 3 / 5
    assert metrics["peer's lenient"].value == 4 / 5  # "analytically" holds "analytical"
    assert metrics["asked"].value == 3 / 5
    assert result.asked_right == metrics["asked rightly"].value == 2 / 4  # CLAIM names no fact
    assert metrics["answered"].value == 2 / 5
    assert 0 <= result.interval.low < 3 / 5 < result.interval.high <= 1
    ada = result.answers[0]
    assert (ada.text, ada.queries, ada.values, ada.asked_right) == (
        "10 December 1815.",
        (("ada lovelace", "Birth date"),),
        ("10 December 1815",),
        True,
    )


def test_the_breakdown_and_the_examples(lm):
    asked = [ADA, BABBAGE, NOBODY, LONDON, CLAIM]
    result = measure_completion(lm, asked, "abstain", base="full", data="test", split="all", model="scripted")
    [breakdown] = result.tables
    assert [row[:3] for row in breakdown.rows] == [["Birth Date", 3, 2 / 3], ["Birth Place", 1, 1]]
    assert [example.right for example in result.examples] == [True, True, True, False, False]
    [wrong] = [example for example in result.examples if example.prompt == BABBAGE.prompt]
    assert wrong.note == "asked (Ada Lovelace, Death Date) got 1852"


def test_the_result_says_what_it_was_made_with(lm):
    result = measure_completion(lm, [ADA], "unknown", base="oracle", data="d", split="s", model="scripted", seed=3)
    made = json.loads(json.dumps(result.to_json()))
    assert (made["model"], made["base"], made["policy"]) == ("scripted", "oracle", "unknown")
    assert {name: made["definition"][name] for name in ("task", "data", "split", "seed", "base", "limit")} == {
        "task": "completion", "data": "d", "split": "s", "seed": 3, "base": "made from the benchmark's own answers",
        "limit": None,
    }  # fmt: skip
    assert made["metrics"]["strict"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1, "unit": "share"}


def test_an_alias_is_right_too(lm):
    asked = Question(LONDON.prompt, "Greater London", answers=("London",), group="places")
    assert complete(lm, [asked], base="facts", split="test").accuracy == 1


def test_the_policy_unknown_counts_as_asked_but_not_as_answered(lm):
    result = complete(lm, [NOBODY], "unknown", base="facts", split="test")
    figures = (result.metrics()[name].value for name in ("strict", "asked", "asked rightly", "answered"))
    assert tuple(figures) == (0, 1, 1, 0)


def test_without_a_base_the_result_says_so(lm):
    lm.kb = None
    result = complete(lm, [NOBODY, LONDON], base="facts", split="test")
    assert (result.base, result.metrics()["asked"].value, result.accuracy) == ("none", 0, 1)


def test_any_object_with_the_four_fields_is_a_question(lm):
    class Probe(NamedTuple):
        entity: str
        relation: str
        prompt: str
        value: str

    probe = Probe("Ada Lovelace", "Birth Date", ADA.prompt, ADA.value)
    assert complete(lm, [probe], base="facts", split="test").accuracy == 1


def test_the_same_seed_gives_the_same_result(lm):
    asked = [ADA, BABBAGE, NOBODY, LONDON, CLAIM] * 4
    first, again, other = (complete(lm, asked, base="facts", split="test", seed=seed) for seed in (1, 1, 2))
    assert first.interval == again.interval != other.interval


def test_questions_that_cannot_be_asked(lm):
    with pytest.raises(LamlamError, match="no questions"):
        complete(lm, [], base="facts", split="test")
    with pytest.raises(LamlamError, match="question 2 has no value"):
        complete(lm, [ADA, Question("Ada is", " ")], base="facts", split="test")
