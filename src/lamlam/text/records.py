"""A document as one JSON object, the shape that Parquet rows and JSONL lines share.

    {"id": …, "text": …, "calls": [{"at", "entity", "relation", "value", "start", "end"}, …], "meta": {…}}

`start` and `end` are null where the text never mentions the value. Two other shapes are read: a rendering, which
names its form (`{"id", "text", "form": "written" | "tokens" | "plain", "meta"}`), and raw text (`text` and, if there,
`id` and `title`, every other field ignored).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lamlam.errors import LamlamError
from lamlam.text.document import Call, Document, Lookup
from lamlam.text.forms import Form, parse, render

FORMS: tuple[Form, ...] = ("written", "tokens", "plain")
CALL_FIELDS = ("at", "entity", "relation", "value", "start", "end")


def to_record(document: Document) -> dict[str, Any]:
    """The document with its calls beside its text."""
    calls = [
        dict(zip(CALL_FIELDS, (call.at, *call.lookup, *(call.span or (None, None))), strict=True))
        for call in document.calls
    ]
    return {"id": document.id, "text": document.text, "calls": calls, "meta": dict(document.meta)}


def to_rendering(document: Document, form: Form) -> dict[str, Any]:
    """The document rendered in `form`, which the record names so that it can be read back."""
    return {"id": document.id, "text": render(document, form), "form": form, "meta": dict(document.meta)}


def from_record(record: Any, where: str, default_id: str) -> Document:
    """The document in a record of any of the three shapes; `where` (file and line or row) goes into the errors.

    Raises `LamlamError` where a field is missing, of the wrong type, or a call points outside the text, and
    `MalformedCall` where a rendering cannot be parsed.
    """
    if not isinstance(record, Mapping):
        raise LamlamError(f"{where}: not an object with the field 'text'")
    text = record.get("text")
    if not isinstance(text, str):
        state = "is missing" if "text" not in record else "is not a string"
        raise LamlamError(f"{where}: the field 'text' {state}; every document needs one")
    id = default_id if record.get("id") is None else str(record["id"])
    if record.get("calls") is not None:
        try:
            return Document(id, text, tuple(_call(call) for call in record["calls"]), _meta(record, where))
        except (TypeError, KeyError):
            message = f"{where}: 'calls' has to be a list of {{{', '.join(CALL_FIELDS)}}}; start and end may be null"
            raise LamlamError(message) from None
        except ValueError as error:
            raise LamlamError(f"{where}: {error}; mend or drop that call") from None
    if record.get("form") in FORMS:
        parsed = parse(text, record["form"], id=id, source=where)
        return Document(id, parsed.text, parsed.calls, _meta(record, where))
    title = record.get("title")
    return Document(id, text, (), {} if title is None else {"title": title})


def decode(data: bytes, where: str) -> str:
    """UTF-8 as a string, without a byte order mark; raises `LamlamError`, starting with `where`, for other bytes."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LamlamError(f"{where}: not UTF-8 (byte {error.start}); convert it to UTF-8 first") from None


def from_json(string: str, where: str) -> Any:
    """What the JSON holds; raises `LamlamError`, starting with `where`, for JSON that is broken or out of bounds."""
    try:
        return json.loads(string)
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise LamlamError(f"{where}: broken JSON at {place}: {error.msg}; is it cut off?") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        raise LamlamError(f"{where}: JSON that cannot be read: {error}") from None


def to_json(record: Mapping[str, Any], id: str, indent: int | None = None) -> str:
    """The record as JSON that can be encoded in UTF-8, non-ASCII characters as they are.

    Raises `LamlamError`, naming the document, where `meta` holds what JSON cannot, or a string half a character.
    """
    try:
        line = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=indent)
    except (TypeError, ValueError) as error:
        raise LamlamError(f"document {id!r}: its meta cannot be written as JSON: {error}") from None
    refuse_surrogates(line, id)
    return line


def refuse_surrogates(string: str, id: str) -> None:
    r"""Raise `LamlamError` where the string holds a lone surrogate (`\ud800`), which no UTF-8 file can hold."""
    try:
        string.encode("utf-8")
    except UnicodeEncodeError as error:
        excerpt = string[max(0, error.start - 20) : error.start]
        message = f"document {id!r}: half a character ({string[error.start]!r}) after {excerpt!r}; mend its encoding"
        raise LamlamError(message) from None


def _call(record: Mapping[str, Any]) -> Call:
    at, entity, relation, value, start, end = (record[name] for name in CALL_FIELDS)
    offsets = (at,) if start is None and end is None else (at, start, end)
    if not all(type(offset) is int for offset in offsets):
        raise TypeError
    if not all(isinstance(part, str) for part in (entity, relation, value)):
        raise TypeError
    return Call(at, Lookup(entity, relation, value), None if len(offsets) == 1 else (start, end))


def _meta(record: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    meta = record.get("meta")
    if meta is None:
        return {}
    if not isinstance(meta, Mapping):
        raise LamlamError(f"{where}: 'meta' has to be an object")
    return meta
