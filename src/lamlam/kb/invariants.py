"""What must hold in every base, for `lamlam kb check`."""

from __future__ import annotations

import sqlite3

from lamlam.kb.names import normalise
from lamlam.kb.reading import closed_hash

_RULES = {
    "facts whose entity is missing": "SELECT count(*) FROM facts WHERE entity NOT IN (SELECT id FROM entities)",
    "facts whose relation is missing": "SELECT count(*) FROM facts WHERE relation NOT IN (SELECT id FROM relations)",
    "facts whose value is missing": "SELECT count(*) FROM facts WHERE value NOT IN (SELECT id FROM texts)",
    "facts without the transaction that made them": (
        "SELECT count(*) FROM facts WHERE made NOT IN (SELECT id FROM transactions)"
    ),
    "former facts without the transactions that made and ended them": (
        "SELECT count(*) FROM past WHERE made NOT IN (SELECT id FROM transactions)"
        " OR ended NOT IN (SELECT id FROM transactions)"
    ),
    "relations counted wrongly": (
        "SELECT count(*) FROM relations r"
        " LEFT JOIN (SELECT relation, count(*) AS n FROM facts GROUP BY relation) f ON f.relation = r.id"
        " LEFT JOIN (SELECT relation, count(*) AS n FROM past GROUP BY relation) p ON p.relation = r.id"
        " WHERE facts <> coalesce(f.n, 0) OR past <> coalesce(p.n, 0)"
    ),
    "values counted wrongly": (
        "SELECT count(*) FROM texts t LEFT JOIN (SELECT value, count(*) AS n FROM"
        " (SELECT value FROM facts UNION ALL SELECT value FROM past) GROUP BY value) f ON f.value = t.id"
        " WHERE uses <> coalesce(f.n, 0)"
    ),
    "sources counted wrongly": (
        "SELECT count(*) FROM sources s LEFT JOIN (SELECT source, count(*) AS n FROM evidence GROUP BY source) v"
        " ON v.source = s.id WHERE uses <> coalesce(v.n, 0)"
    ),
    "authors counted wrongly": (
        "SELECT count(*) FROM authors a LEFT JOIN (SELECT author, count(*) AS n FROM evidence GROUP BY author) v"
        " ON v.author = a.id WHERE uses <> coalesce(v.n, 0)"
    ),
    "former facts whose entity, relation or value is missing": (
        "SELECT count(*) FROM past WHERE entity NOT IN (SELECT id FROM entities)"
        " OR relation NOT IN (SELECT id FROM relations) OR value NOT IN (SELECT id FROM texts)"
    ),
    "former facts that end before they begin": "SELECT count(*) FROM past WHERE ended <= made",
    "facts whose support is not their number of sources": (
        "SELECT count(*) FROM facts f WHERE support <> bare + (SELECT count(*) FROM evidence v WHERE"
        " v.entity = f.entity AND v.relation = f.relation AND v.value = f.value AND v.ended IS NULL)"
    ),
    "evidence without its fact": (
        "SELECT count(*) FROM evidence v WHERE NOT EXISTS (SELECT 1 FROM facts f WHERE"
        " f.entity = v.entity AND f.relation = v.relation AND f.value = v.value)"
        " AND NOT EXISTS (SELECT 1 FROM past p WHERE"
        " p.entity = v.entity AND p.relation = v.relation AND p.value = v.value)"
    ),
    "aliases of no entity": "SELECT count(*) FROM aliases WHERE entity NOT IN (SELECT id FROM entities)",
    "synonyms of no relation": "SELECT count(*) FROM synonyms WHERE relation NOT IN (SELECT id FROM relations)",
    "words filed for no entity": "SELECT count(*) FROM postings WHERE entity NOT IN (SELECT id FROM entities)",
    "words counted wrongly": (
        "SELECT count(*) FROM words w WHERE entities <> (SELECT count(*) FROM postings p WHERE p.word = w.id)"
    ),
    "entities without a fact, present or past": (
        "SELECT count(*) FROM entities WHERE id NOT IN (SELECT entity FROM facts UNION SELECT entity FROM past)"
    ),
}


def problems(connection: sqlite3.Connection) -> list[str]:
    """One line for each rule that is broken, with how often; SQLite's own findings first."""
    found: list[str] = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if found:  # counting in a damaged file says nothing more
        return found
    for what, query in _RULES.items():
        if count := connection.execute(query).fetchone()[0]:
            found.append(f"{count} {what}")
    if stale := _filed_wrongly(connection):
        found.append(f"{stale} names filed under another normal form than this version's; build the base again")
    if connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone():
        found.append("forgotten bytes are still in the file; they go when it is next opened for writing by nobody else")
    return found


def _filed_wrongly(connection: sqlite3.Connection) -> int:
    """Entities and relations that are not filed under their normalised names, and rows that file no entity."""
    wrong: int = connection.execute("SELECT count(*) FROM normalised").fetchone()[0]
    there = "SELECT 1 FROM normalised WHERE hash = ? AND entity = ?"
    for entity, name in connection.execute("SELECT id, name FROM entities"):
        filed = connection.execute(there, (closed_hash(normalise(name)), entity)).fetchone()
        wrong += -1 if filed else 1
    relations = connection.execute("SELECT name, normalised FROM relations")
    wrong += sum(normalise(name) != normalised for name, normalised in relations)
    return wrong
