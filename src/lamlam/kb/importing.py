"""Files of facts into a base, from a place that is kept: killed at any moment, the same command goes on from there.

Into a base that is not there yet, the parts that were read are kept as Parquet in a folder beside it until they are
loaded at once, the fast way; the base is there when it is whole. A base that is there takes each part as a transaction,
and only the place is kept: to put a part in twice changes nothing. Either way the end is the same as without a stop.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from lamlam.atomic import sync, write_beside
from lamlam.errors import LamlamError, Stopped
from lamlam.kb.base import KnowledgeBase
from lamlam.kb.beside import empty_log, remove_beside
from lamlam.kb.exchange.formats import Format, format_of, learned, read_parts
from lamlam.kb.exchange.labels import Labels
from lamlam.kb.exchange.rows import START, Part, Place, Skipped, nothing_read
from lamlam.kb.fact import Added
from lamlam.kb.names import unusable

_ALIASES = 50_000  # given in one transaction

Tell = Callable[[str, int], None]
"""Called as work goes on with what is done ("rows read", say) and how much of it so far."""


class Imported(NamedTuple):
    """What became of a file: facts that were new, those known or refused, new aliases, rows that cannot be facts."""

    added: Added
    aliases: int
    skipped: Skipped


def import_file(
    file: Path,
    base: str | Path,
    author: str | None = None,
    reason: str | None = None,
    force: bool = False,
    language: str = "en",
    tell: Tell = lambda what, count: None,
) -> Imported:
    """Put the facts of a file, or a folder of documents, into a base, which is made if there is none.

    `language` chooses among the labels and texts of N-Triples and Wikidata. Raises `LamlamError` where the file cannot
    be read or not one row of it is a fact; what has been put in before that stays.
    """
    if not file.exists():
        raise LamlamError(f"there is no file {file} to import")
    of = format_of(file)
    if "://" in str(base):
        return _into_server(file, of, str(base), author, reason, force, language, tell)
    path = Path(base)
    if path.is_dir():
        raise LamlamError(f"{path} is a folder; name a file in it, such as {path / 'facts.db'}")
    with _work(path.with_name(f".{path.name}.import"), file, language) as work:
        labels = _labels(file, of, Labels(work.folder / "labels.db"), language, tell) if of.labelled else None
        parts = read_parts(file, of, work.skipped, work.place, labels, language)
        if path.exists():
            with KnowledgeBase.open(path) as kb:
                for batch in work.kept():  # of an import that began before there was a base
                    kb.add_batch(batch, author, reason, force)
                for part in parts:
                    work.done(part, kb.add_batch(part.batch, author, reason, force))
                    tell("rows put in", sum((work.added, work.added.known, work.added.refused)))
                aliases = _give_aliases(kb, labels, author, reason) if labels else 0
            added = work.added
        else:
            added, aliases = _load(work, path, of, parts, labels, author, reason, tell)
        if work.skipped.total and not (added or added.known or added.refused):
            raise nothing_read(file, work.skipped)
        if labels:
            labels.close()
        work.remove()
    return Imported(added, aliases, work.skipped)


def build(
    documents: Path,
    base: Path,
    author: str | None = None,
    reason: str | None = None,
    tell: Tell = lambda what, count: None,
) -> Imported:
    """Make a base of the calls of documents; one that was there is replaced at the end, with what lies beside it."""
    skipped = Skipped()
    parts = read_parts(documents, Format.DOCUMENTS, skipped)
    with write_beside(base) as partial:
        try:
            with KnowledgeBase.open(partial, create=True) as kb:
                added = kb.load(_told((part.batch for part in parts), tell), author, reason)
            empty_log(base)
        finally:
            remove_beside(partial)
    remove_beside(base)
    with KnowledgeBase.open(base) as kb:
        tell("indexing the names", 0)
        kb.index_names()
    return Imported(added, 0, skipped)


def _load(
    work: _Work,
    path: Path,
    of: Format,
    parts: Iterator[Part],
    labels: Labels | None,
    author: str | None,
    reason: str | None,
    tell: Tell,
) -> tuple[Added, int]:
    """Into a new base, which is put in its place when it is whole."""
    new = work.folder / "new.db"
    new.unlink(missing_ok=True)  # of a run that was stopped
    remove_beside(new)

    def batches() -> Iterator[pyarrow.RecordBatch]:
        yield from work.kept()
        for part in parts:
            # A table in Parquet is read again as fast as a copy of it.
            if of not in (Format.PARQUET, Format.PEER_PARQUET):
                work.done(part)
            yield part.batch

    with KnowledgeBase.open(new, create=True) as kb:
        added = kb.load(_told(batches(), tell), author, reason)
        if work.skipped.total and not added:
            raise nothing_read(path, work.skipped)
        aliases = _give_aliases(kb, labels, author, reason) if labels else 0
    sync(new)
    new.replace(path)
    with KnowledgeBase.open(path) as kb:
        tell("indexing the names", 0)
        kb.index_names()
    return added, aliases


def _into_server(
    file: Path, of: Format, url: str, author: str | None, reason: str | None, force: bool, language: str, tell: Tell
) -> Imported:
    """Into a base that has no place beside it: one that was stopped is begun again, which changes nothing twice."""
    skipped = Skipped()
    with KnowledgeBase.open(url, create=True) as kb:
        labels = _labels(file, of, Labels(), language, tell) if of.labelled else None
        batches = _told((part.batch for part in read_parts(file, of, skipped, START, labels, language)), tell)
        if kb.stats()["transactions"]:
            counts = [kb.add_batch(batch, author, reason, force) for batch in batches]
            added = Added(sum(counts), sum(one.known for one in counts), sum(one.refused for one in counts))
        else:
            added = kb.load(batches, author, reason)
        aliases = _give_aliases(kb, labels, author, reason) if labels else 0
    if skipped.total and not (added or added.known or added.refused):
        raise nothing_read(file, skipped)
    return Imported(added, aliases, skipped)


def _labels(file: Path, of: Format, labels: Labels, language: str, tell: Tell) -> Labels:
    tell("learning what things are called", 0)
    return learned(file, of, labels, language)


def _give_aliases(kb: KnowledgeBase, labels: Labels, author: str | None, reason: str | None) -> int:
    """Give entities their other names, but for those that were forgotten as names; how many are new."""
    given = ((alias, name) for alias, name in labels.aliases() if unusable(alias) is None and name in kb)
    added = 0
    while some := list(islice(given, _ALIASES)):
        try:
            added += kb.add_aliases(some, author, reason)
        except LamlamError:  # one of them was forgotten
            for one in some:
                with suppress(LamlamError):
                    added += kb.add_aliases([one], author, reason)
    return added


def _told(batches: Iterable[pyarrow.RecordBatch], tell: Tell) -> Iterator[pyarrow.RecordBatch]:
    """Batches, telling how many rows have been read."""
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        tell("rows read", rows)
        yield batch
    tell("writing the base", rows)


class _Work:
    """The folder in which an import keeps what it needs to go on: `state.json`, parts, labels."""

    def __init__(self, folder: Path, file: Path, language: str) -> None:
        self.folder = folder
        status = file.stat()
        about = {
            "file": str(file.resolve()),
            "bytes": status.st_size,
            "changed": status.st_mtime_ns,
            "language": language,
        }
        self._state: dict[str, Any] = {
            "about": about,
            "place": START,
            "parts": 0,
            "rows": 0,
            "counts": [0, 0, 0],
            "skipped": {},
        }
        folder.mkdir(exist_ok=True)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise LamlamError(f"another import works in {folder}; wait until it is done") from error
        before = _read_json(folder / "state.json")
        if before.get("about") == about:
            self._state = before
        else:  # of another file, or of this one as it was: begun anew
            for other in folder.iterdir():
                if other.name != "lock":
                    other.unlink()
        self.skipped = Skipped(**self._state["skipped"])

    @property
    def place(self) -> Place:
        """After which place of the file to go on."""
        offset, number = self._state["place"]
        return offset, number

    @property
    def rows(self) -> int:
        """How many rows have been put in or kept."""
        rows: int = self._state["rows"]
        return rows

    @property
    def added(self) -> Added:
        """What has been put in so far."""
        return Added(*self._state["counts"])

    def done(self, part: Part, added: Added | None = None) -> None:
        """A part has been put in, or else is to be kept until all are loaded."""
        state = self._state
        if added is None:
            pyarrow.parquet.write_table(pyarrow.table(part.batch), self._part(state["parts"]))
            state["parts"] += 1
        else:
            state["counts"] = [a + b for a, b in zip(state["counts"], (added, added.known, added.refused), strict=True)]
        state["rows"] += part.batch.num_rows
        state |= {"place": part.after, "skipped": asdict(self.skipped)}
        new = self.folder / "state.json.new"
        new.write_text(json.dumps(state))
        new.replace(self.folder / "state.json")

    def kept(self) -> Iterator[pyarrow.RecordBatch]:
        """The parts that were read before."""
        for number in range(self._state["parts"]):
            yield from pyarrow.parquet.read_table(self._part(number)).to_batches()

    def remove(self) -> None:
        """All is done."""
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Let others work here."""
        self._lock.close()

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.parquet"


@contextmanager
def _work(folder: Path, file: Path, language: str) -> Iterator[_Work]:
    """The folder of an import. After a failure it stays only where there is something to go on with."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = _Work(folder, file, language)
    try:
        yield work
    except LamlamError:
        if not work.rows:
            work.remove()
        raise
    except KeyboardInterrupt:
        raise Stopped("interrupted; the same command goes on where it was") from None
    finally:
        work.close()


def _read_json(path: Path) -> dict[str, Any]:
    """What a former run left; nothing where it left nothing whole."""
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
