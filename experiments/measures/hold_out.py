"""One title in a hundred held out: python experiments/measures/hold_out.py LEADS REST HELD_OUT."""

import sys
from hashlib import sha256

import pyarrow
import pyarrow.parquet

source, rest, held = sys.argv[1:]
table = pyarrow.parquet.read_table(source)
drawn = [int.from_bytes(sha256(title.encode()).digest()[:4], "big") % 100 == 0 for title in table["title"].to_pylist()]
pyarrow.parquet.write_table(table.filter(pyarrow.array([not one for one in drawn])), rest)
pyarrow.parquet.write_table(table.filter(pyarrow.array(drawn)), held)
