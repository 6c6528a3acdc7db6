"""How facts get into the tables, inside a transaction that the store has begun."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from lamlam.errors import LamlamError
from lamlam.kb import versions
from lamlam.kb.dictionaries import Dictionaries
from lamlam.kb.fact import Added, Fact
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import checked, normalise, unusable
from lamlam.kb.tombstones import Tombstones
from lamlam.kb.versions import Evidence, Key

_DATE = re.compile(r"-?\d{4,9}(-\d\d(-\d\d)?)?", re.ASCII)


def add(
    connection: sqlite3.Connection,
    names: NameIndex,
    tombstones: Tombstones,
    facts: Iterable[Fact],
    made: int,
    force: bool,
) -> Added:
    """Put facts in; those already there gain evidence, forgotten ones are refused unless forced."""
    dictionaries = Dictionaries(connection, names)
    guarded = tombstones.any()
    added = known = refused = 0
    for fact in facts:
        check_fact(fact)
        if guarded and (covering := tombstones.covering(fact.entity, fact.relation, fact.value)):
            if not force:
                refused += 1
                continue
            tombstones.lift(covering)
        if _put(connection, dictionaries, fact, made):
            added += 1
        else:
            known += 1
    dictionaries.write_counts()
    return Added(added, known, refused)


def set_only(
    connection: sqlite3.Connection, names: NameIndex, tombstones: Tombstones, fact: Fact, made: int, force: bool
) -> bool:
    """Make a fact the only one of its key; the values it replaces go into the past.

    Of a forgotten key a person may set another value, not the forgotten one and nothing of a forgotten entity.
    """
    check_fact(fact)
    covering = tombstones.covering(fact.entity, fact.relation, fact.value)
    pair = tombstones.digest(normalise(fact.entity), normalise(fact.relation))
    if force:
        tombstones.lift(covering)
    elif any(digest != pair for digest in covering):
        raise LamlamError(
            f"({fact.entity!r}, {fact.relation!r}) was forgotten together with this value or its entity; "
            "to bring it back all the same, use force"
        )
    dictionaries = Dictionaries(connection, names)
    entity, relation = dictionaries.entity(fact.entity), dictionaries.relation(fact.relation)
    there = connection.execute("SELECT value FROM facts WHERE entity = ? AND relation = ?", (entity, relation))
    values = [row[0] for row in there.fetchall()]
    if values == [dictionaries.value(fact.value)]:
        return False
    for value in values:
        versions.end(connection, dictionaries, (entity, relation, value), made)
    _put(connection, dictionaries, fact, made)
    dictionaries.drop_unused()  # a value that was set in this very transaction leaves nothing behind
    return True


def check_fact(fact: Fact) -> None:
    """Raise `LamlamError` for a fact that cannot be stored."""
    checked(fact.entity, "entity")
    checked(fact.relation, "relation")
    checked(fact.value, "value")
    where = f"the fact ({fact.entity[:60]!r}, {fact.relation[:60]!r})"
    for what, text in (("source", fact.source), ("author", fact.author)):
        if text is not None and (reason := unusable(text)) is not None:
            raise LamlamError(f"the {what} of {where} holds {reason}; mend it or leave it out")
    if fact.span is not None and not 0 <= fact.span[0] <= fact.span[1] < 2**63:
        raise LamlamError(f"the span {fact.span} of {where} is no (start, end) with 0 <= start <= end")
    if fact.confidence is not None and not 0 <= fact.confidence <= 1:
        raise LamlamError(f"the confidence {fact.confidence} of {where} is not between 0 and 1")
    if not -(2**31) <= fact.rank < 2**31:
        raise LamlamError(f"the rank {fact.rank} of {where} is out of range")
    for date in (fact.valid_from, fact.valid_to):
        if date is not None and not _DATE.fullmatch(date):
            raise LamlamError(
                f"the date {date[:40]!r} of {where} is not an ISO date such as 1815, 1815-12 or 1815-12-10"
            )


def gain(
    connection: sqlite3.Connection,
    dictionaries: Dictionaries,
    key: Key,
    there: versions.Version,
    rank: int,
    bare: bool,
    evidence: Iterable[Evidence],
    made: int,
) -> None:
    """Have a fact that is there said once more: with a rank, barely or with evidence."""
    changed = added = int(bare and not there.bare)
    for piece in evidence:
        new, more = versions.add_evidence(connection, dictionaries, key, piece, made)
        changed, added = changed | new, added + more
    if changed or rank < there.rank:
        better = versions.Version(min(there.rank, rank), there.support + added, there.bare | bare, made)
        versions.replace(connection, dictionaries, key, there, better)


def _put(connection: sqlite3.Connection, dictionaries: Dictionaries, fact: Fact, made: int) -> bool:
    """Insert a fact, or add to its evidence; whether it is new."""
    key: Key = (dictionaries.entity(fact.entity), dictionaries.relation(fact.relation), dictionaries.value(fact.value))
    evidence = _evidence(dictionaries, fact)
    there = versions.current(connection, key)
    said = [] if evidence is None else [evidence]
    if there is not None:
        gain(connection, dictionaries, key, there, fact.rank, not said, said, made)
        return False
    connection.execute("INSERT INTO facts VALUES (?, ?, ?, ?, 1, ?, ?)", (*key, fact.rank, int(not said), made))
    dictionaries.count_fact(key, 1)
    for piece in said:
        versions.insert_evidence(connection, dictionaries, key, piece, made)
    return True


def _evidence(dictionaries: Dictionaries, fact: Fact) -> Evidence | None:
    """Who says so, where and for when; None where the fact says nothing of it."""
    start, end = fact.span or (-1, -1)
    dates = fact.valid_from or "", fact.valid_to or ""
    if not any(dates) and all(part is None for part in (fact.source, fact.author, fact.span, fact.confidence)):
        return None
    source, author = dictionaries.source(fact.source), dictionaries.author(fact.author)
    return Evidence(source, start, end, author, *dates, fact.confidence)
