"""How fast a base in PostgreSQL loads and answers, over generated triples, on a server started for the purpose.

    python benchmarks/postgres.py [--triples 1000000] [--seed 0]

Needs initdb and pg_ctl (Debian: postgresql-15). The server keeps PostgreSQL's settings, but for `fsync`, which is on,
and `max_wal_size`, so that a load is not interrupted by checkpoints. A load is timed whole: numbering the strings,
COPY, grouping, indexes. Lookups go over the Unix socket, one at a time, for random keys. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import psycopg
import pyarrow

from lamlam.kb import Fact
from lamlam.kb.postgres import PostgresStore

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "kb"))
import postgres_server

BATCH = 65_536
LOOKUPS = 10_000
SYLLABLES = [c + v + e for c in "bcdfghjklmnprstvwz" for v in "aeiou" for e in ("", "n", "r", "s", "l")]
RELATIONS = [f"Relation {number}" for number in range(500)]


@lru_cache(maxsize=4)
def name(number: int) -> str:
    """Two words out of 270 ** 3 each."""
    rng = Random(number)
    first, last = ("".join(rng.choices(SYLLABLES, k=3)).capitalize() for _ in range(2))
    return f"{first} {last}"


def batches(count: int, seed: int) -> Iterator[pyarrow.RecordBatch]:
    """Triples as in the paper's base: 5.7 an entity, 6.4 a value."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, BATCH):
        rows = np.arange(start, min(start + BATCH, count))
        entities = [name(row * 7 // 40) for row in rows.tolist()]
        values = [
            f"value {value:x} of some kind" for value in (rng.random(len(rows)) ** 2 * count / 5).astype(int).tolist()
        ]
        relations = [RELATIONS[number] for number in (rng.random(len(rows)) ** 3 * len(RELATIONS)).astype(int).tolist()]
        yield pyarrow.record_batch({"entity": entities, "relation": relations, "value": values})


def percentiles(work: Callable[[int], object], count: int) -> list[float]:
    """p50 and p99 in µs."""
    taken = []
    for number in range(count):
        start = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - start)
    return [round(float(np.percentile(taken, q)) * 1e6, 1) for q in (50, 99)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triples", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the server is stopped on the way out
    generated = list(batches(options.triples, options.seed))
    with postgres_server.running("-c max_wal_size=8GB -c fsync=on") as server:
        store = PostgresStore(server.new_database(), create=True)
        start = time.perf_counter()
        added = store.load(generated, None, None)
        seconds = time.perf_counter() - start
        told: dict[str, object] = {"triples": options.triples, "seed": options.seed, "facts": int(added)}
        told |= {"seconds_to_load": round(seconds, 2), "triples_a_second": round(options.triples / seconds)}
        told["bytes_a_fact"] = round(store.stats()["bytes"] / added, 1)
        rng = Random(1)
        keys = []
        for _ in range(LOOKUPS):
            batch = rng.choice(generated)
            row = rng.randrange(batch.num_rows)
            keys.append((batch["entity"][row].as_py(), batch["relation"][row].as_py()))
        for entity, relation in keys[:200]:
            assert store.exact(entity, relation, 1)
        told["us_exact_p50_p99"] = percentiles(lambda n: store.exact(*keys[n], 1), LOOKUPS)
        with psycopg.connect(store._url, autocommit=True, prepare_threshold=0) as connection:
            told["us_select_1_p50_p99"] = percentiles(lambda _: connection.execute("SELECT 1").fetchone(), 2000)
        many = percentiles(lambda n: store.exact_many(keys[n * 256 % 9000 :][:256]), 50)
        told["us_exact_256_at_once_p50_p99"] = many
        told["us_misspelt_p50_p99"] = percentiles(lambda n: store.entities_near(keys[n][0].lower()[:-2] + "x"), 200)
        edits = [Fact(*key, f"edited {number}") for number, key in enumerate(keys[:500])]
        told["us_a_set_p50_p99"] = percentiles(lambda n: store.set([edits[n]], None, None, False), len(edits))
        start = time.perf_counter()
        store.add((Fact(f"New {n}", "R", f"v{n}") for n in range(3000)), None, None, False)
        told["facts_added_a_second"] = round(3000 / (time.perf_counter() - start))
        assert store.check() == []
        store.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
