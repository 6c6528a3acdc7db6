"""From the tables of older versions to those of this one, in one transaction; a base that fails stays as it was."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lamlam.errors import LamlamError
from lamlam.kb import schema
from lamlam.kb.names import normalise
from lamlam.kb.reading import closed_hash

# Version 1 had no counts and no moments, kept every normalised name, and let evidence last as long as its fact.
_OLD = ("entities", "relations", "texts", "sources", "authors", "facts", "past", "evidence", "aliases")
_COPY = """
    INSERT INTO transactions SELECT id + 1, time, kind, author, reason FROM old_transactions;
    INSERT INTO entities SELECT id, name FROM old_entities;
    INSERT INTO facts SELECT entity, relation, value, rank, support, bare, made + 1 FROM old_facts;
    INSERT INTO past SELECT entity, relation, value, made + 1, ended + 1, rank, support, bare FROM old_past;
    INSERT INTO evidence SELECT v.entity, v.relation, v.value, source, start, "end", author, '', '', v.made + 1,
        p.ended + 1, confidence FROM old_evidence v LEFT JOIN old_past p ON p.entity = v.entity
        AND p.relation = v.relation AND p.value = v.value AND p.made = v.made;
    INSERT INTO relations SELECT id, name, normalised, (SELECT count(*) FROM facts WHERE relation = id),
        (SELECT count(*) FROM past WHERE relation = id) FROM old_relations;
    INSERT INTO texts SELECT id, text, coalesce(n, 0) FROM old_texts LEFT JOIN (SELECT value, count(*) AS n FROM
        (SELECT value FROM facts UNION ALL SELECT value FROM past) GROUP BY value) ON value = id;
    INSERT INTO sources SELECT id, name, coalesce(n, 0) FROM old_sources LEFT JOIN (
        SELECT source, count(*) AS n FROM evidence GROUP BY source) ON source = id;
    INSERT INTO authors SELECT id, name, coalesce(n, 0) FROM old_authors LEFT JOIN (
        SELECT author, count(*) AS n FROM evidence GROUP BY author) ON author = id;
    INSERT INTO aliases SELECT normalised, entity, alias, made + 1, NULL FROM old_aliases;
"""


def migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Bring a base of an older version up to date."""
    steps = {1: _from_1, 2: _from_2}
    if version not in steps:
        raise LamlamError(
            f"the base {path} has version {version}, which this lamlam cannot read; "
            "build the base again with `lamlam kb build`"
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == version:  # nobody else was faster
            steps[version](connection)
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _from_2(connection: sqlite3.Connection) -> None:
    """Version 2 had no synonyms."""
    for statement in schema.statements(schema.TABLES):
        if " synonyms" in statement:
            connection.execute(statement)


def _from_1(connection: sqlite3.Connection) -> None:
    for index in ("entities_normalised", "entities_close", "aliases_entity"):
        connection.execute(f"DROP INDEX {index}")
    for table in (*_OLD, "transactions"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in schema.statements(schema.TABLES):
        # The tables that did not change are there already.
        if not any(f"CREATE TABLE {table} " in statement for table in _KEPT):
            connection.execute(statement)
    for statement in schema.statements(_COPY):
        connection.execute(statement)
    names = connection.execute("SELECT id, name FROM entities")
    filed = ((closed_hash(normalise(name)), entity) for entity, name in names)
    connection.executemany("INSERT INTO normalised VALUES (?, ?)", filed)
    for table in (*_OLD, "transactions"):
        connection.execute(f"DROP TABLE old_{table}")


_KEPT = ("words", "word_spellings", "postings", "tombstones", "tombstone_spellings", "meta")
