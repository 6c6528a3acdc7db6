"""What is in a file of facts, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pyarrow.parquet

from lamlam.errors import LamlamError
from lamlam.kb.exchange import documents, ntriples, peer, tables, wikidata
from lamlam.kb.exchange.labels import Labels
from lamlam.kb.exchange.opening import kind, opened
from lamlam.kb.exchange.rows import START, Part, Place, Skipped
from lamlam.text.files import read_documents

_HEAD = 65_536


class Format(StrEnum):
    """What is in a file."""

    PARQUET = "a table in Parquet"
    CSV = "a table in CSV"
    PEER_JSON = "the peer's base in JSON"
    PEER_PARQUET = "the peer's base in Parquet"
    DOCUMENTS = "documents"
    NTRIPLES = "N-Triples"
    WIKIDATA = "a dump of Wikidata"

    @property
    def labelled(self) -> bool:
        """Whether it names things by identifiers, so that labels have to be learned in a pass of their own."""
        return self in (Format.NTRIPLES, Format.WIKIDATA)


def format_of(path: Path) -> Format:
    """What is in a file, by its suffix, and by how it begins where that leaves a choice.

    Raises `LamlamError` for a file that facts are not read from.
    """
    if path.is_dir():
        return Format.DOCUMENTS
    match kind(path):
        case ".parquet":
            with tables.readable(path), pyarrow.parquet.ParquetFile(path) as file:
                names = file.schema_arrow.names
            if "triplets" in names:
                return Format.PEER_PARQUET
            return Format.DOCUMENTS if {"text", "calls"} <= set(names) else Format.PARQUET
        case ".csv":
            return Format.CSV
        case ".nt":
            return Format.NTRIPLES
        case ".jsonl" | ".ndjson":
            return Format.WIKIDATA if _is_wikidata(path) else Format.DOCUMENTS
        case ".json":
            if _is_wikidata(path):
                return Format.WIKIDATA
            with opened(path) as file:
                return Format.DOCUMENTS if file.read(_HEAD).lstrip().startswith(b'{"examples"') else Format.PEER_JSON
    raise LamlamError(
        f"{path}: facts are read from .parquet, .csv, .json (the peer's base, Wikidata), .nt, .jsonl and folders of "
        "documents; convert the file first"
    )


def _is_wikidata(path: Path) -> bool:
    """Whether the first line with anything in it is an entity."""
    with opened(path) as file:
        for line in file:
            bare = line.strip().strip(b"[,")
            if not bare:
                continue
            try:
                entity = json.loads(bare)
            except ValueError:
                return False
            return isinstance(entity, dict) and {"id", "labels"} <= set(entity)
    return False


def read_parts(
    path: Path, of: Format, skipped: Skipped, after: Place = START, labels: Labels | None = None, language: str = "en"
) -> Iterator[Part]:
    """The rows of a file after a place, in parts; for a labelled format with the labels that were learned from it."""
    match of:
        case Format.PARQUET:
            return tables.read_parquet(path, skipped, after)
        case Format.CSV:
            return tables.read_csv(path, skipped, after)
        case Format.PEER_JSON:
            return peer.read_json(path, skipped, after)
        case Format.PEER_PARQUET:
            return peer.read_parquet(path, skipped, after)
        case Format.DOCUMENTS:
            return documents.from_documents(read_documents(path), skipped, after)
    read = wikidata.read if of is Format.WIKIDATA else ntriples.read
    return read(path, labels or learned(path, of, Labels(), language), language, skipped, after)


def learned(path: Path, of: Format, labels: Labels, language: str) -> Labels:
    """The labels of a file of a labelled format; what was learned before is gone on with."""
    if not labels.learned:
        learn = wikidata.learn if of is Format.WIKIDATA else ntriples.learn
        labels.learn(learn(path, labels, language))
    return labels
