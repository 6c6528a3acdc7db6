"""The made-up world told in short documents, with a call before the first mention of every value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from string import Formatter

from lamlam.demo.templates import OPENINGS, SENTENCES, SHORT_SUBJECTS
from lamlam.demo.world import RELATIONS, World
from lamlam.text import Document, Lookup, find_mention

_ENOUGH_CALLS = 3
_MOST_CALLS = 4
_OPENED = 0.4
"""The share of biographies that begin with a sentence without facts."""


def documents(world: World, seed: int, copies: int) -> list[Document]:
    """The training text, shuffled: about the seen people, their books, and all places, organisations and awards.

    Each copy states every relation of every entity at least once, in other words and another order than the copies
    before; a person's facts are spread over several documents of two to four calls. Nothing in it is about the unseen
    people. The same arguments give the same documents, and a copy's do not depend on how many copies are made.
    """
    told = [document for copy in range(copies) for document in documents_about(world, world.trained, seed, copy)]
    Random(f"shuffle {seed}").shuffle(told)
    return told


def documents_about(world: World, entities: Iterable[str], seed: int, copy: int = 0) -> list[Document]:
    """The documents about some entities, seen or unseen, in their order: all facts of each, once."""
    return [
        document
        for entity in entities
        for document in _tell(world, entity, Random(f"tell {seed} {copy} {entity}"), copy)
    ]


def biography_prompt(name: str) -> str:
    """The opening of a person's biography, for a model to go on with."""
    return f"{name} was born on"


def opening(rng: Random, name: str) -> str:
    """A first sentence about a person that states no fact."""
    return rng.choice(OPENINGS).format(S=name)


def full_subject(world: World, entity: str) -> str:
    """How the first sentence about an entity calls it: its name, with an article where it takes one."""
    return f"The {entity}" if world.kinds[entity] == "award" else entity


def short_subject(world: World, entity: str, rng: Random) -> str:
    """How a later sentence calls the entity: by a pronoun, or by part of its name or its kind."""
    kind = world.kinds[entity]
    if kind != "person":
        return rng.choice(SHORT_SUBJECTS[kind])
    family = entity.rpartition(" ")[2]
    return family if rng.random() < 0.4 else world.pronouns[entity]


def possessive(subject: str) -> str:
    """The subject's genitive at the beginning of a sentence."""
    return {"She": "Her", "He": "His", "It": "Its"}.get(subject, f"{subject}'s")


@dataclass(slots=True)
class _Draft:
    """A document in the making: its text so far and the calls in it."""

    text: str = ""
    lookups: list[tuple[int, Lookup]] = field(default_factory=list)

    def states(self, value: str) -> bool:
        return find_mention(self.text, 0, value) is not None

    def add(self, world: World, entity: str, sentence: str, subject: str) -> None:
        self.text += " " if self.text else ""
        for words, slot in _parse(sentence):
            self.text += words
            if slot in ("S", "P"):
                self.text += subject if slot == "S" else possessive(subject)
            elif slot is not None:
                lookup = _lookup(world, entity, slot)
                self.lookups.append((len(self.text), lookup))
                self.text += lookup.value


def _tell(world: World, entity: str, rng: Random, copy: int) -> list[Document]:
    """The documents of one copy about one entity."""
    kind = world.kinds[entity]
    pending = rng.sample(RELATIONS[kind], len(RELATIONS[kind]))
    told: list[Document] = []
    while pending:
        draft = _Draft()
        if kind == "person" and rng.random() < _OPENED:
            draft.text = opening(rng, entity)
        while pending and len(draft.lookups) < _ENOUGH_CALLS:
            fitting = _fitting(world, entity, pending[0], draft)
            if not fitting:
                break
            subject = short_subject(world, entity, rng) if draft.text else full_subject(world, entity)
            draft.add(world, entity, rng.choice(fitting), subject)
            stated = {lookup.relation for _, lookup in draft.lookups if lookup.entity == entity}
            pending = [relation for relation in pending if relation not in stated]
        id = f"{entity.lower().replace(' ', '-')}.{copy}.{len(told)}"
        told.append(Document.with_lookups(id, draft.text, draft.lookups, {"title": entity, "kind": kind}))
    return told


def _fitting(world: World, entity: str, relation: str, draft: _Draft) -> list[str]:
    """The sentences about the relation that repeat no value and leave the draft short; never none for a new draft."""
    return [
        sentence
        for sentence in SENTENCES[world.kinds[entity]][relation]
        if len(slots := value_slots(sentence)) + len(draft.lookups) <= _MOST_CALLS
        and not any(draft.states(_lookup(world, entity, slot).value) for slot in slots)
    ]


def value_slots(sentence: str) -> list[str]:
    """The slots of a sentence that hold values, in their order."""
    return [slot for _, slot in _parse(sentence) if slot is not None and slot not in ("S", "P")]


@cache
def _parse(sentence: str) -> tuple[tuple[str, str | None], ...]:
    """A sentence as words, each followed by a slot, or by None at the end."""
    return tuple((words, slot) for words, slot, _, _ in Formatter().parse(sentence))


def _lookup(world: World, entity: str, slot: str) -> Lookup:
    """The fact that a slot such as `Employer` or `Employer/Headquarters` stands for."""
    *steps, relation = slot.split("/")
    for step in steps:
        entity = world.value(entity, step)
    return Lookup(entity, relation, world.value(entity, relation))
