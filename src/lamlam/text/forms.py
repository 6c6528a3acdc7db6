"""`render` and `parse`: the three forms of a document by name."""

from __future__ import annotations

from typing import Literal

from lamlam.text.document import Document
from lamlam.text.tokens import parse_tokens, render_tokens
from lamlam.text.written import parse_written, render_written

Form = Literal["written", "tokens", "plain"]


def render(document: Document, form: Form = "written") -> str:
    """The document as a string: in written form, in token form, or its plain text without calls."""
    match form:
        case "written":
            return render_written(document)
        case "tokens":
            return render_tokens(document)
        case "plain":
            return document.text
    raise ValueError(f"unknown form {form!r}: written, tokens or plain")


def parse(string: str, form: Form = "written", *, id: str = "", source: str | None = None) -> Document:
    """The document that `render` renders as `string`; raises `MalformedCall` where a call cannot be read."""
    match form:
        case "written":
            return parse_written(string, id, source)
        case "tokens":
            return parse_tokens(string, id, source)
        case "plain":
            return Document(id, string)
    raise ValueError(f"unknown form {form!r}: written, tokens or plain")
