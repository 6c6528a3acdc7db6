"""How fast documents are aligned with a table of facts, on all cores and on one.

    python benchmarks/alignment.py [--data ../shared/data] [--documents 40000] [--workers 2]

Reads the facts and the leads, shares the documents out to forked workers, and counts whole documents a second, the
search for mentions alone: reading files is timed apart. Exits with 1 below `BAR` documents a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from itertools import islice
from pathlib import Path

from lamlam.annotate import Aligner
from lamlam.text.files import read_documents

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BAR = 2_000

_shared: dict[str, object] = {}


def _align(part: slice) -> int:
    aligner, documents = _shared["aligner"], _shared["documents"]
    return sum(len(document.calls) for document in aligner.annotate(documents[part]))  # type: ignore[attr-defined,index]


def main() -> int:
    """Measure, print, and say whether the bar was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    began = time.perf_counter()
    tables = [arguments.data / "facts" / name for name in ("wikidata.parquet", "tables.parquet")]
    aligner = Aligner.from_files(tables)
    loaded = time.perf_counter() - began
    documents = list(islice(read_documents(arguments.data / "wikipedia" / "intros.parquet"), arguments.documents))
    _shared.update(aligner=aligner, documents=documents)
    parts = [slice(first, first + 1_000) for first in range(0, len(documents), 1_000)]
    with multiprocessing.get_context("fork").Pool(arguments.workers) as pool:
        pool.map(_align, parts[: arguments.workers])  # the workers are up, and the rules compiled
        began = time.perf_counter()
        calls = sum(pool.imap_unordered(_align, parts))
        seconds = time.perf_counter() - began
    rate = len(documents) / seconds
    print(f"facts loaded in {loaded:.1f} s; {len(documents):,} leads, {calls:,} calls")
    print(f"{rate:,.0f} documents a second with {arguments.workers} workers (bar: {BAR:,})")
    return 0 if rate >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
