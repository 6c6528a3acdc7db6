r"""The peer's base (github: kilian-group/LMLM): one JSON object with `triplets`, or Parquet with all in one row.

In it, entities are written with underscores (`Arsenal_F.C.`) and with quotes escaped (`Destiny\'s Child`); both are
undone on the way in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson
import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from lamlam.errors import LamlamError
from lamlam.kb.exchange.columns import COLUMNS
from lamlam.kb.exchange.opening import opened
from lamlam.kb.exchange.rows import ROWS, Part, Place, Row, Skipped, in_parts, usable
from lamlam.kb.exchange.tables import readable

_ESCAPED_QUOTE = re.compile(r"\\(['\"\\])")
_NO_TRIPLET = "not [entity, relation, value]"


def read_json(path: Path, skipped: Skipped, after: Place) -> Iterator[Part]:
    """The triplets of a JSON file after so many, as they stream past: the file is never held whole."""
    return in_parts(_json_rows(path, skipped, after), skipped, "triplet")


def _json_rows(path: Path, skipped: Skipped, after: Place) -> Iterator[tuple[Place, Row]]:
    number = 0
    with opened(path) as file:
        try:
            for triplet in ijson.items(file, "triplets.item"):
                number += 1
                if number <= after[1]:
                    continue
                if isinstance(triplet, list) and len(triplet) == 3 and all(isinstance(part, str) for part in triplet):
                    entity, relation, value = (_ESCAPED_QUOTE.sub(r"\1", part) for part in triplet)
                    yield (0, number), (entity.replace("_", " ").strip() or entity, relation, value)
                else:
                    skipped.add(_NO_TRIPLET, f"triplet {number:,}")
        except (ijson.JSONError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise LamlamError(f"{path} cannot be read as JSON after triplet {number:,}: {reason}; mend it") from error
    if not number and not _has_triplets(path):
        raise LamlamError(f"{path} is not the peer's base: no list `triplets` in it")


def _has_triplets(path: Path) -> bool:
    with opened(path) as file:
        return any(prefix == "triplets" and event == "start_array" for prefix, event, _ in ijson.parse(file))


def read_parquet(path: Path, skipped: Skipped, after: Place) -> Iterator[Part]:
    """The triplets of a Parquet file after so many. Its one row comes in one piece, some 60 bytes a triplet."""
    number = 0
    # Text with 64-bit offsets, where the file leaves the choice: 54 million triplets are more than two gigabytes of it.
    large = {"binary_type": pyarrow.large_binary(), "list_type": pyarrow.LargeListType}
    with readable(path), pyarrow.parquet.ParquetFile(path, **large) as file:
        for batch in file.iter_batches(batch_size=1, columns=["triplets"]):
            triplets = batch.column(0).flatten()
            if not (pyarrow.types.is_list(triplets.type) or pyarrow.types.is_large_list(triplets.type)):
                raise LamlamError(f"{path}: the column `triplets` does not hold lists of three; convert the file")
            for start in range(0, len(triplets), ROWS):
                first, number = number, number + min(ROWS, len(triplets) - start)
                if number > after[1]:
                    some = triplets.slice(start, number - first).slice(max(0, after[1] - first))
                    yield Part(_columns(some, number - len(some), skipped), (0, number))


def _columns(triplets: Any, before: int, skipped: Skipped) -> pyarrow.RecordBatch:
    """Three columns of some triplets, of which so many came before."""

    def where(row: int) -> str:
        return f"triplet {before + row + 1:,}"

    three = pc.fill_null(pc.equal(pc.list_value_length(triplets), 3), False)
    if wrong := len(three) - three.true_count:
        skipped.add(_NO_TRIPLET, where(three.index(False).as_py()), wrong)
        triplets = triplets.filter(three)
    parts = triplets.flatten()
    entity, relation, value = (parts.take(np.arange(place, len(parts), 3)).cast(pyarrow.string()) for place in range(3))
    entity, relation, value = (
        pc.replace_substring_regex(part, r"""\\(['"\\])""", r"\1") for part in (entity, relation, value)
    )
    spaced = pc.utf8_trim_whitespace(pc.replace_substring(entity, "_", " "))
    entity = pc.if_else(pc.equal(spaced, ""), entity, spaced)
    return usable(pyarrow.RecordBatch.from_arrays([entity, relation, value], names=list(COLUMNS[:3])), skipped, where)
