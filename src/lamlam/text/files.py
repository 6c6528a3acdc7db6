"""Files of documents: Parquet, JSONL, text and the peer's corpus, one document at a time.

Nothing here holds more than a batch of documents, so a corpus larger than memory passes through. The one exception is
the peer's corpus file, a single JSON object (`lamlam.text.peer`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.text.document import Document
from lamlam.text.forms import Form
from lamlam.text.peer import PeerReport, read_peer, write_peer
from lamlam.text.records import decode, from_json, from_record, refuse_surrogates, to_json, to_record, to_rendering

if TYPE_CHECKING:
    import pyarrow

READABLE = (".parquet", ".jsonl", ".json", ".txt")

_ROWS_PER_BATCH = 1024
_ROWS_PER_GROUP = 8192
_CHARACTERS_PER_GROUP = 16_000_000


def read_documents(path: str | Path, report: PeerReport | None = None) -> Iterator[Document]:
    """The documents of a file, or of every such file in a folder, in name order.

    - `.parquet`, `.jsonl`: ours (`id`, `text`, `calls`, `meta`), or raw text: `text` and, if there, `id` and `title`,
      which goes into `meta["title"]`. A row without an id is called `file/number`. JSONL may also hold renderings.
    - `.json`: the peer's corpus; its calls that cannot be read are left out and counted in `report`, if one is given.
    - `.txt`: one document, whose id is the file's name without its ending.

    Raises `LamlamError`, while iterating, where a file is missing, empty, broken or of another kind, saying which file
    and line or row. An empty `.txt` is a document without text.
    """
    path = Path(path)
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.suffix in READABLE and not file.name.startswith(".")]
        if not files:
            raise LamlamError(f"{path}: no {', '.join(READABLE)} file in this folder")
        for file in files:
            yield from read_documents(file, report)
        return
    if path.suffix not in READABLE:
        raise LamlamError(f"{path}: unknown ending; documents are read from {', '.join(READABLE)} or a folder")
    try:
        path.open("rb").close()
    except OSError as error:
        raise LamlamError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix == ".txt":
        yield Document(path.stem, decode(path.read_bytes(), str(path)))
        return
    if path.stat().st_size == 0:
        raise LamlamError(f"{path}: the file is empty; there are no documents in it")
    match path.suffix:
        case ".parquet":
            yield from _read_parquet(path)
        case ".jsonl":
            yield from _read_jsonl(path)
        case ".json":
            yield from read_peer(path, report)


def write_documents(documents: Iterable[Document], path: str | Path) -> int:
    """Write documents to `.parquet`, `.jsonl`, or `.json` (the peer's corpus), and return how many they were.

    The file is written beside and renamed: on an error or Ctrl-C nothing new is left, and an old file stays.
    Raises `LamlamError` for another ending, and for a document that UTF-8 or JSON cannot hold.
    """
    path = Path(path)
    writers: dict[str, Callable[[Iterable[Document], Path], int]] = {
        ".parquet": _write_parquet,
        ".jsonl": _write_jsonl,
        ".json": write_peer,
    }
    if path.suffix not in writers:
        raise LamlamError(f"{path}: unknown ending; documents are written to {', '.join(writers)}")
    return writers[path.suffix](documents, path)


def write_renderings(documents: Iterable[Document], path: str | Path, form: Form) -> int:
    """Write documents rendered in `form` to `.jsonl` (`id`, `text`, `form`, `meta`), and return how many they were.

    `read_documents` reads such a file back. Raises `LamlamError` for another ending.
    """
    path = Path(path)
    if path.suffix != ".jsonl":
        raise LamlamError(f"{path}: unknown ending; rendered text is written to .jsonl")
    return _write_lines(((document.id, to_rendering(document, form)) for document in documents), path)


def _read_jsonl(path: Path) -> Iterator[Document]:
    with path.open("rb") as file:  # binary: only "\n" ends a line, not the other separators that Unicode knows
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            record = from_json(decode(line.strip(), where), where)
            yield from_record(record, where, f"{path.stem}/{number}")


def _read_parquet(path: Path) -> Iterator[Document]:
    import pyarrow
    import pyarrow.parquet

    try:
        # Without pre-buffering, a file of one huge row group is read page by page too.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            columns = [name for name in ("id", "text", "title", "calls", "meta") if name in file.schema_arrow.names]
            if "text" not in columns:
                raise LamlamError(f"{path}: no column 'text'; its columns are {', '.join(file.schema_arrow.names)}")
            row = 0
            for batch in file.iter_batches(_ROWS_PER_BATCH, columns=columns):
                for record in batch.to_pylist():
                    row += 1
                    where = f"{path}, row {row}"
                    if "calls" in record:
                        record["calls"] = record["calls"] or []
                        record["meta"] = from_json(record.get("meta") or "{}", f"{where}, meta")
                    yield from_record(record, where, f"{path.stem}/{row}")
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{path}: not a whole Parquet file ({reason}); make or fetch it again") from error


def _write_jsonl(documents: Iterable[Document], path: Path) -> int:
    return _write_lines(((document.id, to_record(document)) for document in documents), path)


def _write_lines(records: Iterable[tuple[str, dict[str, Any]]], path: Path) -> int:
    count = 0
    with write_beside(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        for id, record in records:
            file.write(to_json(record, id) + "\n")
            count += 1
    return count


def _write_parquet(documents: Iterable[Document], path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    schema = _parquet_schema()
    count = 0
    with (
        write_beside(path) as partial,
        pyarrow.parquet.ParquetWriter(partial, schema, compression="zstd") as writer,
    ):
        for group in _row_groups(documents):
            writer.write_table(pyarrow.Table.from_pylist(group, schema), row_group_size=len(group))
            count += len(group)
    return count


def _row_groups(documents: Iterable[Document]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    characters = 0
    for document in documents:
        record = to_record(document)
        record["meta"] = to_json(record["meta"], document.id)
        for string in (document.id, document.text, *(part for call in document.calls for part in call.lookup)):
            refuse_surrogates(string, document.id)
        group.append(record)
        characters += len(document.text)
        if len(group) == _ROWS_PER_GROUP or characters >= _CHARACTERS_PER_GROUP:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _parquet_schema() -> pyarrow.Schema:
    import pyarrow

    offset, string = pyarrow.int64(), pyarrow.string()
    call = [("at", offset), ("entity", string), ("relation", string), ("value", string)]
    call += [("start", offset), ("end", offset)]
    calls = pyarrow.list_(pyarrow.struct(call))
    return pyarrow.schema([("id", string), ("text", string), ("calls", calls), ("meta", string)])
