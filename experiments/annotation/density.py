"""Prints how many calls stand in 100 words of marked-up documents."""

from __future__ import annotations

import sys

from lamlam.text.files import read_documents

if __name__ == "__main__":
    documents = words = calls = 0
    for document in read_documents(sys.argv[1]):
        documents += 1
        words += len(document.text.split())
        calls += len(document.calls)
    print(f"{documents:,} documents, {words:,} words, {calls:,} calls: {100 * calls / words:.2f} per 100 words")
