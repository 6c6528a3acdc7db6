"""Some of the lead paragraphs, drawn with seed 0: python experiments/measures/leads.py INTROS OUT COUNT."""

import sys
from random import Random

import pyarrow.parquet

source, out, count = sys.argv[1:]
table = pyarrow.parquet.read_table(source)
pyarrow.parquet.write_table(table.take(sorted(Random(0).sample(range(table.num_rows), int(count)))), out)
