"""Text with the calls kept beside it: the types, their renderings, and files of documents."""

from lamlam.text.document import Call, Document, Lookup, Span, find_mention
from lamlam.text.forms import Form, parse, render

__all__ = ["Call", "Document", "Form", "Lookup", "Span", "find_mention", "parse", "render"]
