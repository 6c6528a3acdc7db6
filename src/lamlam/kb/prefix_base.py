"""The prefix indexes of a base: one folder a tokenizer, beside the base's file, each at the base's last transaction.

Nobody who edits a base has to know of them. Who reads one catches up with what the base has changed since, by the
number of the last transaction that the index has seen. Forgetting is the exception: it overwrites what it removes in
all folders before it returns. A folder that saw neither (on another machine, say) is not asked again but made anew, or
removed when the base is next opened.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lamlam.errors import LamlamError
from lamlam.kb import prefix_names
from lamlam.kb.prefix_files import TOKENIZER, Encode, encoded, locked, read_meta, write
from lamlam.kb.prefix_index import Left, PrefixIndex, Stamp
from lamlam.kb.store import Selection, Store

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_UNFINISHED = re.compile(r"\.(.+)\.\d+\.(partial|old)")
_ALIASES_AT_ONCE = 1000


class QueryTokenizer(Protocol):
    """What an index needs of a tokenizer (`lamlam.model.LookupTokenizer` has it)."""

    @property
    def pieces(self) -> Tokenizer:
        """What encodes text that follows other tokens."""

    @property
    def lookup_ids(self) -> tuple[int, int, int, int]:
        """The four tokens of a call."""

    def fingerprint(self) -> str:
        """What tells the tokenizer from all others."""


class BasePrefixIndex(PrefixIndex):
    """The prefix index of a base, made if there is none; `refresh` has it say what the base says now."""

    def __init__(self, store: Store, tokenizer: QueryTokenizer) -> None:
        self._store, self._pieces, self._name = store, tokenizer.pieces, tokenizer.fingerprint()
        with store.tables() as connection:
            self._base = prefix_names.identity(connection)
        beginning = _beginnings(store, self._base)[0]
        folder = beginning.with_name(beginning.name + self._name)
        _, relation, ret, _ = tokenizer.lookup_ids
        with locked(folder):
            meta = read_meta(folder)
            if meta is None or meta.get("base") != self._base:
                self._make(folder)
        try:
            super().__init__(folder, encoder(self._pieces), (relation, ret), self._name)
        except LamlamError:  # damaged
            with locked(folder):
                self._make(folder)
            super().__init__(folder, encoder(self._pieces), (relation, ret), self._name)
        self.refresh()

    def refresh(self) -> bool:
        """Have the index say what the base says. True where its files are new: then all nodes are void.

        Where nothing has changed, this is a look at a file's time and one question to the base: some 10 µs.
        """
        with self._lock:
            # What others may have appended is of the same moment then, and says the same.
            if self._files() == self._loaded and self._is_current():
                return False
            renewed = super().refresh()
            if self._is_current():
                return renewed
            # Under the lock what the base says is read and written down; who forgets waits, and then wipes it.
            with locked(self._folder):
                renewed |= self._catch_up()
                if not self._append_changes():
                    self._make(self._folder)
                    self._load()
                    return True
        return renewed

    def _is_current(self) -> bool:
        """Whether the index has seen the base's last transaction."""
        with self._store.tables() as connection:
            return prefix_names.moment(connection) == self.stamp

    def _append_changes(self) -> bool:
        """Write down what has changed in the base; False where the index is to be made anew instead."""
        if len(self._changed) > max(prefix_names.MOST_TOUCHED, self._entities.size // 20):
            return False
        with self._store.tables() as connection:
            now = prefix_names.moment(connection)
            if prefix_names.untold(connection, self.stamp):
                return False
            names = prefix_names.touched(connection, self.stamp)
            if names is None:
                return False
            changed = list(prefix_names.with_relations(connection, names))
        self._append(changed, now)
        return True

    def _make(self, folder: Path) -> None:
        """Build the files from the base, in the lock of the folder."""
        with self._store.tables() as connection:
            now = prefix_names.moment(connection)
        _clear(folder)
        meta = {"fingerprint": self._name, "base": self._base, "stamp": now}
        try:
            write(encoded(_entries(self._store), encoder(self._pieces)), folder, meta, self._pieces.to_str())
        except OSError as error:
            raise LamlamError(f"the prefix index {folder} cannot be written: {error.strerror}") from error


def encoder(pieces: Tokenizer) -> Encode:
    """Names to token ids, as they stand in a call."""

    def encode(names: Sequence[str]) -> list[list[int]]:
        batch = pieces.encode_batch_fast([f" {name}" for name in names], add_special_tokens=False)
        return [one.ids for one in batch]

    return encode


def wiping(store: Store, what: Selection) -> Callable[[], None]:
    """To be asked before what is selected is forgotten, and what it gives be called after: wipes all indexes of it."""
    with store.tables() as connection:
        base = prefix_names.identity(connection)
        folders = _folders(store, base)
        names, relations = prefix_names.forgetting(connection, what) if folders else ([], [])

    def left(stamp: Stamp) -> Left | None:
        with store.tables() as connection:
            changed = prefix_names.touched(connection, stamp)
            if changed is None or prefix_names.untold(connection, stamp, forgotten=1):
                return None
            now = prefix_names.moment(connection)
            entries = list(prefix_names.with_relations(connection, sorted({*changed, *names})))
            there = set(prefix_names.relation_names(connection).values())
        return entries, [relation for relation in relations if relation not in there], now

    def wipe() -> None:
        for folder in folders:
            if not _wiped(folder, base, left):
                _remove(folder)

    return wipe


def tidy(store: Store) -> None:
    """Remove the indexes that may hold what has been forgotten, by others or in a process that was killed."""
    with store.tables() as connection:
        base = prefix_names.identity(connection)
    for folder in _folders(store, base):
        try:
            stamp = PrefixIndex(folder, _nothing, (-1, -1), _meta(folder, base)["fingerprint"]).stamp
            with store.tables() as connection:
                if not prefix_names.untold(connection, stamp):
                    continue
        except LamlamError:
            pass
        _remove(folder)


def _wiped(folder: Path, base: str, left: Callable[[Stamp], Left | None]) -> bool:
    """Wipe one folder; False where it is of no use any more."""
    # Here, because forgetting without an index needs no tokenizer.
    from tokenizers import Tokenizer

    try:
        meta = _meta(folder, base)
        pieces = Tokenizer.from_file(str(folder / TOKENIZER))
        pieces.encode_special_tokens = True
        return PrefixIndex(folder, encoder(pieces), (-1, -1), meta["fingerprint"]).wipe(left)
    except Exception:  # tokenizers raises plain ones; whatever it is, a folder that cannot be wiped has to go
        return False


def _meta(folder: Path, base: str) -> dict[str, Any]:
    meta = read_meta(folder)
    if meta is None or meta.get("base") != base:
        raise LamlamError(f"the prefix index {folder} is another base's or another version's")
    return meta


def _nothing(names: Sequence[str]) -> list[list[int]]:
    return [[] for _ in names]


def _entries(store: Store) -> Iterator[tuple[str, list[str]]]:
    """All names of the base with their relations, a page at a time, so that nobody waits long for the tables."""
    with store.tables() as connection:
        relations = prefix_names.relation_names(connection)
        aliases = prefix_names.aliases(connection)
    after = -1
    while after:
        with store.tables() as connection:
            after, found = prefix_names.page(connection, max(after, 0), relations)
        yield from found
    for first in range(0, len(aliases), _ALIASES_AT_ONCE):
        with store.tables() as connection:
            found = list(prefix_names.with_relations(connection, aliases[first : first + _ALIASES_AT_ONCE]))
        yield from found


def _beginnings(store: Store, base: str) -> list[Path]:
    """What the paths of the base's indexes begin with, up to the tokenizer's fingerprint; new ones by the first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamlam" / "prefix" / f"{base}-"
    file = store.file
    if file is None:
        return [cache]
    beside = file.with_name(f"{file.name}.prefix-")
    return [beside, cache] if os.access(file.parent, os.W_OK) else [cache, beside]


def _folders(store: Store, base: str) -> list[Path]:
    """The folders of the base's indexes, those that a killed process left unfinished included."""
    found = set()
    for beginning in _beginnings(store, base):
        for path in beginning.parent.iterdir() if beginning.parent.is_dir() else ():
            unfinished = _UNFINISHED.fullmatch(path.name)
            name = unfinished[1] if unfinished else path.name
            if name.startswith(beginning.name) and path.is_dir():
                found.add(path.with_name(name))
    return sorted(found)


def _clear(folder: Path) -> None:
    """Remove, in the lock of the folder, what a killed process has left beside it."""
    for path in folder.parent.iterdir() if folder.parent.is_dir() else ():
        unfinished = _UNFINISHED.fullmatch(path.name)
        if unfinished and unfinished[1] == folder.name:
            shutil.rmtree(path)


def _remove(folder: Path) -> None:
    with locked(folder):
        _clear(folder)
        if folder.exists():
            shutil.rmtree(folder)
