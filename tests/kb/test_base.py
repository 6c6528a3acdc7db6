"""Adding, the order of values, provenance, setting, history, and use from threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, Match
from lamlam.text import Call, Document, Lookup


def values(kb: KnowledgeBase, entity: str, relation: str) -> list[str]:
    return [match.fact.value for match in kb.lookup(entity, relation, k=10)]


def test_a_lookup_says_which_fact_how_sure_and_how(ada):
    fact = Fact("Ada Lovelace", "Birth Date", "10 December 1815", source="doc-17", span=(28, 44))
    assert ada.lookup("Ada Lovelace", "Birth Date") == Match(fact, 1.0, "exact entity, exact relation")
    assert ada.lookup("Ada Lovelace", "Death Date") is None
    assert ada.lookup("Grace Hopper", "Birth Date") is None


def test_lookup_many_answers_in_order(ada):
    answers = ada.lookup_many([("Charles Babbage", "Birth Date"), ("Nobody", "x"), ("Ada Lovelace", "Occupation")])
    assert [answer and answer.fact.value for answer in answers] == ["26 December 1791", None, "mathematician"]


def test_adding_again_adds_nothing(ada):
    before = list(ada)
    again = ada.add(before)
    assert (again, again.known, again.refused) == (0, 3, 0)
    assert list(ada) == before
    assert len(ada) == 3


def test_values_come_most_asserted_first_whatever_order_they_came_in(new_base):
    facts = [
        Fact("E", "R", "often", source="a"),
        Fact("E", "R", "often", source="b"),
        Fact("E", "R", "beta"),
        Fact("E", "R", "alpha", source="z"),
        Fact("E", "R", "first", rank=-1),
    ]
    seen = set()
    for number, order in enumerate(permutations(facts)):
        if number % 7:  # every order would take long; these are enough to start with each fact
            continue
        kb = new_base()
        kb.add(order)
        assert values(kb, "E", "R") == ["first", "often", "alpha", "beta"]
        seen.add(tuple(kb))
    assert len(seen) == 1  # sources and spans as well


def test_the_same_evidence_twice_counts_once(kb):
    kb.add(
        [Fact("E", "R", "b", source="doc")] * 5 + [Fact("E", "R", "a", source="one"), Fact("E", "R", "a", source="two")]
    )
    assert values(kb, "E", "R") == ["a", "b"]
    kb.add([Fact("E", "R", "b")] * 5)  # bare, which is one more piece of evidence, not five
    assert values(kb, "E", "R") == ["a", "b"]
    assert kb.check() == []


def test_k_limits_the_values(kb):
    kb.add(Fact("E", "R", value) for value in "abc")
    assert len(kb.lookup("E", "R", k=2)) == 2
    assert kb.lookup("E", "R", k=0) == []
    assert kb.lookup("E", "nothing", k=3) == []


def test_of_two_confidences_in_the_same_evidence_the_higher_stays(kb):
    kb.add([Fact("E", "R", "v", source="d", confidence=c) for c in (0.2, 0.9, 0.5)])
    assert kb.lookup("E", "R").fact.confidence == 0.9


def test_facts_of_documents_know_their_document_and_span(kb):
    text = "Napoleon was born on August 15, 1769."
    calls = (
        Call(21, Lookup("Napoleon", "Birth Date", "August 15, 1769"), (21, 36)),
        Call(21, Lookup("Napoleon", "x", "")),
    )
    added = kb.add_documents([Document("d", text, calls)])
    assert (added, added.unusable) == (1, 1)
    fact = kb.lookup("Napoleon", "Birth Date").fact
    assert fact.source == "d"
    assert text[slice(*fact.span)] == fact.value


def test_iteration_is_by_name_and_survives_more_than_a_page(kb):
    facts = [Fact(f"Entity {number:04}", relation, "v") for number in range(603) for relation in ("A", "B")]
    kb.add(reversed(facts))
    assert list(kb) == facts


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        (Fact("", "R", "v"), "entity of a fact is empty"),
        (Fact("E", " \t", "v"), "relation of a fact is empty"),
        (Fact("E", "R", ""), "value of a fact is empty"),
        (Fact("E\0", "R", "v"), "NUL"),
        (Fact("E", "R", "\ud800"), "surrogate"),
        (Fact("E", "R", 5), "must be text"),
        (Fact("E", "R", "v", source="\udfff"), "source"),
        (Fact("E", "R", "v", author=" "), "author"),
        (Fact("E", "R", "v", span=(5, 2)), "span"),
        (Fact("E", "R", "v", confidence=float("nan")), "confidence"),
        (Fact("E", "R", "v", rank=2**40), "rank"),
    ],
)
def test_a_fact_that_cannot_be_stored_stops_all(kb, fact, says):
    with pytest.raises(LamlamError, match=says) as raised:
        kb.add([Fact("Good", "R", "v"), fact])
    assert "\n" not in str(raised.value)
    assert len(kb) == 0
    assert kb.stats()["transactions"] == 0


@pytest.mark.parametrize(
    "name",
    ["%", "_", "a'; DROP TABLE facts; --", '"', "\x01\x1f", "a\nb", "x" * 100_000, "🎸", "नमस्ते", "e\u0301", "!!!", "*"],
)
def test_odd_names_are_stored_and_found_and_nothing_else_is(kb, name):
    kb.add([Fact("Plain Name", "R", "other"), Fact(name, "R", "v")])
    assert kb.lookup(name, "R").fact == Fact(name, "R", "v")
    kb.forget(name)
    assert kb.lookup(name, "R") is None
    assert kb.lookup("Plain Name", "R").fact.value == "other"


@pytest.mark.parametrize("name", ["", " ", "\0", "\ud800", "a\0b", "%", "_", "x" * 100_000, "(", "*", '"a" OR "b"'])
def test_odd_queries_are_answered_with_nothing(ada, name):
    assert ada.lookup(name, "Birth Date") is None
    assert ada.lookup("Ada Lovelace", name) is None
    assert ada.resolve(name).name is None
    assert ada.history(name) == []
    assert ada.history("Ada Lovelace", name) == []


def test_set_replaces_every_value_of_the_key_and_keeps_history(kb):
    start = datetime.now(UTC) - timedelta(seconds=1)
    kb.add(
        [Fact("E", "R", "old"), Fact("E", "R", "older"), Fact("E", "S", "other")], author="import", reason="first load"
    )
    assert kb.set("E", "R", "new", author="me", reason="corrected")
    assert kb.set("E", "R", "new") is False
    assert values(kb, "E", "R") == ["new"]
    assert kb.lookup("E", "R").fact.author == "me"
    told = [(c.author, c.reason, c.what, c.relation, c.old, c.new) for c in kb.history("E")]
    assert told == [
        ("import", "first load", "added", "R", None, "old"),
        ("import", "first load", "added", "R", None, "older"),
        ("import", "first load", "added", "S", None, "other"),
        ("me", "corrected", "set", "R", "old", "new"),
        ("me", "corrected", "removed", "R", "older", None),
    ]
    assert [c.relation for c in kb.history("e", "s")] == ["S"]
    assert all(start <= change.time <= datetime.now(UTC) for change in kb.history("E"))
    assert kb.check() == []


def test_a_value_set_away_can_come_back(kb):
    kb.add([Fact("E", "R", "a", source="d")])
    kb.set("E", "R", "b")
    kb.set("E", "R", "a")
    assert [(c.old, c.new) for c in kb.history("E")] == [(None, "a"), ("a", "b"), ("b", "a")]
    assert kb.lookup("E", "R").fact == Fact("E", "R", "a")
    assert kb.check() == []


def test_set_takes_another_spelling_for_the_key_but_not_a_misspelling(ada):
    ada.set("ada_lovelace", "birth date", "1815")
    assert values(ada, "Ada Lovelace", "Birth Date") == ["1815"]
    ada.set("Ada Lovelacce", "Birth Date", "1900")
    assert values(ada, "Ada Lovelace", "Birth Date") == ["1815"]
    assert values(ada, "Ada Lovelacce", "Birth Date") == ["1900"]


def test_set_does_not_guess_between_two(kb):
    kb.add([Fact("AC/DC", "R", "1"), Fact("AC DC", "R", "2")])
    with pytest.raises(LamlamError, match="may mean any of 'AC DC', 'AC/DC'"):
        kb.set("ac-dc", "R", "3")


def test_aliases_lead_to_their_entity(ada):
    assert ada.add_alias("Countess of Lovelace", "Ada Lovelace")
    assert ada.add_alias("Countess of Lovelace", "Ada Lovelace") is False
    match = ada.lookup("countess of lovelace", "Occupation")
    assert (match.fact.entity, match.how) == ("Ada Lovelace", "alias entity, exact relation")
    assert ada.lookup("Countess of Lovelacce", "Occupation").fact.entity == "Ada Lovelace"
    assert ada.aliases("Ada Lovelace") == ["Countess of Lovelace"]
    with pytest.raises(LamlamError, match=r"no entity 'Ada Lovelaze'.*Ada Lovelace \("):
        ada.add_alias("x", "Ada Lovelaze")


def test_an_alias_of_two_entities_means_neither(ada):
    for entity in ("Ada Lovelace", "Charles Babbage"):
        ada.add_alias("The Engineer", entity)
    assert ada.lookup("The Engineer", "Birth Date") is None
    assert ada.resolve("The Engineer").why == "several that cannot be told apart"


def test_a_base_is_true_even_when_empty(kb):
    assert kb
    assert len(kb) == 0


def test_stats_count(ada):
    stats = ada.stats()
    assert (stats["facts"], stats["entities"], stats["relations"], stats["values"]) == (3, 2, 2, 3)
    assert stats["top_relations"] == {"Birth Date": 2, "Occupation": 1}
    assert stats["bytes"] > 0


def test_facts_of_an_entity(ada):
    assert [match.fact.relation for match in ada.facts("ada lovelace")] == ["Birth Date", "Occupation"]
    assert ada.facts("nobody") == []


def test_threads_look_up_while_another_writes(ada):
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            ada.set("Charles Babbage", "Birth Date", str(number))

    with ThreadPoolExecutor(5) as pool:
        writer = pool.submit(write)
        queries = [("Ada Lovelace", "Birth Date"), ("Ada Lovelacce", "occupation")] * 50
        answers = list(pool.map(lambda query: ada.lookup(*query), queries))
        stop.set()
        writer.result()
    assert {answer.fact.value for answer in answers} == {"10 December 1815", "mathematician"}
    assert ada.check() == []


def test_a_fact_is_never_seen_with_another_ones_evidence(kb):
    stop = threading.Event()
    kb.edit([Fact("E", "R", "0", source="document 0")])

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            kb.edit([Fact("E", "R", str(number), source=f"document {number}")])

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            for _ in range(300):
                for match in (kb.lookup("E", "R"), *kb.lookup_many([("E", "R")] * 3), *kb.facts("E")):
                    assert match.fact.source == f"document {match.fact.value}"
        finally:
            stop.set()
            writer.result()


def test_a_closed_base_says_so(kb):
    kb.close()
    kb.close()
    with pytest.raises(LamlamError, match="is closed"):
        kb.lookup("a", "b")
