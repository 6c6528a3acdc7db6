"""Draws calls of marked-up documents to be read one by one: one line of JSON each, with the text around it.

    python experiments/annotation/sample.py MARKED SEED COUNT > reading.jsonl

The reader sets `true`: a true statement of the text, with a sensible entity and relation, and a whole value.
"""

from __future__ import annotations

import json
import random
import sys

from lamlam.text.files import read_documents

BEFORE, AFTER = 160, 60
"""Characters of the text around a call that are shown."""


def main(marked: str, seed: int, count: int) -> None:
    """Print the sample, in the order of the documents."""
    calls = [(document, call) for document in read_documents(marked) for call in document.calls]
    for i in sorted(random.Random(seed).sample(range(len(calls)), count)):
        document, call = calls[i]
        end = call.at if call.span is None else call.span[1]
        around = f"{document.text[max(0, call.at - BEFORE) : call.at]}⟦{document.text[call.at : end]}⟧"
        row = {"document": document.id, "title": document.meta.get("title"), **call.lookup._asdict()}
        print(
            json.dumps(row | {"context": around + document.text[end : end + AFTER], "true": None}, ensure_ascii=False)
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
