"""What else goes when something is forgotten: misspelt duplicates of it, and nobody else's facts."""

import pytest

from lamlam.kb import Fact
from lamlam.kb.name_score import one_slip


def facts(told):
    return {(fact.entity, fact.relation, fact.value) for fact in told.facts}


def test_a_misspelt_duplicate_is_shown_and_goes(ada):
    ada.add([Fact("Ada Lovelacce", "Birth Date", "10 december 1815")])
    shown = ada.forget("Ada Lovelace", "Birth Date", dry_run=True)
    assert shown.entities == ("Ada Lovelace", "Ada Lovelacce")
    assert facts(ada.forget("Ada Lovelace", "Birth Date")) == facts(shown) == {
        ("Ada Lovelace", "Birth Date", "10 December 1815"),
        ("Ada Lovelacce", "Birth Date", "10 december 1815"),
    }  # fmt: skip
    for name in ("Ada Lovelace", "Ada Lovelacce", "Ada Lovelac", "Lovelace, Ada"):
        assert ada.lookup(name, "Birth Date") is None
        assert ada.lookup(name, "Occupation").fact.value == "mathematician"  # of her who stays
    assert ada.lookup("Charles Babbage", "Birth Date") is not None
    assert ada.add([Fact("Ada Lovelacce", "Birth Date", "10 December 1815")]).refused == 1
    assert ada.check() == []


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([("Birth Date", "1 January 1900")], "says something else of what is forgotten"),
        ([("Birth Date", "10 December 1815"), ("Birth Date", "1 January 1900")], "says more of it"),
        ([("Birth Date", "10 December 1815"), ("Occupation", "baker")], "is somebody else by another fact"),
        ([("Occupation", "mathematician")], "says nothing of it"),
    ],
)
def test_a_namesake_keeps_what_is_hers(ada, others, why):
    ada.add(Fact("Ada Lovelacce", *other) for other in others)
    assert ada.forget("Ada Lovelace", "Birth Date").entities == ("Ada Lovelace",), why
    assert {(match.fact.relation, match.fact.value) for match in ada.facts("Ada Lovelacce")} == set(others)


@pytest.mark.parametrize("name", ["Ida Lovelace", "Ada Lovelace II", "Ada Babbage"])
def test_another_name_with_the_same_value_stays(ada, name):
    ada.add([Fact(name, "Birth Date", "10 December 1815")])
    ada.forget("Ada Lovelace", "Birth Date")
    assert ada.lookup(name, "Birth Date").fact.value == "10 December 1815"


def test_with_a_whole_entity_goes_only_who_says_nothing_else(ada):
    ada.add([Fact("Ada Lovelacce", "Birth Date", "10 December 1815"), Fact("Ada Lovvelace", "Spouse", "William King")])
    assert ada.forget("Ada Lovelace").entities == ("Ada Lovelace", "Ada Lovelacce")
    assert ada.lookup("Ada Lovvelace", "Spouse").fact.value == "William King"
    assert ada.lookup("Ada Lovelacce", "Birth Date") is None


def test_the_relation_in_other_words_goes_where_it_says_the_same(ada):
    ada.add([Fact("Ada Lovelace", relation, "10 December 1815") for relation in ("Brith Date", "Date of Birth")])
    ada.add([Fact("Ada Lovelace", "Former Birth Date", "10 December 1815"), Fact("Ada Lovelace", "Born", "in London")])
    gone = ada.forget("Ada Lovelace", "Birth Date")
    assert {fact.relation for fact in gone.facts} == {"Birth Date", "Brith Date", "Date of Birth"}
    assert {match.fact.relation for match in ada.facts("Ada Lovelace")} == {"Born", "Former Birth Date", "Occupation"}
    assert ada.lookup("Ada Lovelace", "date of birth") is None


def test_a_duplicate_that_still_has_the_former_value_goes(ada):
    ada.add([Fact("Ada Lovelacce", "Birth Date", "10 December 1815")])
    ada.set("Ada Lovelace", "Birth Date", "1815")
    assert "Ada Lovelacce" in ada.forget("Ada Lovelace", "Birth Date").entities


def test_a_misspelt_name_does_not_slide_to_whoever_has_the_forgotten_relation(kb):
    """Of Joan only one fact is forgotten, and her near namesake, who stays, has another value for it."""
    kb.add([Fact("Joan Smithson", "Spouse", "x"), Fact("Joan Smithson", "Job", "smith")])
    kb.add([Fact("Joann Smithsonn", "Spouse", "somebody else's"), Fact("Joann Smithsonn", "Job", "baker")])
    asked = "Joan Smithsonn"
    assert kb.lookup(asked, "Spouse") is not None or kb.resolve(asked).why
    kb.forget("Joan Smithson", "Spouse")
    for query in (asked, "Joan Smithsom", "Joann Smithson"):
        assert kb.lookup(query, "Spouse") is None
        assert kb.lookup(query, "spouse") is None
    assert kb.lookup("Joann Smithsonn", "Spouse").fact.value == "somebody else's"
    assert kb.lookup("Joann Smithsonn", "spouses").fact.value == "somebody else's"
    assert kb.lookup("Joan Smithsom", "Job") is None or kb.lookup("Joan Smithsom", "Job").fact.value == "smith"
    assert kb.add([Fact("Joan Smithson", "Spouse", "x")], force=True) == 1
    assert kb.lookup("Joan Smithson", "Spouse").fact.value == "x"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The Burning Rose", "The Burning Rsoe", True),
        ("The Burning Rose", "The BurningRose", True),
        ("Award", "Awaard", True),
        ("Award", "Aard", True),
        ("The Burning Rose", "Teh Burning Rose", True),
        ("The Rose and the Oak", "The Rose adn the Oak", True),
        ("Ann and Bo", "Ann und Bo", False),
        ("Ada Lovelace", "Ada Lovelace", False),
        ("Apollo 11", "Apollo 1", False),
        ("Louis XIV", "Louis XV", False),
        ("John Roberts", "John Robert", False),
        ("Maria Stone", "Mario Stone", False),
        ("Anne Stone", "Annie Stone", False),
        ("Zanuna Neldo", "Zanuna Seldo", False),
        ("Wei Li", "Wei Lin", False),
        ("Ada Lovelace", "Ada Lovelace II", False),
    ],
)
def test_one_slip_of_the_hand(one, other, same):
    assert one_slip(one, other) is one_slip(other, one) is same


def test_spellings_of_a_neighbour_repeat_it_together_or_not_at_all(kb):
    kb.add(
        [
            Fact("Ada Lovelacce", "Birth Place", "London"),
            Fact("ADA LOVELACE", "Birth Place", "London"),
            Fact("Ada Lovelace", "Birth Date", "1815"),
        ]
    )
    assert kb.forget("Ada Lovelacce", dry_run=True).entities == ("Ada Lovelacce",)


def test_a_misspelt_duplicate_of_a_title_of_common_words_goes(kb):
    """A search for the title gives some of the many names that share its words, and not this one."""
    words = [f"{one}{other}" for one in ("bar", "fen", "gil", "mor", "tas") for other in ("den", "low", "mont", "wick")]
    kb.add(Fact(f"The {one} {other}", "Author", f"{one} {other}") for one in words for other in words if one != other)
    wrong = ["The Bardne Fenlow", "The Barden Fenow", "TheBarden Fenlow", "Teh Barden Fenlow", "The Barxden Fenlow"]
    kb.add(Fact(name, "Author", "barden fenlow") for name in wrong)
    kb.add([Fact("The Barden Fenloww", "Author", "somebody else")])
    assert set(kb.forget("The barden fenlow", "Author").entities) == {"The barden fenlow", *wrong}
    assert kb.lookup("The Barden Fenloww", "Author").fact.value == "somebody else"
