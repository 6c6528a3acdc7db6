"""KnowledgeBase: facts by (entity, relation), found even when misspelt, never when in doubt, and forgotten for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from lamlam.errors import LamlamError
from lamlam.kb.closure import closed_over
from lamlam.kb.fact import Added, Change, Fact, Forgotten, Match, Resolution, Snapshot
from lamlam.kb.names import normalise, unusable
from lamlam.kb.other_names import WithOtherNames, ambiguous
from lamlam.kb.past import PastStore
from lamlam.kb.relation_embeddings import RelationEmbeddings, Similar
from lamlam.kb.resolve import Found, resolve_entity, resolve_relation
from lamlam.kb.store import Selection, Store
from lamlam.text import Document

if TYPE_CHECKING:
    import pyarrow

    from lamlam.kb.prefix_base import QueryTokenizer
    from lamlam.kb.prefix_index import PrefixIndex

Moment = datetime | str
"""A time, or the name of a snapshot, or an ISO date or time."""

_EXACTLY = "exact entity, exact relation"


class KnowledgeBase(WithOtherNames):
    """A base of facts. Open one with `KnowledgeBase.open`; close it, or use it in a `with` block.

    It may be used from several threads at once. Iterating gives all facts by entity and relation; the values of one
    (entity, relation) come by `Fact.rank`, then most asserted first, then by text, whatever order they came in.
    """

    def __init__(self, store: Store, similar: Similar | None = None) -> None:
        self._store = store
        self._similar = similar

    @classmethod
    def open(cls, path: str | Path, create: bool = False, embeddings: str | Path | None = None) -> KnowledgeBase:
        """The base at `path`, an SQLite file or a `postgresql://` URL; with `create`, one is made where there is none.

        `embeddings`, "all-MiniLM-L6-v2" or the folder of a sentence-transformers model, has relations found by their
        meaning too, among those of one entity and where nothing else finds one; it needs `lamlam[embeddings]`.

        Raises `LamlamError` for anything that is not a base of this version.
        """
        similar = None if embeddings is None else RelationEmbeddings(embeddings)
        # Here, so that whatever only handles Facts and Matches does not load a store.
        from lamlam.kb import prefix_base

        scheme, separator, _ = str(path).partition("://")
        if separator and scheme not in ("postgresql", "postgres"):
            raise LamlamError(f"no base can be opened by {scheme}://; give the path of a file or a postgresql:// URL")
        store = _shared(str(path), create) if separator else _file(Path(path), create)
        try:
            prefix_base.tidy(store)
        except BaseException:
            store.close()
            raise
        return cls(store, similar)

    def add(
        self, facts: Iterable[Fact], author: str | None = None, reason: str | None = None, force: bool = False
    ) -> Added:
        """Put facts in as one transaction and give the number of new ones: all, or none if one cannot be stored.

        A fact that is there already (the same entity, relation and value) adds its source to the others. A forgotten
        one is refused and counted in `.refused`; `force` brings it back.
        """
        return self._store.add(facts, author, reason, force)

    def add_documents(
        self, documents: Iterable[Document], author: str | None = None, reason: str | None = None, force: bool = False
    ) -> Added:
        """Put in the lookups of documents' calls, the document's id and the span of the value as their source.

        Calls that cannot be facts (an empty value, say) are counted in `.unusable`.
        """
        unusable_calls = 0

        def facts() -> Iterator[Fact]:
            nonlocal unusable_calls
            for document in documents:
                source = document.id if unusable(document.id) is None else None
                for call in document.calls:
                    if any(unusable(part) is not None for part in call.lookup):
                        unusable_calls += 1
                    else:
                        yield Fact(*call.lookup, source=source, span=call.span if source else None)

        added = self.add(facts(), author, reason, force)
        return Added(added, added.known, added.refused, unusable_calls)

    def load(
        self, batches: Iterable[pyarrow.RecordBatch], author: str | None = None, reason: str | None = None
    ) -> Added:
        """Fill a base that is still empty from Arrow batches with the columns of `lamlam.kb.exchange`, the fast way.

        All rows are one transaction, and none is in if one cannot be stored. Raises `LamlamError` where the base has
        had a transaction before, or another process has it open.
        """
        return self._store.load(batches, author, reason)

    def add_batch(
        self, batch: pyarrow.RecordBatch, author: str | None = None, reason: str | None = None, force: bool = False
    ) -> Added:
        """`add` for the rows of an Arrow batch with the columns of `lamlam.kb.exchange`, ten times as fast.

        A batch is one transaction; some 200,000 rows make a good one.
        """
        return self._store.add_batch(batch, author, reason, force)

    @overload
    def lookup(self, entity: str, relation: str, k: None = None, *, as_of: Moment | None = None) -> Match | None: ...
    @overload
    def lookup(self, entity: str, relation: str, k: int, *, as_of: Moment | None = None) -> list[Match]: ...
    def lookup(
        self, entity: str, relation: str, k: int | None = None, *, as_of: Moment | None = None
    ) -> Match | list[Match] | None:
        """The fact for (entity, relation), or None where the base does not know, or cannot tell which one is meant.

        With `k`, a list of up to `k` values in their declared order, empty where there is no match. With `as_of`, what
        it would have been at that moment (see `KnowledgeBase.as_of`).
        """
        if as_of is not None:
            then = self.as_of(as_of)
            return then.lookup(entity, relation) if k is None else then.lookup(entity, relation, k)
        matches = self._matches(entity, relation, 1 if k is None else k)
        if k is not None:
            return matches
        return matches[0] if matches else None

    def lookup_many(self, queries: Iterable[tuple[str, str]]) -> list[Match | None]:
        """`lookup` for each (entity, relation), in their order."""
        asked = list(queries)
        try:
            found = self._store.exact_many(asked)
        except UnicodeEncodeError:  # one of them has a lone surrogate, which no base can hold
            return [self.lookup(*query) for query in asked]
        # What the class Match does itself, in half the time.
        return [
            self.lookup(*query) if fact is None else tuple.__new__(Match, (fact, 1.0, _EXACTLY))
            for query, fact in zip(asked, found, strict=True)
        ]

    def as_of(self, moment: Moment) -> KnowledgeBase:
        """The base as it was at a moment, for reading: a time, the name of a snapshot, or an ISO date or time.

        A time without a zone is local time. What has been forgotten since is not there either. It stays usable until
        this base is closed.
        """
        return KnowledgeBase(PastStore(self._store, self._transaction(moment)), self._similar)

    def diff(self, since: Moment, until: Moment | None = None) -> list[Change]:
        """What differs between two moments (see `as_of`), or a moment and now, by entity and relation."""
        end = self._store.transaction_at() if until is None else self._transaction(until)
        return self._store.diff(self._transaction(since), end)

    def rollback(self, to: Moment, author: str | None = None, reason: str | None = None) -> int:
        """Have what held at a moment hold again; how many facts and other names changed.

        It is a change like others, in the history and to be rolled back itself. What was forgotten stays forgotten.
        """
        return self._store.rollback(self._transaction(to), author, reason)

    def snapshot(self, name: str) -> Snapshot:
        """Give the present moment a name, for `as_of`, `diff` and `rollback`."""
        return self._store.snapshot(name)

    def snapshots(self) -> list[Snapshot]:
        """The named moments, oldest first."""
        return self._store.snapshots()

    def backup(self, path: str | Path) -> None:
        """Write a copy of the base to a new file, while it is in use. What is forgotten later is still in the copy."""
        self._store.backup(Path(path))

    def resolve(self, entity: str, relation: str | None = None) -> Resolution:
        """What the base takes a name for, or with `relation` one of that entity; and why, where it abstains."""
        found = resolve_entity(self._store, entity)
        if relation is not None and found.named is not None:
            found = resolve_relation(self._store, found.named, relation, self._similar, _misspelt(entity, found))
        return Resolution(found.named and found.named.name, found.score, found.how, found.why, found.candidates)

    def facts(self, entity: str) -> list[Match]:
        """All facts of the entity that a name is resolved to; empty where it is to none."""
        found = resolve_entity(self._store, entity)
        if found.named is None:
            return []
        return [Match(fact, found.score, f"{found.how} entity") for fact in self._store.facts(found.named.id)]

    def set(
        self,
        entity: str,
        relation: str,
        value: str,
        author: str | None = None,
        reason: str | None = None,
        force: bool = False,
    ) -> bool:
        """Make `value` the only one of (entity, relation); False where it already is.

        Other spellings of a key that is there, and aliases, are taken for it; misspellings are not. A forgotten key
        takes another value, but not a forgotten one, and a forgotten entity takes none, unless with `force`.
        """
        return self.edit([Fact(entity, relation, value, author=author)], author, reason, force) > 0

    def edit(
        self, facts: Iterable[Fact], author: str | None = None, reason: str | None = None, force: bool = False
    ) -> int:
        """`set` for many facts as one transaction: all of them, or none; how many values were not so yet.

        They are on the disk when it returns. One sync of the disk serves them all, so that a hundred edits take
        hardly longer than one.
        """
        return self._store.set([self._as_written(fact) for fact in facts], author, reason, force)

    def index_names(self) -> None:
        """Make the index for misspelt names now, if so many names have come that the next lookup of one would."""
        self._store.index_names()

    def forget(
        self,
        entity: str,
        relation: str | None = None,
        value: str | None = None,
        dry_run: bool = False,
        author: str | None = None,
        reason: str | None = None,
    ) -> Forgotten:
        """Remove an entity, what is known for one of its relations, or one value, with every trace in the file.

        Every spelling with the same normalised form goes too, for a whole entity its aliases, and misspelt duplicates
        that say the same of it (see `lamlam.kb.closure`). Lookups of what was forgotten, misspelt ones included, find
        nothing; `add` refuses it. With `dry_run`, nothing is removed, and what would be is shown.
        Raises `LamlamError` where there is nothing of that name: what is not found cannot be forgotten.
        """
        if value is not None and relation is None:
            raise LamlamError("to forget one value, say of which relation")
        what = self._selection(entity, relation, value)
        forgotten = self._store.forget(what, author, reason, dry_run=True)
        if value is not None and not forgotten.facts and not forgotten.past:
            raise LamlamError(f"({entity!r}, {relation!r}) does not have the value {value!r}; nothing was forgotten")
        if dry_run:
            return forgotten
        from lamlam.kb import prefix_base  # here, as all of the store

        wipe = prefix_base.wiping(self._store, what)
        try:
            return self._store.forget(what, author, reason, dry_run=False)
        finally:  # where the bytes of the file have to stay for a while, those of the indexes need not
            wipe()

    def history(self, entity: str, relation: str | None = None) -> list[Change]:
        """What happened to an entity's facts, oldest first; empty where the name is resolved to none."""
        found = resolve_entity(self._store, entity)
        if found.named is None:
            return []
        if relation is None:
            return self._store.history(found.named.id, None)
        normalised = normalise(relation) if unusable(relation) is None else ""
        own = self._store.relations_of(found.named.id, past=True)
        same = [named for named in own if named.name == relation] or [
            named for named in own if normalise(named.name) == normalised
        ]
        return [change for named in same for change in self._store.history(found.named.id, named.id)]

    def prefix_index(self, tokenizer: QueryTokenizer) -> PrefixIndex:
        """Which tokens can continue the name of an entity, and then of one of its relations: for constrained decoding.

        Its files lie beside the base (for one in PostgreSQL, or in a folder that cannot be written to, in the user's
        cache), are made when it is first asked for, and follow every edit: see `PrefixIndex.refresh`. Whoever holds
        nodes needs an index of their own, so each call opens one.
        """
        from lamlam.kb.prefix_base import BasePrefixIndex

        return BasePrefixIndex(self._store, tokenizer)

    def stats(self) -> dict[str, Any]:
        """How many facts, entities, relations and so on there are, and the 20 relations with the most facts."""
        return {**self._store.stats(), "top_relations": dict(self._store.top_relations(20))}

    def check(self) -> list[str]:
        """What is wrong with the file, a line each; empty where nothing is."""
        return self._store.check()

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        self._store.close()

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._store)

    def __contains__(self, entity: str) -> bool:
        """Whether there is an entity of exactly this name."""
        return unusable(entity) is None and self._store.entity(entity) is not None

    def __iter__(self) -> Iterator[Fact]:
        return self._store.facts()

    def __bool__(self) -> bool:
        return True  # a base without facts is still a base: `if kb` asks whether there is one

    def _matches(self, entity: str, relation: str, limit: int) -> list[Match]:
        if limit < 1:
            return []
        try:
            exact = self._store.exact(entity, relation, limit)
        except UnicodeEncodeError:  # a lone surrogate, which no base can hold
            return []
        if exact:
            return [Match(fact, 1.0, _EXACTLY) for fact in exact]
        found = resolve_entity(self._store, entity)
        if found.named is None:
            return []
        own = resolve_relation(self._store, found.named, relation, self._similar, _misspelt(entity, found))
        if own.named is None:
            return []
        score, how = found.score * own.score, f"{found.how} entity, {own.how} relation"
        return [Match(fact, score, how) for fact in self._store.facts(found.named.id, own.named.id, limit)]

    def _transaction(self, moment: Moment) -> int:
        if isinstance(moment, str):
            named = {snapshot.name: snapshot.transaction for snapshot in self._store.snapshots()}
            if moment in named:
                return named[moment]
            text = moment
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                there = f"; there are {', '.join(sorted(named))}" if named else ""
                raise LamlamError(
                    f"{text[:80]!r} is no snapshot and no time such as 2026-01-31 or 2026-01-31T12:00:00{there}"
                ) from None
        return self._store.transaction_at(moment)

    def _as_written(self, fact: Fact) -> Fact:
        """The fact with the names under which the base has its key."""
        named = self._written(fact.entity)
        if named is None:
            return fact
        own = resolve_relation(self._store, named, fact.relation)
        relation = own.named.name if own.named and own.how != "fuzzy" else fact.relation
        return fact._replace(entity=named.name, relation=relation)

    def _selection(self, entity: str, relation: str | None, value: str | None) -> Selection:
        """What `forget` is to remove: every entity of the same normalised name, or else the one of that alias."""
        normalised = normalise(entity) if unusable(entity) is None else ""
        entities = self._store.entities_normalised(normalised)
        if not entities:
            aliased = self._store.entities_aliased(normalised)
            if len(aliased) > 1:
                raise ambiguous(entity, resolve_entity(self._store, entity))
            entities = [same for named in aliased for same in self._store.entities_normalised(normalise(named.name))]
        if not entities:
            raise self._unknown(entity)
        return closed_over(self._store, entities, entity, relation, value)


def _misspelt(entity: str, found: Found) -> str | None:
    """The name, where it is not one that the base has."""
    return entity if found.how == "fuzzy" else None


def _shared(url: str, create: bool) -> Store:
    try:
        from lamlam.kb.postgres import PostgresStore
    except ImportError as error:
        raise LamlamError("a base in PostgreSQL needs psycopg; install it: pip install 'lamlam[postgres]'") from error
    return PostgresStore(url, create)


def _file(path: Path, create: bool) -> Store:
    from lamlam.kb.sqlite import SqliteStore

    store = SqliteStore(path, create)
    try:
        store.finish_forgetting()
    except BaseException:
        store.close()
        raise
    return store
