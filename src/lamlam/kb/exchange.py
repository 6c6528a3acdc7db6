r"""Facts in and out of files: Parquet, CSV, and the peer's base (github: kilian-group/LMLM).

A table has the columns `entity` (or `subject`), `relation`, `value` (or `object`) and, where there are any, `source`,
`start`, `end`, `author`, `confidence`, `rank`, `valid_from` and `valid_to`.

The peer's base is one JSON object with `triplets`, or a Parquet file
whose column `triplets` holds all of them in one row. In it, entities are written with underscores (`Arsenal_F.C.`) and
with quotes escaped (`Destiny\'s Child`); both are undone on the way in.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb.fact import Fact

if TYPE_CHECKING:
    import pyarrow

COLUMNS = (
    *("entity", "relation", "value", "source", "start", "end", "author", "confidence", "rank"),
    *("valid_from", "valid_to"),
)
_OTHER_NAMES = {"subject": "entity", "object": "value"}
_ESCAPED_QUOTE = re.compile(r"\\(['\"\\])")
_ROWS = 65_536
_LOADED_ROWS = 1_000_000


def read_facts(path: str | Path) -> Iterator[Fact]:
    """The facts of a file, one after another; its suffix (.parquet, .csv, .json) says how it is read."""
    path = Path(path)
    match path.suffix.lower():
        case ".parquet":
            return _read_parquet(path)
        case ".csv":
            return _read_csv(path)
        case ".json":
            return _read_peer(path)
    raise LamlamError(f"{path}: facts are read from .parquet, .csv and .json (the peer's base); convert the file first")


def read_batches(path: str | Path) -> Iterator[pyarrow.RecordBatch]:
    """The facts of a file as Arrow batches for `KnowledgeBase.load`; a table in Parquet is not touched in Python."""
    import pyarrow
    import pyarrow.parquet

    path = Path(path)
    if path.suffix.lower() == ".parquet":
        with _readable(path), pyarrow.parquet.ParquetFile(path) as file:
            if "triplets" not in file.schema_arrow.names:
                columns = _columns(file.schema_arrow.names, path)
                for batch in file.iter_batches(batch_size=_LOADED_ROWS, columns=list(columns)):
                    yield batch.rename_columns([columns[name] for name in batch.schema.names])
                return
    facts = read_facts(path)
    rows = [_row(fact) for fact in islice(facts, _ROWS)]
    while rows:
        yield pyarrow.RecordBatch.from_pylist(rows, _schema())
        rows = [_row(fact) for fact in islice(facts, _ROWS)]


def write_facts(facts: Iterable[Fact], path: str | Path) -> int:
    """Write facts to a file, by its suffix (.parquet, .csv, .json for the peer's base); how many were written."""
    path = Path(path)
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".json": _write_peer}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise LamlamError(f"{path}: facts are written to .parquet, .csv and .json; give the file one of these suffixes")
    with write_beside(path) as partial:
        return writer(facts, partial)


def _read_parquet(path: Path) -> Iterator[Fact]:
    import pyarrow.parquet

    with _readable(path), pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if "triplets" in names:
            for batch in file.iter_batches(batch_size=1, columns=["triplets"]):
                # One row may hold millions: take them from the flat list, not from a Python list of lists.
                yield from _from_triplets(batch.column(0).flatten(), path)
            return
        columns = _columns(names, path)
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
            values = [batch.column(name).to_pylist() for name in columns]
            for row in zip(*values, strict=True):
                yield _fact(dict(zip(columns.values(), row, strict=True)), str(path))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what Arrow says of a file that is no Parquet into a line for the user."""
    import pyarrow

    try:
        yield
    except pyarrow.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{path} cannot be read as Parquet: {reason}; write or copy it again") from error


def _read_csv(path: Path) -> Iterator[Fact]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            columns = _columns(reader.fieldnames or (), path)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                cells = {column: row[name] for name, column in columns.items()}
                if None in row or None in cells.values():
                    raise LamlamError(f"{where}: not as many cells as the header has; quote cells that hold commas")
                optional = {column: cell or None for column, cell in cells.items() if column not in COLUMNS[:3]}
                yield _fact(cells | optional, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise LamlamError(
                f"{path}, line {reader.line_num + 1}: not CSV in UTF-8: {error}; mend that line"
            ) from error


def _read_peer(path: Path) -> Iterator[Fact]:
    try:
        base = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LamlamError(f"{path} cannot be read as JSON: {error}; write or copy it again") from error
    if not isinstance(base, dict) or not isinstance(base.get("triplets"), list):
        raise LamlamError(f"{path} is not the peer's base: no list `triplets`; documents go in with `lamlam kb build`")
    yield from _from_triplets(base["triplets"], path)


def _from_triplets(triplets: Iterable[Any], path: Path) -> Iterator[Fact]:
    for number, triplet in enumerate(triplets):
        parts = triplet if isinstance(triplet, list) else triplet.as_py() if hasattr(triplet, "as_py") else None
        if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(part, str) for part in parts):
            raise LamlamError(f"{path}: triplet {number} is not [entity, relation, value]: {parts!r:.80}; mend it")
        entity, relation, value = (_ESCAPED_QUOTE.sub(r"\1", part) for part in parts)
        yield Fact(entity.replace("_", " ").strip() or entity, relation, value)


def _columns(names: Iterable[str], path: Path) -> dict[str, str]:
    """The file's columns that are read, with the names under which they are."""
    columns = {name: _OTHER_NAMES.get(name, name) for name in names}
    columns = {name: column for name, column in columns.items() if column in COLUMNS}
    if missing := set(COLUMNS[:3]) - set(columns.values()):
        raise LamlamError(
            f"{path} has no column {' or '.join(sorted(missing))}; name the columns {', '.join(COLUMNS[:3])}"
        )
    if len(set(columns.values())) < len(columns):
        raise LamlamError(f"{path} has two columns for one thing among {', '.join(columns)}; leave one out")
    return columns


def _fact(cells: Mapping[str, Any], where: str) -> Fact:
    if not all(isinstance(cells[column], str) for column in COLUMNS[:3]):
        raise LamlamError(f"{where}: a fact without text in entity, relation or value: {dict(cells)!r:.120}; mend it")
    try:
        start, end, rank = (_number(cells.get(column), int) for column in ("start", "end", "rank"))
        confidence = _number(cells.get("confidence"), float)
    except ValueError as error:
        raise LamlamError(f"{where}: start, end, rank and confidence are numbers: {error}") from error
    span = None if start is None or end is None else (start, end)
    source, author = (None if cells.get(column) is None else str(cells[column]) for column in ("source", "author"))
    valid = (None if cells.get(column) is None else str(cells[column]) for column in ("valid_from", "valid_to"))
    return Fact(cells["entity"], cells["relation"], cells["value"], source, span, author, confidence, rank or 0, *valid)


def _number(cell: Any, kind: type) -> Any:
    return None if cell is None or (isinstance(cell, float) and math.isnan(cell)) else kind(cell)


def _row(fact: Fact) -> dict[str, Any]:
    start, end = fact.span or (None, None)
    evidence = fact.source, start, end, fact.author, fact.confidence
    values = fact.entity, fact.relation, fact.value, *evidence, fact.rank, fact.valid_from, fact.valid_to
    return dict(zip(COLUMNS, values, strict=True))


def _write_csv(facts: Iterable[Fact], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for fact in facts:
            writer.writerow(_row(fact))
            count += 1
    return count


def _write_parquet(facts: Iterable[Fact], path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    schema = _schema()
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for fact in facts:
            rows.append(_row(fact))
            count += 1
            if len(rows) == _ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return count


def _write_peer(facts: Iterable[Fact], path: Path) -> int:
    triplets = [[fact.entity, fact.relation, fact.value] for fact in facts]
    base = {
        name: list(dict.fromkeys(triplet[part] for triplet in triplets))
        for part, name in enumerate(("entities", "relationships", "return_values"))
    }
    path.write_text(json.dumps({**base, "triplets": triplets}, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(triplets)


def _schema() -> pyarrow.Schema:
    import pyarrow

    text, number = pyarrow.string(), pyarrow.int64()
    types = (text, text, text, text, number, number, text, pyarrow.float64(), number, text, text)
    return pyarrow.schema(list(zip(COLUMNS, types, strict=True)))
