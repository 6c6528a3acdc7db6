from __future__ import annotations

import pytest
from hypothesis import given

from lamlam.annotate import Corrections, correct, correct_all
from lamlam.annotate.correct import (
    EMPTY,
    EXAMPLES,
    SAID,
    SAME,
    SEVERAL,
    SEVERAL_IN_CORPUS,
    TOO_FEW,
    VAGUE,
    VAGUE_RELATION,
    Answers,
)
from lamlam.kb.names import normalise
from lamlam.text import Call, Document, Lookup, parse
from tests.text.hostile_documents import documents


def reasons(written: str) -> list[str]:
    return [reason for _, reason in correct(parse(written, id="d")).dropped]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Ada, [dblookup('Ada', 'Born') -> 1815] 1815", []),
        ("Ada, [dblookup('Ada', 'Born') -> ] 1815", [EMPTY]),
        ("Ada, [dblookup(' ', 'Born') -> 1815] 1815", [EMPTY]),
        ("[dblookup('Ada_L', 'Name') -> ada l.] Ada L.", [SAME]),
        ("[dblookup('Ada', 'Prize') -> the Ada Prize] the Ada Prize", [SAME]),
        ("[dblookup('Ada', 'Home') -> Adam City] Adam City", []),
        ("[dblookup('Ada', 'Related To') -> 1815] 1815", [VAGUE_RELATION]),
        ("[dblookup('Ada', '') -> 1815] 1815", [VAGUE_RELATION]),
        ("In 1815 Ada was born [dblookup('Ada', 'Born') -> 1815] 1815", [SAID]),
        ("In 18150 Ada was born [dblookup('Ada', 'Born') -> 1815] 1815", []),
        ("[dblookup('Ada', 'Born') -> 1815] 1815, [dblookup('Bea', 'Born') -> 1815] 1815", [SAID]),
        # two calls in a row before one mention: neither was said before
        ("[dblookup('Ada', 'Born') -> 1815] [dblookup('Ada', 'Named') -> 1815] 1815", []),
        ("[dblookup('A', 'Won') -> B] B, [dblookup('A', 'won') -> C] C, [dblookup('A', 'Born') -> D] D", [SEVERAL] * 2),
        # the other value is no bad answer: its call goes for another reason
        ("B [dblookup('A', 'Won') -> B] B, [dblookup('A', 'Won') -> C] C", [SAID]),
        ("[dblookup('A', 'In') -> York] York [dblookup('A', 'In') -> york] york", []),
        ("", []),
    ],
)
def test_each_rule(written, expected):
    assert reasons(written) == expected


@given(documents())
def test_only_calls_go_and_none_goes_the_second_time(document):
    corrected = correct(document)
    assert (corrected.document.id, corrected.document.text) == (document.id, document.text)
    dropped = [call for call, _ in corrected.dropped]
    assert sorted([*corrected.document.calls, *dropped], key=repr) == sorted(document.calls, key=repr)
    again = correct(corrected.document)
    assert again.document == corrected.document
    assert not again.dropped


def test_calls_are_counted_with_examples():
    bad = Document("bad", "x", tuple(Call(0, Lookup("A", "Born", "")) for _ in range(EXAMPLES + 2)))
    corrections = Corrections()
    list(correct_all([bad, parse("[dblookup('A', 'Born') -> 1] 1", id="good")], corrections))
    assert (corrections.documents, corrections.kept, dict(corrections.dropped)) == (2, 1, {EMPTY: EXAMPLES + 2})
    assert corrections.examples == {EMPTY: ["bad: [dblookup('A', 'Born') -> ]"] * EXAMPLES}


def test_the_vague_relations_are_as_they_are_compared():
    assert {normalise(relation) for relation in VAGUE} == VAGUE


def test_what_documents_answer_differently_is_dropped_from_all_of_them():
    corpus = [
        parse("Ada, born [dblookup('Ada', 'Born') -> 10 December 1815] 10 December 1815", id="a"),
        parse("Born [dblookup('ada', 'born') -> December 10, 1815] December 10, 1815", id="b"),  # the same day
        parse("[dblookup('Ada', 'Home') -> York] York", id="c"),
        parse("[dblookup('Ada', 'Home') -> Bath] Bath and [dblookup('Bea', 'Home') -> Bath] Bath", id="d"),
        # a bad call tells nothing against the others
        parse("1816 [dblookup('Ada', 'Born') -> 1816] 1816", id="e"),
    ]
    corrections = Corrections()
    kept = [len(document.calls) for document in correct_all(corpus, corrections, answers=Answers(corpus))]
    assert kept == [1, 1, 0, 0, 0]
    assert corrections.dropped == {SEVERAL_IN_CORPUS: 2, SAID: 2}
    assert corrections.examples[SEVERAL_IN_CORPUS] == [
        "c: [dblookup('Ada', 'Home') -> York]",
        "d: [dblookup('Ada', 'Home') -> Bath]",
    ]


def test_documents_with_too_few_calls_are_left_out():
    corpus = [
        parse("Ada, born [dblookup('Ada', 'Born') -> 1815] 1815 " + "and so on " * 17, id="few"),
        parse("Ada, born [dblookup('Ada', 'Born') -> 1815] 1815 " + "and so on " * 10, id="enough"),
        parse("so on " * 60, id="none"),
        parse("short", id="short"),
    ]
    corrections = Corrections()
    kept = list(correct_all(corpus, corrections, least_per_100=4.0))
    assert [document.id for document in kept] == ["enough", "short"]
    assert (corrections.documents, corrections.left_out, corrections.kept) == (4, 2, 1)
    assert corrections.dropped == {TOO_FEW: 1}
    assert corrections.examples[TOO_FEW][0] == "few: [dblookup('Ada', 'Born') -> 1815]"
    assert corrections.examples[TOO_FEW][1].startswith("none: no call in 'so on")
