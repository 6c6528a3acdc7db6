"""What must hold in every base, for `lamlam kb check`."""

from __future__ import annotations

import sqlite3

from lamlam.kb.names import normalise

_RULES = {
    "facts whose entity is missing": "SELECT count(*) FROM facts WHERE entity NOT IN (SELECT id FROM entities)",
    "facts whose relation is missing": "SELECT count(*) FROM facts WHERE relation NOT IN (SELECT id FROM relations)",
    "facts whose value is missing": "SELECT count(*) FROM facts WHERE value NOT IN (SELECT id FROM texts)",
    "facts without the transaction that made them": (
        "SELECT count(*) FROM facts WHERE made NOT IN (SELECT id FROM transactions)"
    ),
    "former facts whose entity, relation or value is missing": (
        "SELECT count(*) FROM past WHERE entity NOT IN (SELECT id FROM entities)"
        " OR relation NOT IN (SELECT id FROM relations) OR value NOT IN (SELECT id FROM texts)"
    ),
    "former facts that end before they begin": "SELECT count(*) FROM past WHERE ended <= made",
    "facts whose support is not their number of sources": (
        "SELECT count(*) FROM facts f WHERE support <> bare + (SELECT count(*) FROM evidence v WHERE"
        " v.entity = f.entity AND v.relation = f.relation AND v.value = f.value AND v.made = f.made)"
    ),
    "evidence without its fact": (
        "SELECT count(*) FROM evidence v WHERE NOT EXISTS (SELECT 1 FROM facts f WHERE"
        " f.entity = v.entity AND f.relation = v.relation AND f.value = v.value AND f.made = v.made)"
        " AND NOT EXISTS (SELECT 1 FROM past p WHERE"
        " p.entity = v.entity AND p.relation = v.relation AND p.value = v.value AND p.made = v.made)"
    ),
    "aliases of no entity": "SELECT count(*) FROM aliases WHERE entity NOT IN (SELECT id FROM entities)",
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
    found = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if found:  # counting in a damaged file says nothing more
        return found
    for what, query in _RULES.items():
        if count := connection.execute(query).fetchone()[0]:
            found.append(f"{count} {what}")
    rows = connection.execute("SELECT name, normalised FROM entities UNION ALL SELECT name, normalised FROM relations")
    if stale := sum(normalise(name) != normalised for name, normalised in rows):
        found.append(f"{stale} names filed under another normal form than this version's; build the base again")
    if connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone():
        found.append("forgotten bytes are still in the file; they go when it is next opened for writing by nobody else")
    return found
