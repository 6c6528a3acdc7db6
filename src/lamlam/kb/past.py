"""A base as it was: a store that answers for a past transaction and cannot be changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Never

from lamlam.errors import LamlamError
from lamlam.kb.fact import Added, Change, Fact, Forgotten, OtherName, OtherNames, Snapshot
from lamlam.kb.store import Named, Selection, Store

if TYPE_CHECKING:
    import pyarrow


class PastStore:
    """What `store` held when transaction `at` was done; names that had no fact then are not names in it."""

    def __init__(self, store: Store, at: int) -> None:
        self._store = store
        self._at = at

    def exact(self, entity: str, relation: str, limit: int, at: int | None = None) -> list[Fact]:
        """The facts of exactly these two names."""
        return self._store.exact(entity, relation, limit, self._moment(at))

    def exact_many(self, queries: Sequence[tuple[str, str]], at: int | None = None) -> list[Fact | None]:
        """The first fact of each (entity, relation), exactly so written."""
        return self._store.exact_many(queries, self._moment(at))

    def facts(
        self, entity: int | None = None, relation: int | None = None, limit: int = -1, at: int | None = None
    ) -> Iterator[Fact]:
        """The facts that held."""
        return self._store.facts(entity, relation, limit, self._moment(at))

    def entity(self, name: str) -> Named | None:
        """The entity of exactly this name."""
        named = self._store.entity(name)
        return named if named is not None and self._was(named) else None

    def entities_normalised(self, normalised: str) -> list[Named]:
        """The entities whose normalised name this is."""
        return [named for named in self._store.entities_normalised(normalised) if self._was(named)]

    def entities_aliased(self, normalised: str, at: int | None = None) -> list[Named]:
        """The entities that had an alias of this normalised form."""
        return [named for named in self._store.entities_aliased(normalised, self._moment(at)) if self._was(named)]

    def entities_near(self, normalised: str) -> list[Named]:
        """Entities that share words with a name."""
        return [named for named in self._store.entities_near(normalised) if self._was(named)]

    def frequency(self, word: str) -> int:
        """How many names of entities have a word, those that came later included."""
        return self._store.frequency(word)

    def names(self, after: int = 0) -> Iterator[Named]:
        """The entities that had facts, by id."""
        return (named for named in self._store.names(after) if self._was(named))

    def aliases_of(self, entity: int, at: int | None = None) -> list[str]:
        """The aliases that an entity had."""
        return self._store.aliases_of(entity, self._moment(at))

    def relations_named(self, name: str) -> list[Named]:
        """The relations of a name, those that came later included."""
        return self._store.relations_named(name)

    def relations_called(self, normalised: str, at: int | None = None) -> list[Named]:
        """The relations that had a synonym of this normalised form."""
        return self._store.relations_called(normalised, self._moment(at))

    def synonyms_of(self, relation: int, at: int | None = None) -> list[str]:
        """The synonyms that a relation had."""
        return self._store.synonyms_of(relation, self._moment(at))

    def other_names(self, kind: OtherNames, past: bool = False, at: int | None = None) -> list[OtherName]:
        """All aliases or synonyms that there were."""
        return self._store.other_names(kind, past, self._moment(at))

    def relations_of(self, entity: int, past: bool = False, at: int | None = None) -> list[Named]:
        """The relations that an entity had facts for."""
        return self._store.relations_of(entity, past, self._moment(at))

    def history(self, entity: int, relation: int | None) -> list[Change]:
        """All changes to an entity's facts, those that came later included."""
        return self._store.history(entity, relation)

    def diff(self, since: int, until: int) -> list[Change]:
        """What differs between two transactions."""
        return self._store.diff(since, until)

    def transaction_at(self, time: datetime | None = None) -> int:
        """The last transaction that was done at `time`, or at this moment."""
        return self._at if time is None else min(self._at, self._store.transaction_at(time))

    def snapshots(self) -> list[Snapshot]:
        """The named moments up to this one."""
        return [snapshot for snapshot in self._store.snapshots() if snapshot.transaction <= self._at]

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        """Whether a query may mean a key that was forgotten: what is forgotten is so at all times."""
        return self._store.slides(query, found)

    def stats(self) -> dict[str, int]:
        """How many facts there were."""
        return {"facts": len(self)}

    def top_relations(self, limit: int) -> list[tuple[str, int]]:
        """The relations that had the most facts, by a pass over all of them."""
        counts: dict[str, int] = {}
        for fact in self.facts():
            counts[fact.relation] = counts.get(fact.relation, 0) + 1
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def check(self) -> list[str]:
        """What is wrong with the stored data, of all times."""
        return self._store.check()

    def __len__(self) -> int:
        return sum(1 for _ in self.facts())

    def load(self, batches: Iterable[pyarrow.RecordBatch], author: str | None, reason: str | None) -> Added:
        """Not possible."""
        self._refuse()

    def add(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> Added:
        """Not possible."""
        self._refuse()

    def add_batch(self, batch: pyarrow.RecordBatch, author: str | None, reason: str | None, force: bool) -> Added:
        """Not possible."""
        self._refuse()

    def set(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> int:
        """Not possible."""
        self._refuse()

    def give_names(
        self, kind: OtherNames, given: Iterable[tuple[str, Named]], author: str | None, reason: str | None, force: bool
    ) -> int:
        """Not possible."""
        self._refuse()

    def take_name_back(self, kind: OtherNames, name: str, of: Named, author: str | None, reason: str | None) -> bool:
        """Not possible."""
        self._refuse()

    def index_names(self) -> None:
        """Nothing: it is the index of the base."""

    def forget(self, what: Selection, author: str | None, reason: str | None, dry_run: bool) -> Forgotten:
        """Not possible."""
        self._refuse()

    def rollback(self, to: int, author: str | None, reason: str | None) -> int:
        """Not possible."""
        self._refuse()

    def snapshot(self, name: str) -> Snapshot:
        """Not possible."""
        self._refuse()

    def backup(self, path: Path) -> None:
        """Not possible."""
        self._refuse()

    @property
    def file(self) -> None:
        """None: no file is derived from a past moment."""

    def tables(self) -> Never:
        """Not possible: they hold what the base says now."""
        raise LamlamError("a prefix index knows what a base says now, not what it said; ask the base itself for one")

    def close(self) -> None:
        """Nothing: the base that it is a view of stays open."""

    def _moment(self, at: int | None) -> int:
        return self._at if at is None else min(at, self._at)

    def _was(self, named: Named) -> bool:
        return bool(self._store.relations_of(named.id, at=self._at))

    def _refuse(self) -> Never:
        raise LamlamError("a base as of a past moment cannot be changed; change the base itself, or roll it back")
