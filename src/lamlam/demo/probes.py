"""Questions to a model about the people of the made-up world: sentences cut off before a value."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from lamlam.demo.biography import full_subject, opening, possessive, short_subject
from lamlam.demo.templates import SENTENCES
from lamlam.demo.world import Person, World

_IN_CONTEXT = 0.5
"""The share of a person's probes that name the person in a sentence before."""


class Probe(NamedTuple):
    """A text cut off before a value: the right continuation of `prompt` is a space and `value`."""

    entity: str
    relation: str
    prompt: str
    value: str


def probes(world: World, people: Iterable[Person], per_person: int | None = None, seed: int = 0) -> list[Probe]:
    """Probes for people's facts and those of their books, in the words of the training text.

    One for every fact, or for `per_person` of each person's, drawn at random. Half of those about the person begin with
    a sentence that only names the person, and go on with a pronoun or the family name.
    """
    asked: list[Probe] = []
    for person in people:
        rng = Random(f"probe {seed} {person.name}")
        facts = world.facts([person.name, world.value(person.name, "Notable Work")])
        for fact in facts if per_person is None else rng.sample(facts, min(per_person, len(facts))):
            prompt = _asked(world, fact.entity, fact.relation, None, rng)
            asked.append(Probe(fact.entity, fact.relation, prompt, fact.value))
    return asked


def reworded(world: World, probe: Probe, seed: int) -> Probe:
    """The same question with other words before the value."""
    rng = Random(f"reworded {seed} {probe.entity} {probe.relation}")
    sentences = SENTENCES[world.kinds[probe.entity]][probe.relation]
    others = [one for one in sentences if not probe.prompt.endswith(_start(one, probe.relation).partition("}")[2])]
    return probe._replace(prompt=_asked(world, probe.entity, probe.relation, rng.choice(others), rng))


def wordings(world: World, probe: Probe, seed: int) -> list[Probe]:
    """The same question once in all words that the training text has for it."""
    rng = Random(f"wordings {seed} {probe.entity} {probe.relation}")
    by_words = {_start(one, probe.relation): one for one in SENTENCES[world.kinds[probe.entity]][probe.relation]}
    return [probe._replace(prompt=_asked(world, probe.entity, probe.relation, one, rng)) for one in by_words.values()]


def _asked(world: World, entity: str, relation: str, sentence: str | None, rng: Random) -> str:
    kind = world.kinds[entity]
    before, subject = "", full_subject(world, entity)
    if kind == "person" and rng.random() < _IN_CONTEXT:
        before, subject = f"{opening(rng, entity)} ", short_subject(world, entity, rng)
    start = _start(sentence or rng.choice(SENTENCES[kind][relation]), relation)
    return before + start.format(S=subject, P=possessive(subject))


def _start(sentence: str, relation: str) -> str:
    """A sentence up to the value of a relation: its subject's slot, and words."""
    return sentence[: sentence.index("{" + relation + "}")].rstrip()
