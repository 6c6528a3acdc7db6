"""Completion against a model that says exactly what a script says."""

import json
from typing import NamedTuple

import pytest

from lamlam.errors import LamlamError
from lamlam.evaluate import Question, complete, is_right
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from tests.evaluate.conftest import ScriptedModel

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
    def script(question, *parts):
        ids = [tokenizer.start_id, *tokenizer.encode_text(question.prompt)]
        for part in parts:
            match part:
                case (entity, relation):
                    ids += tokenizer.encode_query(entity, relation)
                case (entity, relation, value):
                    ids += tokenizer.encode_query(entity, relation) + tokenizer.encode_answer(value)
                case text:
                    ids += tokenizer.encode_text(text, first=False)
        return [*ids, tokenizer.eos_id]

    scripts = [
        # rightly asked and answered, and another call after the first word, which must not count
        script(ADA, ("ada lovelace", "Birth date", "10 December 1815"), " 10 December 1815.", ("X", "Y")),
        # asked for the wrong fact, which the base has: the value goes wrong
        script(BABBAGE, ("Ada Lovelace", "Death Date", "1852"), " 1852 in London"),
        # the base has nothing: taken back, then written from memory
        script(NOBODY, ("Nobody", "Birth Date")),
        script(NOBODY, " 1 May 1900"),
        # right without asking
        script(LONDON, " London, where"),
        # a longer word
        script(CLAIM, " analytically sound"),
    ]
    return LookupModel(ScriptedModel(tokenizer, scripts), tokenizer, kb)


def test_every_figure_by_hand(lm):
    asked = [ADA, BABBAGE, NOBODY, LONDON, CLAIM]
    result = complete(lm, asked, base="facts", split="test", model="scripted", seed=3, batch_size=2)
    right = {answer.prompt for answer in result.right_examples}
    assert right == {ADA.prompt, NOBODY.prompt, LONDON.prompt}
    assert {answer.prompt for answer in result.wrong_examples} == {BABBAGE.prompt, CLAIM.prompt}
    assert result.accuracy == 3 / 5
    assert result.asked == 3 / 5
    assert result.asked_right == 2 / 4  # CLAIM names no fact
    assert result.answered == 2 / 5
    assert [(one.relation, one.questions, one.right) for one in result.relations] == [
        ("Birth Date", 3, 2),
        ("Birth Place", 1, 1),
    ]
    assert 0 <= result.interval.low < 3 / 5 < result.interval.high <= 1
    [ada] = [answer for answer in result.right_examples if answer.prompt == ADA.prompt]
    assert (ada.text, ada.queries, ada.asked_right) == (
        "10 December 1815.",
        (("ada lovelace", "Birth date"),),
        True,
    )


def test_the_result_says_what_it_was_made_with(lm):
    result = complete(lm, [ADA], "unknown", base="facts", split="test", model="scripted", seed=3)
    made = json.loads(json.dumps(result.to_json()))
    assert {name: made[name] for name in ("task", "version", "model", "base", "split", "policy", "seed")} == {
        "task": "completion", "version": 1, "model": "scripted", "base": "facts", "split": "test",
        "policy": "unknown", "seed": 3,
    }  # fmt: skip
    assert made["relations"] == [{"relation": "Birth Date", "questions": 1, "right": 1, "accuracy": 1.0}]
    assert made["interval"] == [1.0, 1.0]


def test_the_policy_unknown_counts_as_asked_but_not_as_answered(lm):
    result = complete(lm, [NOBODY], "unknown", base="facts", split="test")
    assert (result.accuracy, result.asked, result.asked_right, result.answered) == (0, 1, 1, 0)


def test_without_a_base_the_result_says_so(lm):
    lm.kb = None
    result = complete(lm, [NOBODY, LONDON], base="facts", split="test")
    assert (result.base, result.asked, result.accuracy) == ("none", 0, 1)


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
    assert first == again != other


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (" Paris", True),
        ("\n\t Paris, where", True),
        ("Paris’s", True),
        (" Parisian", False),
        (" Paris2", False),
        (" Paris\u0301", False),
        (" in Paris", False),
        (" paris", False),
        (" Pari", False),
        ("", False),
    ],
)
def test_strict_match(text, right):
    assert is_right(text, "Paris") is right


def test_questions_that_cannot_be_asked(lm):
    with pytest.raises(LamlamError, match="no questions"):
        complete(lm, [], base="facts", split="test")
    with pytest.raises(LamlamError, match="question 2 has no value"):
        complete(lm, [ADA, Question("Ada is", " ")], base="facts", split="test")
