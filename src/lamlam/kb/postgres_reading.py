"""What the PostgreSQL store reads: facts with the first of their evidence in one question each, and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamlam.kb import reading
from lamlam.kb.fact import Fact
from lamlam.kb.postgres_session import Session
from lamlam.kb.store import Named

NOW = 2**31 - 1  # no transaction has a higher number

_EVIDENCE = """
    LEFT JOIN LATERAL (
        SELECT s.name AS source, v.start, v."end", a.name AS author, v.confidence, v.valid_from, v.valid_to
        FROM evidence v LEFT JOIN sources s ON s.id = v.source LEFT JOIN authors a ON a.id = v.author
        WHERE v.entity = f.entity AND v.relation = f.relation AND v.value = f.value
        AND v.made <= {at} AND (v.ended IS NULL OR v.ended > {at})
        ORDER BY s.name IS NULL, s.name, v.start, v."end", a.name IS NULL, a.name, v.valid_from, v.valid_to LIMIT 1
    ) w ON f.support <> f.bare"""
_FACT = 't.text, w.source, w.start, w."end", w.author, w.confidence, f.rank, w.valid_from, w.valid_to'
_VERSIONS = """(
    SELECT entity, relation, value, rank, support, bare FROM facts
    WHERE entity = ?1 AND (?2::BIGINT = 0 OR relation = ?2) AND made <= ?4
    UNION ALL SELECT entity, relation, value, rank, support, bare FROM past
    WHERE entity = ?1 AND (?2::BIGINT = 0 OR relation = ?2) AND made <= ?4 AND ended > ?4)"""
_PARTS = {
    "fact": _FACT,
    "declared": "f.rank, f.support DESC, t.text",
    "versions": _VERSIONS,
    "now": _EVIDENCE.format(at=NOW),
    "then": _EVIDENCE.format(at="?4"),
}


def _filled(template: str) -> str:
    return template.format(**_PARTS)


# The first question of every lookup: mostly there is one row, with no evidence to show.
EXACT = """
    SELECT t.text, f.rank, f.support - f.bare, f.entity, f.relation FROM facts f JOIN texts t ON t.id = f.value
    WHERE f.entity = (SELECT id FROM entities WHERE name = ?1)
    AND f.relation = (SELECT id FROM relations WHERE name = ?2)"""
EXACT_MANY = _filled("""
    SELECT q.place, g.* FROM unnest(?1::TEXT[], ?2::TEXT[]) WITH ORDINALITY AS q (entity, relation, place)
    CROSS JOIN LATERAL (
        SELECT {fact} FROM facts f JOIN texts t ON t.id = f.value {now}
        WHERE f.entity = (SELECT id FROM entities WHERE name = q.entity LIMIT 1)
        AND f.relation = (SELECT id FROM relations WHERE name = q.relation LIMIT 1)
        ORDER BY {declared} LIMIT 1) g""")
OF_ENTITY = _filled("""
    SELECT e.name, r.name, {fact} FROM {versions} f JOIN texts t ON t.id = f.value JOIN entities e ON e.id = f.entity
    JOIN relations r ON r.id = f.relation {then} ORDER BY r.name, {declared} LIMIT ?3""")
ALL = """
    SELECT e.name, r.name, {fact} FROM {versions} f JOIN texts t ON t.id = f.value
    JOIN entities e ON e.id = f.entity JOIN relations r ON r.id = f.relation {evidence}
    ORDER BY e.name, r.name, {declared} {limit}"""
_THEN = """(
    SELECT entity, relation, value, rank, support, bare FROM facts WHERE made <= {at}
    UNION ALL SELECT entity, relation, value, rank, support, bare FROM past WHERE made <= {at} AND ended > {at})"""


def all_facts(limit: int, at: int | None) -> str:
    """The query for all facts by names, now or at a transaction."""
    moment = NOW if at is None else int(at)
    versions = "facts" if at is None else _THEN.format(at=moment)
    some = "" if limit < 0 else f"LIMIT {int(limit)}"
    return ALL.format(
        fact=_FACT, versions=versions, evidence=_EVIDENCE.format(at=moment), declared=_PARTS["declared"], limit=some
    )


def fact(entity: str, relation: str, row: Sequence[Any]) -> Fact:
    """A fact of a row of `_FACT`."""
    value, source, start, end, author, confidence, rank, valid_from, valid_to = row
    span = None if start is None or start < 0 else (start, end)
    return Fact(entity, relation, value, source, span, author, confidence, rank, valid_from or None, valid_to or None)


def named(session: Session, query: str, *parameters: Any) -> list[Named]:
    """The rows of a query for ids and names."""
    return [Named(*row) for row in session.execute(query, parameters)]


RELATIONS_AT = """
    SELECT id, name FROM relations WHERE id IN (
        SELECT relation FROM facts WHERE entity = ?1 AND made <= ?2
        UNION SELECT relation FROM past WHERE entity = ?1 AND made <= ?2 AND ended > ?2) ORDER BY name"""
RELATIONS_EVER = """
    SELECT id, name FROM relations WHERE id IN (
        SELECT relation FROM facts WHERE entity = ?1 UNION SELECT relation FROM past WHERE entity = ?1) ORDER BY name"""
NORMALISED = "SELECT id, name FROM normalised JOIN entities ON id = entity WHERE hash = ? ORDER BY name"
NAMES = "SELECT id, name FROM entities WHERE id > ? ORDER BY id LIMIT 50000"
COUNTS = {
    **reading.COUNTS,
    "facts": "SELECT coalesce(sum(facts), 0)::BIGINT FROM relations",
    "bytes": "SELECT sum(pg_total_relation_size(oid))::BIGINT FROM pg_class WHERE relkind = 'r'"
    " AND relnamespace = current_schema::regnamespace",
}
_MISSING = "SELECT count(*) FROM {table} f WHERE NOT EXISTS (SELECT 1 FROM {other} o WHERE o.id = f.{column})"
_COUNTED = (
    "SELECT count(*) FROM {table} LEFT JOIN (SELECT {column}, count(*) AS n FROM {of} GROUP BY 1) u ON {column} = id"
    " WHERE uses <> coalesce(n, 0)"
)
RULES = {
    "facts whose entity is missing": _MISSING.format(table="facts", other="entities", column="entity"),
    "facts whose relation is missing": _MISSING.format(table="facts", other="relations", column="relation"),
    "facts whose value is missing": _MISSING.format(table="facts", other="texts", column="value"),
    "facts without the transaction that made them": _MISSING.format(table="facts", other="transactions", column="made"),
    "former facts without the transaction that made them": _MISSING.format(
        table="past", other="transactions", column="made"
    ),
    "former facts without the transaction that ended them": _MISSING.format(
        table="past", other="transactions", column="ended"
    ),
    "former facts whose relation is missing": _MISSING.format(table="past", other="relations", column="relation"),
    "former facts whose entity is missing": _MISSING.format(table="past", other="entities", column="entity"),
    "former facts whose value is missing": _MISSING.format(table="past", other="texts", column="value"),
    "former facts that end before they begin": "SELECT count(*) FROM past WHERE ended <= made",
    "facts whose support is not their number of sources": (
        "SELECT count(*) FROM facts f LEFT JOIN (SELECT entity, relation, value, count(*) AS n FROM evidence"
        " WHERE ended IS NULL GROUP BY 1, 2, 3) v USING (entity, relation, value)"
        " WHERE support <> bare + coalesce(n, 0)"
    ),
    "names that are there twice": (
        "SELECT count(*) FROM (SELECT 1 FROM entities GROUP BY name HAVING count(*) > 1"
        " UNION ALL SELECT 1 FROM texts GROUP BY text HAVING count(*) > 1) n"
    ),
    "aliases of no entity": _MISSING.format(table="aliases", other="entities", column="entity"),
    "synonyms of no relation": _MISSING.format(table="synonyms", other="relations", column="relation"),
    "names filed for no entity": _MISSING.format(table="spoken", other="entities", column="entity"),
    "relations counted wrongly": (
        "SELECT count(*) FROM relations r LEFT JOIN (SELECT relation, count(*) AS n FROM facts GROUP BY 1) f"
        " ON f.relation = id LEFT JOIN (SELECT relation, count(*) AS n FROM past GROUP BY 1) p ON p.relation = id"
        " WHERE facts <> coalesce(f.n, 0) OR past <> coalesce(p.n, 0)"
    ),
    "values counted wrongly": _COUNTED.format(
        table="texts", of="(SELECT value FROM facts UNION ALL SELECT value FROM past) v", column="value"
    ),
    "sources counted wrongly": _COUNTED.format(table="sources", of="evidence", column="source"),
    "authors counted wrongly": _COUNTED.format(table="authors", of="evidence", column="author"),
    "evidence without its fact": (
        "SELECT count(*) FROM evidence v WHERE NOT EXISTS (SELECT 1 FROM facts f WHERE f.entity = v.entity"
        " AND f.relation = v.relation AND f.value = v.value) AND NOT EXISTS (SELECT 1 FROM past p"
        " WHERE p.entity = v.entity AND p.relation = v.relation AND p.value = v.value)"
    ),
    "entities without a fact, present or past": (
        "SELECT count(*) FROM entities e WHERE NOT EXISTS (SELECT 1 FROM facts f WHERE f.entity = e.id)"
        " AND NOT EXISTS (SELECT 1 FROM past p WHERE p.entity = e.id)"
    ),
}
"""What must hold, as counts of where it does not."""
