"""Facts out to files: Parquet and CSV with all that is known of them, and the peer's base with the triplets alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb.exchange.columns import COLUMNS, schema
from lamlam.kb.fact import Fact

_ROWS = 65_536


def write_facts(facts: Iterable[Fact], path: str | Path) -> int:
    """Write facts to a file, by its suffix (.parquet, .csv, .json for the peer's base); how many were written."""
    path = Path(path)
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".json": _write_peer}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise LamlamError(f"{path}: facts are written to .parquet, .csv and .json; give the file one of these suffixes")
    with write_beside(path) as partial:
        return writer(facts, partial)


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

    types = schema()
    count = 0
    with pyarrow.parquet.ParquetWriter(path, types, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for fact in facts:
            rows.append(_row(fact))
            count += 1
            if len(rows) == _ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, types))
                rows = []
        writer.write_table(pyarrow.Table.from_pylist(rows, types))
    return count


def _write_peer(facts: Iterable[Fact], path: Path) -> int:
    triplets = [[fact.entity, fact.relation, fact.value] for fact in facts]
    base = {
        name: list(dict.fromkeys(triplet[part] for triplet in triplets))
        for part, name in enumerate(("entities", "relationships", "return_values"))
    }
    path.write_text(json.dumps({**base, "triplets": triplets}, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(triplets)
