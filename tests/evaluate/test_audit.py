"""The forgetting audit against a model that asks what its scripts say, and topologies against what they promise."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.cli.evaluate_audit import Topology
from lamlam.errors import LamlamError
from lamlam.evaluate import Question, audit
from lamlam.evaluate.topologies import TOPOLOGIES, misspelt, other_names, surround
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from tests.evaluate.conftest import ScriptedModel, script

PEOPLE = {"Ada Mary Lovelace": "London", "Charles Ivo Babbage": "Walworth", "George Alan Boole": "Lincoln"}
QUESTIONS = [Question(f"{name} was born in", place, name, "Birth Place") for name, place in PEOPLE.items()]


@pytest.fixture
def kb(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as base:
        base.add(Fact(name, "Birth Place", place) for name, place in PEOPLE.items())
        base.add([Fact("Ada Mary Lovelace", "Field", "mathematics")])
        yield base


def asking(tokenizer, entity_of=lambda name: name, knows=()):
    """A model that asks for each birth place, and says what the base answers; without an answer, what it knows."""
    scripts = []
    for name, place in PEOPLE.items():
        prompt, key = f"{name} was born in", (entity_of(name), "Birth Place")
        scripts += [script(tokenizer, prompt, (*key, place), f" {place}."), script(tokenizer, prompt, key)]
        scripts.append(script(tokenizer, prompt, f" {place}." if name in knows else " a town."))
    return LookupModel(ScriptedModel(tokenizer, scripts), tokenizer, None)


def test_nothing_survives_by_retrieval_in_any_topology(tokenizer, kb):
    results = list(audit(asking(tokenizer), kb, QUESTIONS, data="toy", model="scripted", samples=2))
    assert [result.base for result in results] == list(TOPOLOGIES)
    for result in results:
        figures = {name: metric.value for name, metric in result.metrics.items()}
        assert figures.pop("FULL") == 1
        assert figures.pop("others with the same value keep it", 1) == 1
        assert set(figures.values()) == {0}, (result.base, figures)
    assert len(kb) == 4  # the base itself is untouched


def test_what_collides_stays_and_duplicates_go(tokenizer, kb):
    by_topology = {one.base: one for one in audit(asking(tokenizer), kb, QUESTIONS, data="toy", model="m", samples=1)}
    assert by_topology["Collision"].metrics["others with the same value keep it"].value == 1
    assert by_topology["Collision"].notes == ["3 facts forgotten, 3 rows gone with their closures."]
    gone = int(by_topology["Noise"].notes[0].split()[3])
    assert gone > 9  # three misspelt rows a fact; a few slips make another name


def test_what_the_weights_leak_is_not_called_retrieval(tokenizer, kb):
    lm = asking(tokenizer, knows=["Ada Mary Lovelace"])
    for result in audit(lm, kb, QUESTIONS, data="toy", model="scripted", samples=2):
        figures = {name: metric.value for name, metric in result.metrics.items()}
        assert figures["DEL-ON: given without"] == figures["DEL-OFF"] == pytest.approx(1 / 3)
        assert figures["DEL-ON: survives by retrieval"] == 0
        assert [example.prompt for example in result.examples if not example.right] == ["Ada Mary Lovelace was born in"]


def test_a_neighbour_that_answers_is_named(tokenizer, kb):
    """A model that asks for another spelling, filed as a stranger, gets the value from there, and the audit says so."""
    kb.add(Fact(f"Sir {name.upper()} of Nowhere", "Birth Place", place) for name, place in PEOPLE.items())
    lm = asking(tokenizer, entity_of=lambda name: f"Sir {name.upper()} of Nowhere")
    first = next(iter(audit(lm, kb, QUESTIONS, data="toy", model="scripted", samples=1)))
    assert first.metrics["DEL-ON: survives by retrieval"].value == 1
    rows = first.tables[1].rows
    assert sum(row[1] for row in rows) >= 3  # asked greedily, and sampled
    assert "Sir ADA MARY LOVELACE of Nowhere, Birth Place" in "".join(row[0] for row in rows)


def test_a_control_model(tokenizer, kb):
    control = asking(tokenizer, knows=list(PEOPLE))
    first = next(iter(audit(asking(tokenizer), kb, QUESTIONS, data="toy", model="m", control=control, samples=1)))
    assert first.metrics["control"].value == 1
    assert first.metrics["leaks above the control"].value == -1


def test_leakage_is_told_against_facts_never_seen(tokenizer, kb):
    asked = [replace(one, seen=number % 2) for number, one in enumerate(QUESTIONS)]
    lm = asking(tokenizer, knows=[one.entity for one in asked if one.seen])
    first = next(iter(audit(lm, kb, asked, data="toy", model="m", samples=1)))
    assert first.metrics["leaks above facts never seen"].value == 1


def test_bad_input(tokenizer, kb):
    lm = asking(tokenizer)
    with pytest.raises(LamlamError, match="no questions"):
        next(audit(lm, kb, [], data="toy", model="m"))
    with pytest.raises(LamlamError, match="1 questions name no entity"):
        next(audit(lm, kb, [Question("x", "y")], data="toy", model="m"))
    with pytest.raises(LamlamError, match="the base holds none of the 1 facts"):
        next(audit(lm, kb, [Question("x", "y", "Nobody", "Birth Place")], data="toy", model="m"))


@pytest.mark.parametrize(("topology", "more"), [("Base", 0), ("Alias", 4), ("Noise", 9), ("Collision", 9)])
def test_topologies_put_something_near(kb, topology, more):
    before = len(kb)
    surround(kb, topology, QUESTIONS, seed=0)
    assert before + more - 2 <= len(kb) <= before + more  # two misspellings may fall on the same name
    assert kb.lookup("Ada Mary Lovelace", "Birth Place").fact.value == "London"
    assert bool(kb.aliases("Ada Mary Lovelace")) == (topology == "Alias")


@given(
    name=st.text("abc é", min_size=1).filter(
        lambda name: name.strip() == name and "  " not in name and len(set(name)) > 1
    )
)
def test_a_misspelling_is_another_name(name):
    assert misspelt(name, Random(0)) != name


def test_the_command_offers_all_topologies():
    assert [str(one) for one in Topology] == list(TOPOLOGIES)


def test_other_names():
    assert other_names("Ada Lovelace") == ["Lovelace, Ada", "A. Lovelace", "Ada Lovelace the Elder"]
    assert other_names("Plato") == ["Old Plato", "Plato the Elder"]
