from __future__ import annotations

import pytest

from lamlam.annotate.coreference import Names
from lamlam.annotate.gold import split_by_title, tenth
from lamlam.annotate.sentences import sentences_of
from lamlam.annotate.subject import heading_end, title_of
from lamlam.text import Document


@pytest.mark.parametrize(
    ("text", "meta", "title"),
    [
        ("x", {"title": " Ada "}, "Ada"),
        ("Ada Lovelace\n\nShe wrote.", {}, "Ada Lovelace"),
        ("Arsenal_F.C.: Arsenal began", {}, "Arsenal F.C."),
        ("She wrote: nothing.", {}, None),
        ("", {"title": 7}, None),
    ],
)
def test_what_a_document_is_about(text, meta, title):
    document = Document("d", text, (), meta)
    assert title_of(document) == title
    assert 0 <= heading_end(text) <= len(text)


def test_how_a_text_speaks_of_a_person_and_of_a_thing():
    person = Names("Ada Lovelace", "Ada Lovelace (born 1815) was a writer. She wrote.")
    thing = Names("Mallrats", "Mallrats is a 1995 comedy film by Kevin Smith. It was shown.")
    assert person.person
    assert not thing.person
    for words in ("Ada Lovelace", "Lovelace", "she", "Her", "lovelace's"):
        assert person.means_subject(words), words
    for words in ("it", "the writer", "Byron", "they"):
        assert not person.means_subject(words), words
    for words in ("Mallrats", "it", "the film", "This film"):
        assert thing.means_subject(words), words
    assert not thing.means_subject("she")


def test_sentences_end_at_full_stops_but_not_at_abbreviations():
    text = "Dr. A. B. Smith lived in St. Louis. He died in 1900! So what?\n\nThe U.S. won 3.5 points"
    found = [text[start:end] for start, end in sentences_of(text)]
    assert found == ["Dr. A. B. Smith lived in St. Louis.", "He died in 1900!", "So what?", "The U.S. won 3.5 points"]
    assert sentences_of(" \n ") == []


def test_one_title_is_in_one_tenth():
    documents = [Document(str(n), "x", (), {"title": f"T{n % 40}"}) for n in range(200)]
    learn, held_out = split_by_title(documents, 3)
    assert {d.meta["title"] for d in learn}.isdisjoint(d.meta["title"] for d in held_out)
    assert {tenth(document) for document in held_out} == {3}
    assert len(learn) + len(held_out) == 200
