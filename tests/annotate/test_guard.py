from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.annotate import carry_over
from lamlam.annotate import guard as guard_module
from lamlam.annotate.guard import NO_PLACE, NOT_SAID, OUT_OF_ORDER, TOO_LONG
from lamlam.text import Call, Document, Lookup, parse
from tests.text.hostile_documents import documents, strings


def carried(source: str, annotated: str) -> Document:
    guarded = carry_over(source, parse(annotated, id="d"))
    assert guarded.document.text == source
    return guarded.document


def places(document: Document) -> list[tuple[str, str | None]]:
    """What follows each call, up to the next space, and its mention."""
    return [
        (document.text[call.at :].split(" ")[0], call.span and document.text[slice(*call.span)])
        for call in document.calls
    ]


@given(documents())
def test_of_the_same_text_every_call_stays(document):
    guarded = carry_over(document.text, document)
    assert guarded.document == document
    assert not guarded.dropped


@given(documents(), strings, st.data())
def test_whatever_comes_back_the_text_is_the_source_and_every_call_is_counted(document, other, data):
    """The source is anything from the same text to another one: pieces of both, put together."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(document.text)), min_size=2, max_size=2)))
    source = document.text[: cuts[0]] + other + document.text[cuts[1] :]
    guarded = carry_over(source, document)
    assert guarded.document.text == source
    assert len(guarded.document.calls) + guarded.dropped.total() == len(document.calls)
    theirs = iter(document.calls)
    for call in guarded.document.calls:
        original = next(one for one in theirs if one.lookup == call.lookup)  # in the same order
        if call.span is not None:
            said = source[slice(*call.span)]
            assert said == call.lookup.value or said == document.text[slice(*original.span)]


@given(st.lists(st.sampled_from(["same", "dropped", "added"]), max_size=30), st.data())
def test_a_call_goes_before_its_word_and_is_dropped_with_it(fates, data):
    """No word comes twice, so there is one alignment, and it is obvious where every call belongs."""
    words = [(f"w{number}", fate) for number, fate in enumerate(fates)]
    source = " ".join(word for word, fate in words if fate != "added")
    kept = [word for word, fate in words if fate != "dropped"]
    gaps = data.draw(st.lists(st.sampled_from([" ", "  ", "\n"]), min_size=len(kept), max_size=len(kept)))
    text = "".join(word + gap for word, gap in zip(kept, gaps, strict=True))
    calls = []
    position = 0
    for word, gap in zip(kept, gaps, strict=True):
        calls.append(Call(position, Lookup("E", "R", word), (position, position + len(word))))
        position += len(word) + len(gap)
    guarded = carry_over(source, Document("d", text, tuple(calls)))
    position, expected = 0, []
    for word, fate in words:
        if fate == "same":
            expected.append(Call(position, Lookup("E", "R", word), (position, position + len(word))))
        if fate != "added":
            position += len(word) + 1
    assert list(guarded.document.calls) == expected
    added = fates.count("added") if source != text else 0
    assert guarded.dropped == Counter({NOT_SAID: added} if added else {})


@pytest.mark.parametrize(
    ("source", "annotated", "expected"),
    [
        # a heading dropped, white space and punctuation changed
        ("Ada\n\nAda (born 1815) was", "Ada ( born [dblookup('A', 'B') -> 1815] 1815 ), was", [("1815)", "1815")]),
        # a no-break space where the annotator wrote a space: found, but not by a parser again
        ("on May\xa05 there", "on  [dblookup('A', 'B') -> May 5] May 5 there", [("May\xa05", None)]),
        # the annotator left the value out of the text
        ("in York, north of Leeds", "in [dblookup('A', 'B') -> York] , north of Leeds!", [("York,", "York")]),
        # the value in other words
        ("had two girls.  Then", "had [dblookup('A', 'B') -> 2] two girls. Then", [("two", None)]),
        # a call before a word that only the annotator has
        ("born in 1815", "was born on [dblookup('A', 'B') -> May 5] May 5 in 1815", []),
        # the value has a word that the source has not
        ("had seven old bay mares", "had [dblookup('A', 'B') -> seven big bay mares] seven big bay mares", []),
        # a call without a mention between words that are not neighbours in the source
        ("had seven very good girls", "had [dblookup('A', 'B') -> 7] girls", []),
        # at both ends
        ("a b", "[dblookup('A', 'B') -> x] a  b [dblookup('A', 'B') -> y] ", [("a", None), ("", None)]),
        # what the annotator adds at an end is not in the source
        ("a b", "x [dblookup('A', 'B') -> 1] a  b [dblookup('A', 'B') -> 2] x", []),
        # special tokens and openings of calls in the source are text
        (
            "<|db_end|> of [dblookup( is  1815",
            "<|db_end|> of [\\dblookup( is [dblookup('A', 'B') -> 1815] 1815",
            [("1815", "1815")],
        ),
        ("", "[dblookup('A', 'B') -> 1815] 1815", []),
        ("born 1815", "", []),
    ],
)
def test_calls_go_where_their_words_are(source, annotated, expected):
    assert places(carried(source, annotated)) == expected


def test_a_call_whose_place_is_gone_is_dropped_for_a_reason():
    annotated = parse("one [dblookup('A', 'B') -> 9] nine two [dblookup('A', 'B') -> 3] 3", id="d")
    assert carry_over("one two", annotated).dropped == {NO_PLACE: 1, NOT_SAID: 1}


def test_calls_keep_their_order():
    annotated = parse("so [dblookup('A', 'B') -> 9] [dblookup('A', 'C') -> my] my n o 9 t", id="d")
    guarded = carry_over("so my 9 n o t", annotated)
    assert places(guarded.document) == [("9", "9")]
    assert guarded.dropped == {OUT_OF_ORDER: 1}


def test_the_source_text_leaves_meta():
    document = Document("d", "a b", (), {"source_text": "a  b", "title": "T"})
    assert carry_over("a  b", document).document == Document("d", "a  b", (), {"title": "T"})


def test_texts_too_long_to_align_keep_what_their_ends_share(monkeypatch):
    monkeypatch.setattr(guard_module, "MOST_CELLS", 10)
    call = "[dblookup('A', 'B') -> {0}] {0}"
    annotated = parse(" ".join(["x", call.format(1), "a b " * 60, call.format(2), "q r " * 60, call.format(3)]), id="d")
    guarded = carry_over("x 1 " + "f g " * 60 + "2 " + "k l " * 60 + "3", annotated)
    assert [call.lookup.value for call in guarded.document.calls] == ["1", "3"]
    assert guarded.dropped == {TOO_LONG: 1}


def test_long_texts_take_no_quadratic_time():
    """A million words that have nothing in common, a call before every tenth; then one change in a long text."""
    theirs = "x y z w v " * 200_000
    calls = tuple(Call(at, Lookup("E", "R", "x"), (at, at + 1)) for at in range(0, len(theirs), 100))
    began = time.perf_counter()
    assert carry_over("a b c d e " * 200_000, Document("d", theirs, calls)).dropped == {TOO_LONG: len(calls)}
    assert len(carry_over(theirs[:1000] + " new " + theirs[1000:], Document("d", theirs, calls)).document.calls) == len(
        calls
    )
    assert time.perf_counter() - began < 15
