"""A copy of a base in PostgreSQL as an SQLite file, which is a whole base: facts, history, evidence, tombstones.

The tables of both are the same, column by column, and so are the numbers in them.
"""

from __future__ import annotations

import sqlite3
from itertools import islice
from pathlib import Path

import psycopg

from lamlam.atomic import write_beside
from lamlam.kb import postgres_schema, schema
from lamlam.kb.backup import check_free
from lamlam.kb.name_index import MOST_RECENT, NameIndex
from lamlam.kb.names import normalise

_PAGE = 20_000


def copy(url: str, path: Path) -> None:
    """Copy the base as it is at one moment; it may be read and written meanwhile. The file is there whole or not."""
    check_free(path)
    with postgres_schema.connect(url) as source, write_beside(path) as partial:
        source.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        source.read_only = True
        target, _ = schema.connect(partial, create=True)
        try:
            target.execute("PRAGMA journal_mode = DELETE")
            target.execute("BEGIN EXCLUSIVE")
            with source.transaction():
                _copy_all(source, target)
            _file_names(target, partial)
            target.execute("COMMIT")
            target.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise schema.explained(error, path) from error
        finally:
            target.close()


def _copy_all(source: psycopg.Connection, target: sqlite3.Connection) -> None:
    shared = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema AND tablename <> 'meta'"
    there = {row[0] for row in source.execute(shared)}
    for (table,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table in there:
            _copy_table(source, target, table)
    for salt in source.execute("SELECT value FROM meta WHERE key = 'salt'"):
        target.execute("UPDATE meta SET value = ? WHERE key = 'salt'", salt)


def _copy_table(source: psycopg.Connection, target: sqlite3.Connection, table: str) -> None:
    """All rows, in the order in which SQLite keeps them; indexes are made when they are in."""
    made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?"
    indexes = target.execute(made, (table,)).fetchall()
    for name, _ in indexes:
        target.execute(f"DROP INDEX {name}")
    columns = target.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    quoted = ", ".join(f'"{name}"' for name, _ in columns)
    order = ", ".join(f'"{name}"' for name, place in sorted(columns, key=lambda column: column[1]) if place)
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    with source.cursor(name="copied", binary=True) as cursor:
        cursor.itersize = _PAGE
        cursor.execute(f"SELECT {quoted} FROM {table} ORDER BY {order}".encode())  # noqa: S608
        target.executemany(insert, cursor)
    for _, statement in indexes:
        target.execute(statement)


def _file_names(target: sqlite3.Connection, path: Path) -> None:
    """Start the index of misspelt names; where there are many, they are marked to be filed when first asked for."""
    names = NameIndex(target, path)
    entities = target.execute("SELECT id, name FROM entities ORDER BY id")
    for entity, name in islice(entities, MOST_RECENT + 1):
        names.insert(entity, normalise(name))
    for entity, alias in target.execute("SELECT DISTINCT entity, normalised FROM aliases").fetchall():
        names.insert(entity, alias)
