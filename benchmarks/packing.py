"""How fast documents are packed into shards, and how fast windows are read from them.

    python benchmarks/packing.py DOCUMENTS.parquet [CHARACTERS]

Prints tokens a second of packing (tokenizing and writing; the tokenizer is trained before), the best of three;
and of the loader: batches of 128 windows of 1,024 tokens in an epoch's order, inputs and labels ready for the device.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from lamlam.corpus import Mixture, Windows, pack, tokenizer_texts
from lamlam.model import train_tokenizer
from lamlam.text.files import read_documents


def main() -> None:
    source, characters = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000_000
    documents, size = [], 0
    for document in read_documents(source):
        documents.append(document)
        size += len(document.text)
        if size >= characters:
            break
    tokenizer = train_tokenizer(tokenizer_texts(documents[:: max(1, size // 4_000_000)]), 32_004)
    with tempfile.TemporaryDirectory() as folder:
        shards = Path(folder) / "shards"
        rates = []
        for _ in range(3):
            began = time.perf_counter()
            info = pack(documents, shards, tokenizer)
            rates.append(info.tokens / (time.perf_counter() - began))
        print(
            f"packing: {max(rates):,.0f} tokens/s ({info.documents:,} documents, {info.tokens:,} tokens, "
            f"{os.cpu_count()} cores; goal 1,000,000; runs {', '.join(f'{rate:,.0f}' for rate in rates)})"
        )
        windows = Mixture([Windows(shards, 1024)])
        order = windows.order(0, 0)
        read, began = 0, time.perf_counter()
        while time.perf_counter() - began < 3:
            for begin in range(0, len(order) - 127, 128):
                read += windows.batch(order[begin : begin + 128]).inputs.size
        print(f"loading: {read / (time.perf_counter() - began):,.0f} tokens/s (goal 2,750,000: 5 × a GPU's 550,000)")


if __name__ == "__main__":
    main()
