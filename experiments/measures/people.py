"""People of the table of facts whom the marked-up documents are not about, one name a line.

    python experiments/measures/people.py ../shared/data/facts/wikidata.parquet runs/measures/read.parquet 100 OUT

A person is a subject with a place of birth; those of whom the table has most are taken.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet

from lamlam.text.files import read_documents

facts, read, count, out = sys.argv[1:]
table = pyarrow.parquet.read_table(facts, columns=["subject", "relation"])
subjects, relations = (table[name].to_pylist() for name in ("subject", "relation"))
born = {subject for subject, relation in zip(subjects, relations, strict=True) if relation == "place of birth"}
told = "\n".join(document.text for document in read_documents(read))
known = Counter(subject for subject in subjects if subject in born)
people = [name for name, _ in sorted(known.items(), key=lambda item: (-item[1], item[0])) if name not in told]
Path(out).write_text("".join(f"{name}\n" for name in people[: int(count)]), encoding="utf-8")
