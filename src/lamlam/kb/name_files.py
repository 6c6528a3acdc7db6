"""Other names in and out of CSV files: columns `alias` and `entity`, or `synonym` and `relation`, and who says so."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb.fact import OtherName, OtherNames

if TYPE_CHECKING:
    from lamlam.kb.base import KnowledgeBase

_COLUMNS: dict[OtherNames, tuple[str, str]] = {"aliases": ("alias", "entity"), "synonyms": ("synonym", "relation")}
_PROVENANCE = ("author", "reason", "time", "ended")


def write_names(names: Iterable[OtherName], kind: OtherNames, path: Path) -> None:
    """Write other names, with times as ISO texts; those of the present and of the past alike."""
    with write_beside(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*_COLUMNS[kind], *_PROVENANCE))
        for one in names:
            ended = one.ended.isoformat() if one.ended else ""
            writer.writerow((one.name, one.of, one.author or "", one.reason or "", one.time.isoformat(), ended))


def add_from(
    kb: KnowledgeBase,
    kind: OtherNames,
    path: Path,
    author: str | None = None,
    reason: str | None = None,
    force: bool = False,
) -> int:
    """Add the other names of a file to a base; how many were new.

    Those of one author and reason are one transaction; `author` and `reason` stand where a row says nothing. Rows with
    a time in `ended` are of the past and left out. Raises `LamlamError` for a file without the columns, and for names
    of what is not in the base.
    """
    name_column, of_column = _COLUMNS[kind]
    given: dict[tuple[str | None, str | None], list[tuple[str, str]]] = defaultdict(list)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            if not {name_column, of_column} <= set(reader.fieldnames or ()):
                raise LamlamError(
                    f"{path} has no columns {name_column} and {of_column}; name them so in its first line"
                )
            for row in reader:
                if not row[name_column] or not row[of_column]:
                    raise LamlamError(f"{path}, line {reader.line_num}: a cell is empty; mend or remove the line")
                if not row.get("ended"):
                    said = row.get("author") or author, row.get("reason") or reason
                    given[said].append((row[name_column], row[of_column]))
        except (csv.Error, UnicodeDecodeError) as error:
            raise LamlamError(
                f"{path}, line {reader.line_num + 1}: not CSV in UTF-8: {error}; mend that line"
            ) from error
    if kind == "aliases":
        return sum(kb.add_aliases(pairs, *said, force) for said, pairs in given.items())
    return sum(kb.add_synonyms(pairs, *said) for said, pairs in given.items())
