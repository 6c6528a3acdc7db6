from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.text import Call, Document, Lookup, find_mention
from tests.text.hostile_documents import FRAGMENTS

LOOKUP = Lookup("Ada Lovelace", "Birth Date", "1815")


def test_calls_become_a_tuple_in_their_order():
    calls = [Call(0, LOOKUP), Call(3, LOOKUP, (3, 7)), Call(3, LOOKUP)]
    assert Document("d", "in 1815", calls).calls == tuple(calls)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([Call(5, LOOKUP), Call(4, LOOKUP)], "out of order"),
        ([Call(8, LOOKUP)], "outside the text"),
        ([Call(-1, LOOKUP)], "outside the text"),
        ([Call(3, LOOKUP, (2, 5))], "span"),
        ([Call(3, LOOKUP, (5, 4))], "span"),
        ([Call(3, LOOKUP, (3, 8))], "span"),
    ],
)
def test_calls_that_do_not_fit_the_text_are_refused(calls, message):
    with pytest.raises(ValueError, match=message) as error:
        Document("the-id", "in 1815", calls)
    assert "the-id" in str(error.value)


def test_with_lookups_finds_the_spans():
    document = Document.with_lookups("d", "born in 1815 in London", [(0, LOOKUP), (13, LOOKUP)], {"title": "Ada"})
    assert [call.span for call in document.calls] == [(8, 12), None]
    assert document.meta == {"title": "Ada"}


@pytest.mark.parametrize(
    ("text", "at", "value", "span"),
    [
        ("in 1815", 0, "1815", (3, 7)),
        ("in 18150, 1815", 0, "1815", (10, 14)),
        ("x1815 1815", 0, "1815", (6, 10)),
        ("1815", 1, "1815", None),
        ("in\n1815", 0, "1815", None),
        ("New\nYork", 0, "New\nYork", (0, 8)),
        ("a ($5)b", 0, "($5)", (2, 6)),
        ("anything", 3, "", None),
        ("cafe\u0301 and cafe", 0, "cafe", (10, 14)),
        ("क्षि क्ष", 0, "क्ष", (5, 8)),
    ],
)
def test_find_mention(text, at, value, span):
    assert find_mention(text, at, value) == span


def slow_find_mention(text: str, at: int, value: str) -> tuple[int, int] | None:
    """Every place from `at` on, one by one, by the rule's own words."""

    def in_word(char: str) -> bool:
        return char.isalnum() or unicodedata.category(char)[0] == "M"

    for start in range(at, len(text) + 1):
        end = start + len(value)
        begins_on_line = "\n" not in text[at:start]
        cut_before = start > 0 and value and in_word(text[start - 1]) and in_word(value[0])
        cut_after = end < len(text) and value and in_word(text[end]) and in_word(value[-1])
        if value and begins_on_line and text[start:end] == value and not cut_before and not cut_after:
            return (start, end)
    return None


@given(st.data())
def test_find_mention_agrees_with_the_slow_way(data):
    pieces = st.lists(st.sampled_from([*FRAGMENTS[:14], "a", "b", "\n", " ", "é", "e\u0301", "1"]), max_size=12)
    text = "".join(data.draw(pieces))
    at = data.draw(st.integers(0, len(text)))
    start = data.draw(st.integers(0, len(text)))
    value = text[start : data.draw(st.integers(start, min(len(text), start + 4)))]
    assert find_mention(text, at, value) == slow_find_mention(text, at, value)
