from __future__ import annotations

import pytest
from hypothesis import given

from lamlam.annotate import Corrections, correct, correct_all
from lamlam.annotate.correct import EMPTY, EXAMPLES, SAID, SAME, SEVERAL, VAGUE, VAGUE_RELATION
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
