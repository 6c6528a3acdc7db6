"""The names of a base in PostgreSQL, kept on this machine: misspelt ones are found here, and believed by the server.

A folder holds the arrays of `lamlam.kb.name_arrays` as of one transaction, for all processes of the machine; what came
since, each process keeps in memory. Every question is answered together with the number of the server's last
transaction: where that has moved, the replica catches up, and what lost its name is overwritten in the arrays, before
anything is said. What is found counts only if the server has it still.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb import name_search, schema
from lamlam.kb.name_arrays import NameArrays, build
from lamlam.kb.name_index import MOST_RECENT, NEAREST
from lamlam.kb.name_tables import NameTables
from lamlam.kb.names import LONGEST_FUZZY, normalise
from lamlam.kb.postgres_reading import NAMES
from lamlam.kb.postgres_session import Session
from lamlam.kb.store import Named

_NOW = "SELECT coalesce(max(id), 0) FROM transactions"
_THERE = f"""
    SELECT t.now, e.id, e.name FROM ({_NOW}) t (now) LEFT JOIN entities e ON e.id = ANY(?::INTEGER[])"""  # noqa: S608
_NAMED = "SELECT id, name FROM entities WHERE id = ANY(?::INTEGER[])"
_UNNAMED = "SELECT DISTINCT entity FROM unnamed WHERE made > ?"
_ALIASES = "SELECT DISTINCT entity, normalised FROM aliases WHERE {} ORDER BY entity, normalised"
_TRIES = 10


class _State(NamedTuple):
    """The arrays with `stamp` hold the entities up to `last` at transaction `built`, wiped up to `wiped`."""

    stamp: str
    built: int
    last: int
    wiped: int


class NameReplica:
    """The names of the base behind a session, in `folder`; with the questions of `TrigramNames`."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        salt = bytes(session.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()[0])
        self._folder = folder / sha256(b"names" + salt).hexdigest()[:16]
        self._arrays: NameArrays | None = None
        self._recent = _Recent()
        self._seen = self._last = -1
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._follow()
        except OSError as error:
            raise LamlamError(f"the replica in {folder} cannot be written: {error.strerror}; name another") from error

    def near(self, normalised: str) -> list[Named]:
        """The entities that a misspelt name may mean."""
        if len(normalised) > LONGEST_FUZZY:
            return []
        for _ in range(_TRIES):
            found = name_search.near(self._current(), normalised, NEAREST)
            recent = self._recent.near(normalised)
            asked = [entity for entity, _ in found] + [named.id for named in recent]
            rows = self._session.execute(_THERE, (asked,)).fetchall()
            there = {entity: name for _, entity, name in rows if entity is not None}
            if rows[0][0] == self._seen:
                break
            self._follow()
        # Under a stream of changes there is always one more; what the server has still is right all the same.
        named = [entity for entity, name in found if entity in there and self._is_called(entity, there[entity], name)]
        named += [one.id for one in recent if one.id in there]
        return [Named(entity, there[entity]) for entity in dict.fromkeys(named)]

    def frequency(self, word: str) -> int:
        """How many names and aliases have a word."""
        return name_search.frequency(self._current(), word) + self._recent.frequency(word)

    def close(self) -> None:
        """Let go of the files."""
        if self._arrays is not None:
            self._arrays.close()
            self._arrays = None
        self._recent.close()

    def _current(self) -> NameArrays:
        if self._arrays is None:
            raise LamlamError("the base is closed; open it again with KnowledgeBase.open")
        return self._arrays

    def _is_called(self, entity: int, name: str, normalised: str) -> bool:
        """Whether a normalised name is still one of an entity's."""
        alias = "SELECT 1 FROM aliases WHERE entity = ? AND normalised = ?"
        return (
            normalise(name) == normalised or self._session.execute(alias, (entity, normalised)).fetchone() is not None
        )

    def _follow(self) -> None:
        """Catch up with the server until nothing has changed meanwhile, or nearly so."""
        for _ in range(_TRIES):
            now = self._session.execute(_NOW).fetchone()[0]
            if now == self._seen:
                return
            # The number is read before the rest: what changes after it is seen now or the next time, or both.
            with self._locked():
                self._wipe(self._opened(now), now)
            self._take(now)

    def _opened(self, now: int) -> _State:
        """The state of the folder, with its arrays open; they are made where there are none that will do."""
        state = self._read_state()
        if state is None or max(state.wiped, self._seen) > now or self._outgrown(state):  # or the server went back
            return self._build(now)
        if self._arrays is None or self._arrays.stamp != state.stamp:
            try:
                self._open(state)
            except (OSError, ValueError):  # lost, or damaged
                return self._build(now)
        return state

    def _build(self, now: int) -> _State:
        """Make the arrays from the server's tables. Nothing else stays in the folder."""
        stamp, last = secrets.token_hex(8), 0

        def named() -> Iterator[tuple[int, str]]:
            nonlocal last
            while page := self._session.execute(NAMES, (last,)).fetchall():
                yield from ((entity, normalise(name)) for entity, name in page)
                last = page[-1][0]

        aliases = self._session.execute(_ALIASES.format("entity > ?"), (0,))
        build(self._folder / f"names-{stamp}", heapq.merge(named(), aliases), stamp)
        state = _State(stamp, now, last, now)
        self._write_state(state)
        self._tidy(state)
        self._open(state)
        return state

    def _tidy(self, state: _State) -> None:
        """Remove the arrays of former states, and what a process left that was killed while it made some."""
        for file in self._folder.iterdir():
            if file.name not in (f"names-{state.stamp}", "state.json", "lock"):
                file.unlink()

    def _open(self, state: _State) -> None:
        arrays = NameArrays(self._folder / f"names-{state.stamp}")
        self.close()
        self._arrays, self._recent = arrays, _Recent()
        self._seen, self._last = state.built, state.last

    def _outgrown(self, state: _State) -> bool:
        last = self._session.execute("SELECT coalesce(max(id), 0) FROM entities").fetchone()[0]
        return bool(last - state.last > max(MOST_RECENT, state.last // 50))

    def _wipe(self, state: _State, now: int) -> None:
        """Overwrite in the arrays the names of entities that lost one."""
        gone = self._session.execute(_UNNAMED, (state.wiped,)).fetchall()
        if not gone:
            return
        arrays = self._current()
        for (entity,) in gone:
            start, end = np.searchsorted(arrays.entities, [entity, entity + 1]).tolist()
            arrays.scrub(entity, {crc32(arrays.name(row).encode()) for row in range(start, end)})
        self._tidy(state)
        self._write_state(state._replace(wiped=now))

    def _take(self, now: int) -> None:
        """Have in memory what is not in the arrays: new names, and those that are left to who lost one."""
        since = self._seen
        unnamed = {entity for (entity,) in self._session.execute(_UNNAMED, (since,))}
        for entity in unnamed:
            self._recent.remove(entity)
        new = [row[0] for row in self._session.execute("SELECT id FROM entities WHERE id > ?", (self._last,))]
        whole = sorted({*new, *unnamed})
        names = dict(self._session.execute(_NAMED, (whole,)).fetchall())
        self._recent.insert(names, ((entity, normalise(name)) for entity, name in names.items()))
        of_whole = self._session.execute(_ALIASES.format("entity = ANY(?::INTEGER[])"), (whole,))
        self._recent.insert(names, (row for row in of_whole if row[0] in names))
        aliased = self._session.execute(_ALIASES.format("made > ?"), (since,)).fetchall()
        others = sorted({entity for entity, _ in aliased} - set(names))
        names = dict(self._session.execute(_NAMED, (others,)).fetchall())
        self._recent.insert(names, (row for row in aliased if row[0] in names))
        self._last = max([self._last, *new])
        self._seen = now

    def _read_state(self) -> _State | None:
        try:
            return _State(**json.loads((self._folder / "state.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _write_state(self, state: _State) -> None:
        with write_beside(self._folder / "state.json") as partial:
            partial.write_text(json.dumps(state._asdict()))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep the machine's other processes from changing the folder."""
        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _Recent:
    """Names in memory, found through the tables that the SQLite file has for those that came last."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for statement in schema.statements(schema.TABLES):
            self._connection.execute(statement)
        self._tables = NameTables(self._connection)
        self._filed: dict[int, set[str]] = {}

    def insert(self, names: dict[int, str], filed: Iterable[tuple[int, str]]) -> None:
        """File entities under normalised names."""
        for entity, normalised in filed:
            self._connection.execute("INSERT OR IGNORE INTO entities VALUES (?, ?)", (entity, names[entity]))
            self._tables.insert(entity, normalised)
            self._filed.setdefault(entity, set()).add(normalised)

    def remove(self, entity: int) -> None:
        """Take an entity out."""
        self._tables.remove(entity, sorted(self._filed.pop(entity, set())))
        self._connection.execute("DELETE FROM entities WHERE id = ?", (entity,))

    def near(self, normalised: str) -> list[Named]:
        """The entities that a misspelt name may mean."""
        return self._tables.near(normalised) if self._filed else []

    def frequency(self, word: str) -> int:
        """How many entities have a word."""
        return self._tables.frequency(word) if self._filed else 0

    def close(self) -> None:
        """Let go of the memory."""
        self._connection.close()
