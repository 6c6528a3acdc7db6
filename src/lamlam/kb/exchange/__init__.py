"""Facts in and out of files.

In: tables in Parquet and CSV, the peer's base in JSON and in Parquet, documents with their calls, N-Triples, and dumps
of Wikidata, packed with gzip or bzip2 or not. Out: Parquet, CSV, the peer's base. Files are read as they stream past;
rows that cannot be facts are left out, counted and explained. `lamlam.kb.importing` puts a file into a base.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lamlam.kb.exchange.writers import write_facts
from lamlam.kb.fact import Fact

__all__ = ["read_batches", "read_facts", "write_facts"]

if TYPE_CHECKING:
    import pyarrow

    from lamlam.kb.exchange.rows import Skipped


def read_batches(path: str | Path, skipped: Skipped | None = None) -> Iterator[pyarrow.RecordBatch]:
    """The facts of a file as Arrow batches for `KnowledgeBase.load` and `add_batch`.

    Raises `LamlamError` for a file that cannot be read, or of which not one row is a fact.
    """
    # Here, and below, so that a base that is only asked does not load pyarrow.
    from lamlam.kb.exchange.formats import format_of, read_parts
    from lamlam.kb.exchange.rows import Skipped, nothing_read

    skipped = Skipped() if skipped is None else skipped
    rows = 0
    for part in read_parts(Path(path), format_of(Path(path)), skipped):
        rows += part.batch.num_rows
        yield part.batch
    if skipped.total and not rows:
        raise nothing_read(path, skipped)


def read_facts(path: str | Path) -> Iterator[Fact]:
    """The facts of a file, one after another; see `read_batches`."""
    from lamlam.kb.exchange.rows import facts_of

    for batch in read_batches(path):
        yield from facts_of(batch)
