"""The part of a knowledge base that is about other names: aliases of entities, synonyms of relations."""

from __future__ import annotations

from collections.abc import Iterable

from lamlam.errors import LamlamError
from lamlam.kb.fact import Candidate, OtherName, OtherNames
from lamlam.kb.names import normalise, unusable
from lamlam.kb.resolve import Found, near_entities, resolve_entity
from lamlam.kb.store import Named, Store


class WithOtherNames:
    """What `KnowledgeBase` has for other names.

    They are data of the base: each belongs to a transaction with author, reason and time, holds as of a moment, is
    rolled back with the facts, and goes when what it names is forgotten.
    """

    _store: Store

    def add_alias(
        self, alias: str, entity: str, author: str | None = None, reason: str | None = None, force: bool = False
    ) -> bool:
        """Have lookups of `alias` find `entity`, which must be in the base; False where they already did."""
        return self.add_aliases([(alias, entity)], author, reason, force) > 0

    def add_aliases(
        self,
        pairs: Iterable[tuple[str, str]],
        author: str | None = None,
        reason: str | None = None,
        force: bool = False,
    ) -> int:
        """`add_alias` for many (alias, entity) as one transaction: all of them, or none; how many are new.

        Raises `LamlamError` for an entity that is not in the base, and for an alias that was forgotten as the name of
        an entity, unless with `force`.
        """
        given = [(alias, self._known_entity(entity)) for alias, entity in pairs]
        return self._store.give_names("aliases", given, author, reason, force)

    def remove_alias(self, alias: str, entity: str, author: str | None = None, reason: str | None = None) -> bool:
        """Take an alias back, which stays in the history; False where the entity does not have it."""
        return self._store.take_name_back("aliases", alias, self._known_entity(entity), author, reason)

    def aliases(self, entity: str) -> list[str]:
        """The aliases of the entity that a name is resolved to."""
        found = resolve_entity(self._store, entity)
        return self._store.aliases_of(found.named.id) if found.named else []

    def add_synonym(self, synonym: str, relation: str, author: str | None = None, reason: str | None = None) -> bool:
        """Have lookups of `synonym` find `relation`, for entities that have it; False where they already did.

        These come before the synonyms that the package brings. `relation` must be in the base.
        """
        return self.add_synonyms([(synonym, relation)], author, reason) > 0

    def add_synonyms(
        self, pairs: Iterable[tuple[str, str]], author: str | None = None, reason: str | None = None
    ) -> int:
        """`add_synonym` for many (synonym, relation) as one transaction: all of them, or none; how many are new."""
        given = [(synonym, self._known_relation(relation)) for synonym, relation in pairs]
        return self._store.give_names("synonyms", given, author, reason, force=False)

    def remove_synonym(self, synonym: str, relation: str, author: str | None = None, reason: str | None = None) -> bool:
        """Take a synonym back, which stays in the history; False where the relation does not have it in this base."""
        return self._store.take_name_back("synonyms", synonym, self._known_relation(relation), author, reason)

    def synonyms(self, relation: str) -> list[str]:
        """The synonyms that a relation has in this base, beside those that the package brings."""
        named = self._store.relations_named(relation) if unusable(relation) is None else []
        return sorted({synonym for one in named for synonym in self._store.synonyms_of(one.id)})

    def other_names(self, kind: OtherNames, past: bool = False) -> list[OtherName]:
        """All `"aliases"` or `"synonyms"` with who gave them, when and why; with `past`, also those taken back."""
        return self._store.other_names(kind, past)

    def candidates(self, entity: str, limit: int = 10) -> list[Candidate]:
        """The entities nearest to a name with their scores, best first, those too far to be taken included."""
        return near_entities(self._store, entity, limit)

    def _written(self, entity: str) -> Named | None:
        """The entity that a person who writes means: misspelt names are new names, ambiguous ones an error."""
        if unusable(entity) is not None:
            return None
        if named := self._store.entity(entity):
            return named
        normalised = normalise(entity)
        if not self._store.entities_normalised(normalised) and not self._store.entities_aliased(normalised):
            return None  # without a search for names like it, which would not be taken
        found = resolve_entity(self._store, entity)
        if found.named is None and found.how in ("normalised", "alias"):
            raise ambiguous(entity, found)
        return found.named if found.how in ("exact", "normalised", "alias") else None

    def _known_entity(self, entity: str) -> Named:
        named = self._written(entity)
        if named is None:
            raise self._unknown(entity)
        return named

    def _known_relation(self, relation: str) -> Named:
        """The relation of a name; of several that differ in case or punctuation only, the most frequent one."""
        named = self._store.relations_named(relation) if unusable(relation) is None else []
        if not named:
            there = ", ".join(name for name, _ in self._store.top_relations(5))
            hint = f"; its most frequent are {there}" if there else ""
            raise LamlamError(f"there is no relation {relation[:80]!r} in the base{hint}")
        return named[0]

    def _unknown(self, entity: str) -> LamlamError:
        near = self.candidates(entity, 3)
        hint = "; near it: " + ", ".join(f"{one.name} ({one.score:.2f})" for one in near) if near else ""
        return LamlamError(f"there is no entity {entity[:80]!r} in the base{hint}")


def ambiguous(entity: str, found: Found) -> LamlamError:
    """The error for a name that may mean several entities, where one has to be meant."""
    names = ", ".join(repr(candidate.name) for candidate in found.candidates)
    return LamlamError(f"{entity!r} may mean any of {names}; write one of them exactly")
