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

__all__ = ["holds_facts", "read_batches", "read_facts", "read_facts_and_aliases", "write_facts"]

if TYPE_CHECKING:
    import pyarrow

    from lamlam.kb.exchange.labels import Labels
    from lamlam.kb.exchange.rows import Skipped


def holds_facts(path: Path) -> bool:
    """Whether a file's name says that facts are read from it; a base's does not."""
    from lamlam.kb.exchange.opening import kind

    return path.is_dir() or kind(path) in (".parquet", ".csv", ".nt", ".json", ".jsonl", ".ndjson")


def read_batches(
    path: str | Path, skipped: Skipped | None = None, labels: Labels | None = None
) -> Iterator[pyarrow.RecordBatch]:
    """The facts of a file as Arrow batches for `KnowledgeBase.load` and `add_batch`.

    `labels` are what its things are called, where that was learned before. Raises `LamlamError` for a file that cannot
    be read, or of which not one row is a fact.
    """
    # Here, and below, so that a base that is only asked does not load pyarrow.
    from lamlam.kb.exchange.formats import format_of, read_parts
    from lamlam.kb.exchange.rows import Skipped, nothing_read

    skipped = Skipped() if skipped is None else skipped
    rows = 0
    for part in read_parts(Path(path), format_of(Path(path)), skipped, labels=labels):
        rows += part.batch.num_rows
        yield part.batch
    if skipped.total and not rows:
        raise nothing_read(path, skipped)


def read_facts(path: str | Path) -> Iterator[Fact]:
    """The facts of a file, one after another; see `read_batches`."""
    from lamlam.kb.exchange.rows import facts_of

    for batch in read_batches(path):
        yield from facts_of(batch)


def read_facts_and_aliases(path: str | Path) -> tuple[Iterator[Fact], Iterator[tuple[str, str]]]:
    """The facts of a file, and the other names that it has for entities, as (alias, entity): of Wikidata, N-Triples."""
    from lamlam.kb.exchange.formats import format_of, learned
    from lamlam.kb.exchange.labels import Labels
    from lamlam.kb.exchange.rows import facts_of

    of = format_of(Path(path))
    labels = learned(Path(path), of, Labels(), "en") if of.labelled else None
    facts = (fact for batch in read_batches(path, labels=labels) for fact in facts_of(batch))
    return facts, iter(()) if labels is None else labels.aliases()
