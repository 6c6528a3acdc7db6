from __future__ import annotations

import pytest

from lamlam.annotate import Aligner
from lamlam.annotate.spellings import other_spellings
from lamlam.kb import Fact
from lamlam.text import Document


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ("1815-12-10", "10 December 1815"),
        ("+1815-12-10T00:00:00Z", "December 10, 1815"),
        ("+1815-00-00T00:00:00Z", "1815"),
        ("10 December 1815", "1815-12-10"),
        ("December 10, 1815", "10 December 1815"),
        ("12800", "12,800"),
        ("+12800", "12800"),
        ("12,800", "12800"),
        ("2500000", "2.5 million"),
        ("3", "three"),
        ("three", "3"),
    ],
)
def test_dates_and_numbers_in_other_spellings(value, other):
    assert other in other_spellings(value)
    assert value not in other_spellings(value)


@pytest.mark.parametrize("value", ["London", "1815", "31 February 1815", "1815-02-31", "one", "B-52", ""])
def test_what_has_no_other_spelling(value):
    assert other_spellings(value) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ada Lovelace was born on December 10, 1815.", "December 10, 1815"),
        ("Lovelace, born 10 December 1815, wrote notes. She", "10 December 1815"),
    ],
)
def test_the_call_gives_the_texts_own_spelling(text, said):
    aligner = Aligner([Fact("Ada Lovelace", "date of birth", "+1815-12-10T00:00:00Z")])
    (document,) = aligner.annotate([Document("d", text, (), {"title": "Ada Lovelace"})])
    assert [call.lookup.value for call in document.calls] == [said]
    assert text[slice(*document.calls[0].span)] == said


def test_aliases_pronouns_and_short_names_speak_of_the_subject():
    facts = [Fact("Ada Lovelace", "place of birth", "London")]
    for text in (
        "The Enchantress was born in London.",
        "Lovelace (she said) of London.",
        "He knew her; she left London.",
    ):
        aligner = Aligner(facts, [("The Enchantress", "Ada Lovelace")])
        (document,) = aligner.annotate([Document("d", text, (), {"title": "Ada Lovelace"})])
        assert [call.lookup.value for call in document.calls] == ["London"], text
    (document,) = aligner.annotate([Document("d", "The Enchantress: London", (), {"title": "The Enchantress"})])
    assert document.calls[0].lookup.entity == "Ada Lovelace"
