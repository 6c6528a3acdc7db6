"""Files of completion questions: Parquet or JSONL with `prompt`, `value` and, if there, `entity` and `relation`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lamlam.errors import LamlamError
from lamlam.evaluate.completion import Question
from lamlam.text.records import decode, from_json

_COLUMNS = ("prompt", "value", "entity", "relation")


def read_questions(path: str | Path, limit: int | None = None) -> list[Question]:
    """The questions of a file, or its first `limit`. Other columns are ignored.

    LamlamError, naming file and line or row, where the file is missing, broken, of another kind or without questions,
    or a question has no prompt or no value.
    """
    path = Path(path)
    readers = {".parquet": _parquet_rows, ".jsonl": _jsonl_rows}
    if path.suffix not in readers:
        raise LamlamError(f"{path}: unknown ending; questions are read from {' or '.join(readers)}")
    if not path.is_file():
        raise LamlamError(f"{path}: no such file; give a file of questions")
    rows = readers[path.suffix](path)
    questions = [_question(row, where) for where, row in islice(rows, limit)]
    if not questions:
        raise LamlamError(f"{path}: there are no questions in it; each needs a prompt and a value")
    return questions


def _jsonl_rows(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                where = f"{path}, line {number}"
                yield where, from_json(decode(line.strip(), where), where)


def _parquet_rows(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
            row = 0
            for batch in file.iter_batches(columns=columns):
                for record in batch.to_pylist():
                    row += 1
                    yield f"{path}, row {row}", record
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{path}: not a whole Parquet file ({reason}); make or fetch it again") from error


def _question(row: Any, where: str) -> Question:
    if not isinstance(row, dict):
        raise LamlamError(f"{where}: not an object with the fields prompt and value")
    fields: dict[str, Any] = {name: row.get(name) for name in _COLUMNS}
    for name, field in fields.items():
        if field is None and name in ("entity", "relation"):
            continue
        if not isinstance(field, str) or (name == "value" and not field.strip()):
            raise LamlamError(f"{where}: {name!r} is {field!r}, which is no text; mend or drop the question")
    return Question(**fields)
