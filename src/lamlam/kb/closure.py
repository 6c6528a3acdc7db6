"""What a request to forget is about: the entity it names with its other spellings, and those of the relation.

Spellings with the same normalised form, and names that are filed as aliases, are the same by what the base says. A
misspelt duplicate is the same only by what it looks like, and two people may have nearly the same name. So it is closed
over where three things hold: a query for the name would be taken for it; all that it says about what is to be forgotten
is what the entity says or said itself; and nothing else that both state is different. `dry_run` shows it like the rest.
Since the same value is strong evidence, one slip of the hand is enough for the first, where a search has its doubts;
and as a search for a name of common words gives only some of its neighbours, every such slip is looked up by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase

from lamlam.errors import LamlamError
from lamlam.kb.name_score import fitted, one_slip
from lamlam.kb.names import LONGEST_FUZZY, normalise
from lamlam.kb.resolve import near_entities
from lamlam.kb.similarity import THRESHOLD, relation_score, synonymous
from lamlam.kb.store import Named, Selection, Store

Said = dict[str, set[str]]
"""Normalised relation → normalised values."""

_NEAREST = 16


def closed_over(store: Store, entities: list[Named], entity: str, relation: str | None, value: str | None) -> Selection:
    """What `forget` is to remove; `entities` are those that the name `entity` means.

    Raises `LamlamError` where they have nothing of that relation.
    """
    entities = _and_aliases(store, entities)
    if relation is None:
        entities += _duplicates(store, entities, None)
        return Selection(tuple(entities), _spelled(store, entities))
    relations = _spellings_of_relation(store, entities, normalise(relation))
    if not relations:
        there = sorted({named.name for one in entities for named in store.relations_of(one.id)})
        raise LamlamError(f"{entity!r} has no {relation!r}, nothing was forgotten; it has {', '.join(there)}")
    entities += _duplicates(store, entities, relations)
    own = {
        named
        for one in entities
        for named in store.relations_of(one.id, past=True)
        if normalise(named.name) in relations
    }
    return Selection(
        tuple(entities), _spelled(store, entities), tuple(sorted(own)), None if value is None else normalise(value)
    )


def _names(store: Store, entities: Iterable[Named]) -> set[str]:
    return {name for named in entities for name in (named.name, *store.aliases_of(named.id))}


def _spelled(store: Store, entities: Iterable[Named]) -> frozenset[str]:
    return frozenset(map(normalise, _names(store, entities)))


def _and_aliases(store: Store, entities: Iterable[Named]) -> list[Named]:
    """With the entities under whose names aliases of theirs are filed: those are other spellings of the same thing."""
    found = {named.id: named for named in entities}
    spelled: frozenset[str] = frozenset()
    while more := sorted(_spelled(store, found.values()) - spelled):
        spelled |= set(more)
        found |= {named.id: named for name in more for named in store.entities_normalised(name)}
    return list(found.values())


def _spellings_of_relation(store: Store, entities: Iterable[Named], wanted: str) -> set[str]:
    """The normalised relation, and others of the entities that mean it and say nothing else; none where it is not."""
    own = {named for one in entities for named in store.relations_of(one.id, past=True)}
    if wanted not in map(_normalised, own):
        return set()
    called = set(map(_normalised, store.relations_called(wanted)))
    alike = {
        _normalised(named)
        for named in own
        if _normalised(named) in called
        or relation_score(wanted, named.name) >= THRESHOLD
        or one_slip(wanted, named.name)
        or synonymous(wanted, named.name)
    }
    if alike <= {wanted}:
        return {wanted}
    said = _ever_said(store, entities)
    return {wanted} | {relation for relation in alike if said[relation] <= said[wanted]}


def _duplicates(store: Store, entities: Iterable[Named], relations: set[str] | None) -> list[Named]:
    """Entities of nearly the same name that repeat what is said for the relations, or with None all they say.

    Those of one normalised form are one, and repeat it together or not at all.
    """
    names = sorted(_names(store, entities))
    near = {
        normalise(candidate.name)
        for name in names
        for candidate in near_entities(store, name, _NEAREST)
        if candidate.how == "fuzzy" and (candidate.score >= fitted().threshold or one_slip(name, candidate.name))
    }
    near |= {form for name in names for form in _slips_of(name) if store.entities_normalised(form)}
    near -= _spelled(store, entities)
    own = _ever_said(store, entities) if near else {}
    duplicates = []
    for form in sorted(near):
        alike = store.entities_normalised(form)
        if _repeat(store, alike, own, relations):
            duplicates += alike
    return duplicates


def _slips_of(name: str) -> set[str]:
    """The normalised names that are one slip of the hand away; some thirty for each letter."""
    text = name.casefold()
    if len(text) > LONGEST_FUZZY:
        return set()
    put_in = sorted({" ", *ascii_lowercase, *filter(str.isalpha, text)})
    wrong = set()
    for at in range(1, len(text)):
        before, after = text[:at], text[at:]
        wrong |= {before + after[1:], before + after[1:2] + after[0] + after[2:]}
        wrong |= {before + letter + after for letter in put_in}
    return {normalise(other) for other in wrong if one_slip(name, other)}


def _repeat(store: Store, alike: Iterable[Named], own: Said, relations: set[str] | None) -> bool:
    said: Said = {}
    for named in alike:
        for fact in store.facts(named.id):
            said.setdefault(normalise(fact.relation), set()).add(normalise(fact.value))
    asked = said.keys() if relations is None else said.keys() & relations

    def known(relation: str) -> set[str]:
        return set().union(*(own.get(spelling, set()) for spelling in relations or {relation}))

    return (
        bool(asked)
        and all(said[relation] <= known(relation) for relation in asked)
        and not any(said[relation].isdisjoint(own[relation]) for relation in (said.keys() & own.keys()) - asked)
    )


def _ever_said(store: Store, entities: Iterable[Named]) -> Said:
    """All values that entities have and had, by relation."""
    said: Said = {}
    for one in entities:
        for change in store.history(one.id, None):
            values = {normalise(value) for value in (change.old, change.new) if value is not None}
            said.setdefault(normalise(change.relation), set()).update(values)
    return said


def _normalised(named: Named) -> str:
    return normalise(named.name)
