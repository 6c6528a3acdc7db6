"""Writes the held-out tenth (by title) of the peer's marked-up documents, with their calls and without."""

from __future__ import annotations

import sys
from pathlib import Path

from lamlam.annotate.gold import read_gold, tenth
from lamlam.text import Document
from lamlam.text.files import write_documents

HELD_OUT = 0
PARTS = {"wikipedia": "dwiki-eval1k*.json", "squad": "squad-train1k*.json"}


def main(data: Path, out: Path) -> None:
    """`gold-PART.parquet` and `raw-PART.parquet` for each part."""
    for part, pattern in PARTS.items():
        (path,) = (data / "official").glob(pattern)
        gold = [document for document in read_gold(path) if tenth(document) == HELD_OUT]
        write_documents(gold, out / f"gold-{part}.parquet")
        raw = (Document(document.id, document.text, (), document.meta) for document in gold)
        write_documents(raw, out / f"raw-{part}.parquet")
        print(f"{part}: {len(gold)} documents, {sum(len(document.calls) for document in gold)} calls")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
