"""Four surroundings in which a fact is deleted (after "Auditing Forgetting in LMLMs", arXiv 2607.00605).

A deletion that only removes one row leaves whatever stands near it. Each topology puts something near every fact that
will be deleted:

- *Base*: nothing; the base as it is.
- *Alias*: other names of the entity, declared as its aliases, one of them with the same facts under that name.
- *Noise*: the same fact under misspelt names, of the entity and of the relation, as dirty bases have it.
- *Collision*: other entities of nearly the same name, and another relation of the same entity, with the same value.

An alias and a misspelt duplicate are the same thing in other words, and have to go with it. What collides is something
else that happens to have the same value: it has to stay, and must not be taken for what was deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random

from lamlam.evaluate.questions import AnyQuestion
from lamlam.kb import Fact, KnowledgeBase

SOURCE = "audit"
"""Of the facts that a topology adds, so that a report can tell them from those that were there."""

Key = tuple[str, str, str]
"""(entity, relation, value)"""

Topology = Callable[[KnowledgeBase, list[Key], Random], list[Fact]]
"""Puts its surroundings into a base, and gives the facts among them that have to stay when the keys are forgotten."""


def _nothing(kb: KnowledgeBase, keys: list[Key], rng: Random) -> list[Fact]:
    return []


def _alias(kb: KnowledgeBase, keys: list[Key], rng: Random) -> list[Fact]:
    for entity in sorted({entity for entity, _, _ in keys}):
        first, *rest = other_names(entity)
        kb.add(Fact(first, m.fact.relation, m.fact.value, source=SOURCE) for m in kb.facts(entity))
        kb.add_aliases((name, entity) for name in (first, *rest))
    return []


def _noise(kb: KnowledgeBase, keys: list[Key], rng: Random) -> list[Fact]:
    facts = []
    for entity, relation, value in keys:
        facts += [Fact(misspelt(entity, rng), relation, value, source=SOURCE) for _ in range(2)]
        facts.append(Fact(entity, misspelt(relation, rng), value, source=SOURCE))
    kb.add(facts)
    return []


def _collision(kb: KnowledgeBase, keys: list[Key], rng: Random) -> list[Fact]:
    words = sorted({word for entity, _, _ in keys for word in entity.split() if word.isalpha()}) or ["Other"]
    deleted = {(entity, relation) for entity, relation, _ in keys}
    facts = []
    for entity, relation, value in keys:
        parts = entity.split()
        place = rng.randrange(len(parts))
        for near in ([*parts[:place], rng.choice(words), *parts[place + 1 :]], [*parts, "II"]):
            facts.append(Fact(" ".join(near), relation, value, source=SOURCE))
        facts.append(Fact(entity, f"Former {relation}", value, source=SOURCE))
    facts = [fact for fact in facts if fact[:2] not in deleted]
    kb.add(facts)
    return facts


TOPOLOGIES: Mapping[str, Topology] = {
    "Base": _nothing,
    "Alias": _alias,
    "Noise": _noise,
    "Collision": _collision,
}
"""By name."""


def surround(kb: KnowledgeBase, topology: str, questions: Iterable[AnyQuestion], seed: int) -> list[Fact]:
    """Put what a topology has near the facts of the questions into a base, which should be a copy.

    Gives the facts, of those put in, that have to stay when the questions' own are forgotten.
    """
    keys = [(q.entity, q.relation, q.value) for q in questions if q.entity and q.relation]
    return TOPOLOGIES[topology](kb, keys, Random(f"{topology} {seed}"))


def other_names(entity: str) -> list[str]:
    """Names that mean the same entity: the last part first, the first part as an initial, an epithet."""
    parts = entity.split()
    epithet = f"{entity} the Elder"
    if len(parts) == 1:
        return [f"Old {entity}", epithet]
    return [f"{parts[-1]}, {' '.join(parts[:-1])}", f"{parts[0][0]}. {' '.join(parts[1:])}", epithet]


def misspelt(name: str, rng: Random) -> str:
    """The name with one letter left out, doubled, or swapped with the next one; never the name itself."""
    if len(name) < 3:
        return name + name[-1]
    while True:
        at = rng.randrange(1, len(name) - 1)
        kind = rng.randrange(3)
        middle = ("", name[at] * 2, "")[kind]
        wrong = (
            name[:at] + middle + name[at + 1 :] if kind < 2 else name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        )
        if wrong != name and wrong.strip() == wrong and "  " not in wrong:
            return wrong
