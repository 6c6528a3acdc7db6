"""Questions: a text cut off before a value; and files of them.

A file is Parquet or JSONL with `prompt`, `value` and, if there, `entity`, `relation`, `answers` (other values that are
right as well), `group` (what results are broken down by, else the relation) and `seen` (how often training text states
the fact). The public benchmarks are read by `lamlam.evaluate.benchmarks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from lamlam.errors import LamlamError
from lamlam.text.records import decode, from_json

_TEXTS = ("prompt", "value", "entity", "relation", "group")


class AnyQuestion(Protocol):
    """What every measurement needs of a question: `prompt` goes on, rightly, with white space and `value`.

    `entity` and `relation` name the fact asked for, as the base has it; None where that is not known.
    """

    @property
    def prompt(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> str: ...  # noqa: D102
    @property
    def entity(self) -> str | None: ...  # noqa: D102
    @property
    def relation(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Question:
    """A question as files hold it."""

    prompt: str
    value: str
    entity: str | None = None
    relation: str | None = None
    answers: tuple[str, ...] = ()
    group: str | None = None
    seen: int | None = None


def accepted(question: AnyQuestion) -> tuple[str, ...]:
    """All values that are right: the question's own first."""
    return (question.value, *getattr(question, "answers", ()))


def group_of(question: AnyQuestion) -> str | None:
    """What the question is counted under in breakdowns."""
    return getattr(question, "group", None) or question.relation


def check_questions(questions: Sequence[AnyQuestion], split: str) -> None:
    """LamlamError where there is no question, or one has no value."""
    if not questions:
        raise LamlamError(f"{split}: no questions to ask; give at least one")
    for number, question in enumerate(questions, start=1):
        if not question.value.strip():
            raise LamlamError(f"{split}, question {number} has no value ({question.prompt[:80]!r}); give it one")


def read_questions(path: str | Path, limit: int | None = None) -> list[Question]:
    """The questions of a file, or its first `limit`. Other columns are ignored.

    LamlamError, naming file and line or row, where the file is missing, broken, of another kind or without questions,
    or a question has no prompt or no value.
    """
    questions = [_question(row, where) for row, where in islice(_numbered(path), limit)]
    if not questions:
        raise LamlamError(f"{path}: there are no questions in it; each needs a prompt and a value")
    return questions


def read_rows(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) of a Parquet or JSONL file in which every row has `columns`, each of them not null.

    LamlamError, naming file and line or row, where the file is missing, broken or of another kind.
    """
    for row, where in _numbered(path):
        missing = [name for name in columns if not isinstance(row, dict) or row.get(name) is None]
        if missing:
            raise LamlamError(f"{where}: no {', '.join(missing)}; each row needs {', '.join(columns)}")
        yield where, row


def _numbered(path: str | Path) -> Iterator[tuple[Any, str]]:
    path = Path(path)
    readers = {".parquet": _parquet_rows, ".jsonl": _jsonl_rows}
    if path.suffix not in readers:
        raise LamlamError(f"{path}: unknown ending; questions are read from {' or '.join(readers)}")
    if not path.is_file():
        raise LamlamError(f"{path}: no such file; give a file of questions")
    for where, row in readers[path.suffix](path):
        yield row, where


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
            row = 0
            for batch in file.iter_batches():
                for record in batch.to_pylist():
                    row += 1
                    yield f"{path}, row {row}", record
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{path}: not a whole Parquet file ({reason}); make or fetch it again") from error


def _question(row: Any, where: str) -> Question:
    if not isinstance(row, dict):
        raise LamlamError(f"{where}: not an object with the fields prompt and value")
    fields: dict[str, Any] = {name: row.get(name) for name in _TEXTS}
    for name, field in fields.items():
        if field is None and name not in ("prompt", "value"):
            continue
        if not isinstance(field, str) or (name == "value" and not field.strip()):
            raise LamlamError(f"{where}: {name!r} is {field!r}, which is no text; mend or drop the question")
    answers = row.get("answers") or ()
    if not isinstance(answers, list | tuple) or not all(isinstance(one, str) and one.strip() for one in answers):
        raise LamlamError(f"{where}: 'answers' is {answers!r}, which is no list of texts; mend or drop the question")
    seen = row.get("seen")
    if seen is not None and (not isinstance(seen, int) or seen < 0):
        raise LamlamError(f"{where}: 'seen' is {seen!r}, which is no number of times; mend or drop the question")
    return Question(**fields, answers=tuple(answers), seen=seen)
