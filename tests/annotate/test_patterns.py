from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.annotate.patterns import Patterns
from lamlam.annotate.rule_language import load_rules
from lamlam.errors import LamlamError
from lamlam.text import Document

RULES = load_rules()
EXAMPLES = [(rule.name, example) for rule in RULES for example in rule.examples]
pieces = st.sampled_from(
    [
        "Ada",
        "Ada Lovelace",
        "She",
        "is a",
        "1815",
        "(born ",
        ") ",
        "10 December 1815",
        "London",
        ", ",
        ". ",
        " ",
        "\n",
        "é",
        "[dblookup(",
    ]
)


def found(text: str, title: str, patterns: Patterns) -> dict[str, str]:
    (document,) = patterns.annotate([Document("d", text, (), {"title": title})])
    assert document.text == text
    return {call.lookup.relation: call.lookup.value for call in document.calls}


def test_every_rule_has_an_example():
    assert {rule.name for rule in RULES} == {name for name, _ in EXAMPLES}


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_every_example_of_a_rule_gives_its_calls_and_no_others(name, example):
    assert found(example.text, example.title, Patterns()) == dict(example.calls)


def test_a_rule_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "- rule: moons\n  text: '{subject} has {Number of Moons: number} $word'\n  each: {moons: '', satellites: ''}\n"
        "  examples:\n  - {title: Mars, text: Mars has two moons., calls: {Number of Moons: two}}\n"
    )
    rules = load_rules(tmp_path / "mine.yaml")
    assert found("Mars has two moons.", "Mars (planet)", Patterns(rules)) == {"Number of Moons": "two"}
    assert found("It has 79 satellites.", "Jupiter", Patterns(rules)) == {"Number of Moons": "79"}
    assert found("Venus has two moons.", "Mars", Patterns(rules)) == {}


@given(st.lists(pieces, max_size=15).map("".join), st.sampled_from(["Ada Lovelace", "Ada", "London", "(x)", "."]))
def test_calls_are_what_the_text_says_in_order_and_never_twice(text, title):
    (document,) = Patterns(RULES).annotate([Document("d", text, (), {"title": title})])
    assert document.text == text
    end = 0
    for call in document.calls:
        assert text[slice(*call.span)] == call.lookup.value
        assert call.span[0] == call.at >= end
        end = call.span[1]
    asked = [(call.lookup.entity, call.lookup.relation) for call in document.calls]
    assert len(asked) == len(set(asked))


def test_ten_megabytes_pass_in_seconds_and_a_document_without_a_title_stays():
    text = "She was born in London, and (so on; " * 150_000 + "\n" + "Word " * 1_000_000
    began = time.perf_counter()
    assert found(text, "Ada Lovelace", Patterns()) == {}
    assert time.perf_counter() - began < 30
    document = Document("d", "ada was born in 1815.")
    assert list(Patterns().annotate([document])) == [document]
    assert found("", "Ada", Patterns()) == {}


@pytest.mark.parametrize(
    ("title", "text", "calls"),
    [
        ("Sears Centre", "The Sears Centre Arena is an arena.", {"Type": "arena"}),  # half of the title's words
        ("Andres Gonzalez", "Andrés González (born 1945) is a Cuban boxer.", "Nationality"),  # without accents
        ("Ada L. Rice", "Daniel Rice (1896-1975) and Ada Rice were American painters.", {}),  # somebody else
        ("List of Castle episodes", "Castle is an American television series.", {}),
        ("Colors (TV channel)", "Viacom 18 Media is an Indian company.", {}),
        ("Lee In-hoon", "Lee In-hun (born 1970) is a skater.", {"Birth Date": "1970", "Occupation": "skater"}),
        ("Ida Cook-Nelson", "Craig Nelson (born 1944) is an actor.", {}),  # of the title's name only the last
        ("Westlake, Ohio", "In Spain, Westlake is a city.", {"Type": "city"}),  # the name before the comma
        ("Westlake, Ohio", "The population was 300 at the 2010 census.", {"Population": "300", "Census Year": "2010"}),
        ("FC Alga", "The club no longer plays its home games at Dynamo Stadion.", {}),
    ],
)
def test_what_the_first_sentence_names_and_what_is_denied(title, text, calls):
    got = found(text, title, Patterns())
    assert calls in got if isinstance(calls, str) else got == calls


def test_a_rule_about_what_was_just_named_finds_every_one():
    text = "Her films include The Lark (1956), Forty Carats (1969) and, in Lyon, France, Green Water (1970)."
    (document,) = Patterns().annotate([Document("d", text, (), {"title": "Jean Winslow"})])
    assert [call.lookup for call in document.calls] == [
        ("The Lark", "Release Year", "1956"),
        ("Forty Carats", "Release Year", "1969"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rule: x", "a file of rules is a list"),
        ("- [", "not YAML"),
        ("- {rule: x}", "needs 'rule'"),
        ("- {rule: x, text: '{Born: planet}'}", "no kind 'planet'"),
        ("- {rule: x, text: '(', about: person}", "not a regular expression"),
        ("- {rule: x, text: a, about: cat}", "'about' is person or thing"),
        ("- {rule: x, text: a, colour: red}", "unknown key 'colour'"),
        ("- {rule: x, text: a, examples: [{text: a}]}", "an example needs"),
    ],
)
def test_a_file_of_rules_that_cannot_be_read_is_one_line(tmp_path, content, message):
    (tmp_path / "r.yaml").write_text(content)
    with pytest.raises(LamlamError, match=re.escape(message)) as caught:
        load_rules(tmp_path / "r.yaml")
    assert "\n" not in str(caught.value)
    assert "r.yaml" in str(caught.value)


def test_no_value_is_cut_off_at_a_full_stop_of_its_own():
    assert found("Corozal is a town in the U.S. It is small.", "Corozal", Patterns()).get("Location") != "U"
    assert "Location" not in found("Wabowden is situated on Trunk Highway No. 6.", "Wabowden", Patterns())
