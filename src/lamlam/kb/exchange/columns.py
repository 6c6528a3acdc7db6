"""The columns of a table of facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

COLUMNS = (
    *("entity", "relation", "value", "source", "start", "end", "author", "confidence", "rank"),
    *("valid_from", "valid_to"),
)


def schema(columns: int = len(COLUMNS)) -> pyarrow.Schema:
    """The types of the first so many columns."""
    import pyarrow

    text, number = pyarrow.string(), pyarrow.int64()
    types = (text, text, text, text, number, number, text, pyarrow.float64(), number, text, text)
    return pyarrow.schema(list(zip(COLUMNS, types, strict=True))[:columns])
