import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from lamlam.demo.world import RELATIONS, World, make_world

_DIGEST = """
import hashlib, json
from lamlam.demo.biography import documents
from lamlam.demo.probes import probes
from lamlam.demo.world import make_world
from lamlam.text import render
world = make_world(seed=3, people=40, unseen=10)
parts = {
    "facts": world.facts(),
    "people": world.seen + world.unseen,
    "documents": [(d.id, render(d), dict(d.meta)) for d in documents(world, 5, 2)],
    "probes": probes(world, world.unseen, 4, seed=1),
    "edits": [world.another_value("Employer", "", seed) for seed in range(20)],
}
print(json.dumps({k: hashlib.sha256(json.dumps(v).encode()).hexdigest() for k, v in parts.items()}))
"""


def test_the_same_arguments_make_the_same_world_in_every_process():
    digests = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", _DIGEST],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1]


def test_another_seed_makes_other_people():
    first, second = (make_world(seed, people=200, unseen=50) for seed in (0, 1))
    names = [{person.name for person in world.seen + world.unseen} for world in (first, second)]
    assert len(names[0]) == 250
    assert not names[0] & names[1]


def test_every_entity_has_a_value_for_each_of_its_relations(world: World):
    assert world.table.keys() == world.kinds.keys()
    for entity, kind in world.kinds.items():
        assert tuple(world.table[entity]) == RELATIONS[kind]
        assert all(world.table[entity].values())


def test_unseen_people_are_new_people_with_some_new_and_some_known_parts(world: World):
    seen = {person.name for person in world.seen}
    assert not seen & {person.name for person in world.unseen}
    for part in ("given", "middle", "family"):
        known = {getattr(person, part) for person in make_world(3, people=4000, unseen=1).seen}
        new = sum(getattr(person, part) not in known for person in world.unseen)
        assert 10 <= new <= 45
    assert not {person.name for person in world.unseen} & set(world.trained)
    assert not {world.value(person.name, "Notable Work") for person in world.unseen} & set(world.trained)


def test_a_given_name_has_one_pronoun(world: World):
    pronouns = {person.given: person.pronoun for person in world.seen + world.unseen}
    assert all(pronouns[person.given] == person.pronoun for person in world.seen + world.unseen)
    assert min(Counter(person.pronoun for person in world.seen).values()) > 100


def test_facts_depend_on_each_other(world: World):
    kind_of = {
        "Birth Place": "city",
        "Residence": "city",
        "University": "school",
        "Employer": "company",
        "Notable Work": "book",
        "Award": "award",
        "Headquarters": "city",
        "City": "city",
        "Publisher": "press",
        "Author": "person",
    }
    for fact in world.facts():
        assert world.kinds.get(fact.value) == kind_of.get(fact.relation), fact
    for person in world.seen + world.unseen:
        facts = world.table[person.name]
        born = int(facts["Birth Date"].split()[-1])
        book = world.table[facts["Notable Work"]]
        assert book["Author"] == person.name
        assert world.value(facts["Award"], "Field") == facts["Field of Study"]
        assert born + 20 < int(book["Publication Year"]) < 2025
        assert born + 20 < int(facts["Award Year"]) < 2025
        assert book["Publication Year"] != facts["Award Year"]
        assert facts["Birth Place"] != facts["Residence"]
        assert max(int(value) for e, r, value in world.facts([facts["Employer"]]) if r == "Founding Year") < born


def test_no_entity_name_holds_one_of_its_values(world: World):
    for entity, _, value in world.facts():
        assert value not in entity


def test_the_family_of_an_entity_is_its_facts_and_those_one_step_on(world: World):
    person = world.unseen[0].name
    family = world.family(person)
    assert family[: len(RELATIONS["person"])] == world.facts([person])
    employer = world.value(person, "Employer")
    assert set(world.facts([employer])) <= set(family)
    assert len(family) == len(set(family))


def test_chance_is_the_share_of_the_most_frequent_value_in_training():
    world = make_world(0, people=1000, unseen=50)
    values = [world.value(person.name, "Birth Place") for person in world.seen]
    assert world.chance("Birth Place") == max(Counter(values).values()) / 1000
    chances = {relation: world.chance(relation) for relations in RELATIONS.values() for relation in relations}
    assert all(len(set(world.values(relation))) >= 150 for relation in chances)
    assert {relation for relation, chance in chances.items() if chance >= 0.01} <= {"Publication Year", "Award Year"}
    assert max(chances.values()) < 0.025


def test_an_edit_gives_another_value_of_the_same_relation(world: World):
    for relation in RELATIONS["person"]:
        for person in world.unseen[:30]:
            old = world.value(person.name, relation)
            new = world.another_value(relation, old, seed=1)
            assert new != old
            assert new in world.values(relation)
    assert len({world.another_value("Employer", "Nobody", seed) for seed in range(50)}) > 20


@pytest.mark.parametrize(("people", "unseen"), [(0, 1), (1, 0), (9000, 9000)])
def test_a_world_that_cannot_be_made_is_refused(people: int, unseen: int):
    with pytest.raises(ValueError, match="people"):
        make_world(0, people, unseen)
