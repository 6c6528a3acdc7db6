"""The base as it was: as_of, diff, rollback and snapshots, against copies of the facts kept at every step."""

from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase

ENTITIES = ["Ada", "Charles", "Mary", "Annabella"]
RELATIONS = ["Born", "Job"]


def lived(kb: KnowledgeBase, seed: int, steps: int = 40) -> list[tuple[str, list[Fact]]]:
    """A life of changes, with a snapshot and all the facts after each."""
    rng = Random(seed)
    states = []
    for step in range(steps):
        fact = Fact(rng.choice(ENTITIES), rng.choice(RELATIONS), f"v{rng.randrange(5)}")
        match rng.randrange(5):
            case 0:
                kb.add([fact])
            case 1:
                kb.add([Fact(*(fact.entity, fact.relation, fact.value), source=f"d{rng.randrange(3)}", confidence=0.5)])
            case 2:
                kb.add([Fact(fact.entity, fact.relation, fact.value, rank=rng.randrange(-2, 2))])
            case 3:
                kb.set(fact.entity, fact.relation, fact.value, author=rng.choice([None, "me"]))
            case 4 if states:
                kb.rollback(rng.choice(states)[0])
        kb.snapshot(f"step {step}")
        states.append((f"step {step}", list(kb)))
    return states


@pytest.mark.parametrize("seed", range(4))
def test_every_moment_can_be_read_compared_and_gone_back_to(kb, seed):
    states = lived(kb, seed)
    for name, facts in states:
        then = kb.as_of(name)
        assert list(then) == facts
        for fact in facts:
            first = next(one for one in facts if (one.entity, one.relation) == (fact.entity, fact.relation))
            assert kb.lookup(fact.entity, fact.relation, as_of=name).fact == first
        for entity in ENTITIES:
            assert bool(then.facts(entity)) == any(fact.entity == entity for fact in facts)
    for (since, before), (until, after) in pairwise(Random(seed).sample(states, 10)):
        old, new = ({(f.entity, f.relation, f.value) for f in facts} for facts in (before, after))
        told = kb.diff(since, until)
        assert {(c.entity, c.relation, c.old) for c in told if c.old is not None} == old - new
        assert {(c.entity, c.relation, c.new) for c in told if c.new is not None} == new - old
    for name, facts in Random(seed).sample(states, 5):
        kb.rollback(name)
        assert list(kb) == facts
        assert kb.rollback(name) == 0
        assert kb.check() == []


def test_diff_says_who_and_why(kb):
    kb.add([Fact("Ada", "Born", "1814"), Fact("Ada", "Job", "poet")])
    kb.snapshot("before")
    kb.set("Ada", "Born", "1815", author="me", reason="typo")
    kb.add([Fact("Mary", "Job", "writer")], author="import")
    told = [(c.what, c.entity, c.old, c.new, c.author, c.reason) for c in kb.diff("before")]
    assert told == [
        ("set", "Ada", "1814", "1815", "me", "typo"),
        ("added", "Mary", None, "writer", "import", None),
    ]
    assert [(c.what, c.old, c.new) for c in kb.diff(datetime.now(UTC), "before")] == [
        ("set", "1815", "1814"),
        ("removed", "writer", None),
    ]


def test_moments_are_times_too(kb):
    kb.add([Fact("Ada", "Born", "1814")])
    between = datetime.now(UTC)
    kb.set("Ada", "Born", "1815")
    assert kb.lookup("Ada", "Born", as_of=between).fact.value == "1814"
    assert kb.lookup("Ada", "Born", as_of=between.isoformat()).fact.value == "1814"
    assert kb.lookup("Ada", "Born", 5, as_of="2001-01-01") == []
    assert kb.rollback(between, author="me", reason="it was right") == 2
    assert [(c.old, c.new, c.author) for c in kb.history("Ada")][-1] == ("1815", "1814", "me")
    with pytest.raises(LamlamError, match="no snapshot and no time"):
        kb.as_of("yesterday")


def test_names_that_came_later_neither_answer_nor_confuse(kb):
    kb.add([Fact("Jane Roe", "Job", "pilot")])
    kb.snapshot("early")
    kb.add([Fact("JANE-ROE", "Job", "baker"), Fact("Mary Shelley", "Job", "writer")])
    assert kb.lookup("jane/roe", "Job") is None
    assert kb.lookup("jane/roe", "Job", as_of="early").fact.value == "pilot"
    assert kb.lookup("Mary Shelley", "Job", as_of="early") is None
    assert kb.lookup("Mary Shellie", "Job", as_of="early") is None


def test_aliases_have_their_time(kb):
    kb.add([Fact("Ada Lovelace", "Born", "1815")])
    kb.snapshot("without")
    kb.add_alias("Countess", "Ada Lovelace")
    kb.snapshot("with")
    assert kb.lookup("Countess", "Born", as_of="without") is None
    assert kb.rollback("without") == 1
    assert kb.lookup("Countess", "Born") is None
    assert kb.aliases("Ada Lovelace") == []
    assert kb.lookup("Countess", "Born", as_of="with").fact.value == "1815"
    assert kb.rollback("with") == 1
    assert kb.lookup("Countess", "Born").fact.value == "1815"
    assert kb.check() == []


def test_what_was_forgotten_was_never_there(kb, raw):
    kb.add([Fact("Ada", "Secret", "xylophone-4711"), Fact("Mary", "Job", "writer")])
    kb.snapshot("Xylophone-4711 day")
    kb.snapshot("then")
    kb.set("Ada", "Secret", "marimba-0815")
    kb.forget("Ada")
    assert list(kb.as_of("then")) == [Fact("Mary", "Job", "writer")]
    kb.rollback("then")
    assert list(kb) == [Fact("Mary", "Job", "writer")]
    assert [snapshot.name for snapshot in kb.snapshots()] == ["then"]
    assert b"4711" not in raw()


def test_a_past_base_cannot_be_changed(ada):
    ada.snapshot("s")
    then = ada.as_of("s")
    for write in (
        lambda: then.add([]),
        lambda: then.edit([]),
        lambda: then.forget("Ada Lovelace"),
        lambda: then.rollback("s"),
        lambda: then.snapshot("t"),
        lambda: then.add_alias("x", "Ada Lovelace"),
    ):
        with pytest.raises(LamlamError, match="cannot be changed"):
            write()
    with pytest.raises(LamlamError, match="snapshot 's' already"):
        ada.snapshot("s")
    with pytest.raises(LamlamError, match="white space"):
        ada.snapshot(" ")


def test_dates_of_validity_are_kept_and_checked(kb):
    fact = Fact("Grover Cleveland", "Office", "President", valid_from="1885-03-04", valid_to="1889")
    kb.add([fact])
    assert kb.lookup("Grover Cleveland", "Office").fact == fact
    for wrong in ("4 March 1885", "85", "1885-3", "1885-03-04T00:00"):
        with pytest.raises(LamlamError, match="ISO date"):
            kb.add([Fact("E", "R", "v", valid_from=wrong)])
    assert kb.check() == []


def test_time_never_goes_back(kb, monkeypatch):
    from lamlam.kb import moments

    monkeypatch.setattr(moments, "time", lambda: 2e9)
    kb.add([Fact("E", "R", "a")])
    monkeypatch.setattr(moments, "time", lambda: 1e9)
    kb.set("E", "R", "b")
    first, second = kb.history("E")
    assert first.time <= second.time
