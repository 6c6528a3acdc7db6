"""A base in PostgreSQL at size: `python benchmarks/postgres.py --size 1M|10M|full --seed 0 [--folder DIR]`.

Loads the triples of benchmarks/kb.py, made from the seed, into a server that is started for the purpose, and prints
every figure, those of the goal with it. Client and server share this machine and talk over a Unix socket. The server
has PostgreSQL's own settings (fsync on), but for `max_wal_size`, so that no checkpoint falls into the load, and
`shared_buffers`, which its manual has whoever runs a server raise from the 128 MB that it comes with. A load is timed
whole, with all indexes, that of misspelt names included, committed and on the disk. Needs initdb and pg_ctl
(Debian: postgresql).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import psycopg

import kb as embedded
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.exchange import read_batches

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.kb import postgres_server

SETTINGS = "-c max_wal_size=8GB -c fsync=on -c shared_buffers=2GB"
LOOKUPS = 10_000
MISSPELT = 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=embedded.SIZES, default="1M")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the triples are kept; by default a temporary folder")
    parser.add_argument("--look", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look:
        queries = embedded._queries(arguments.folder, arguments.seed, 2_000)
        print(embedded.look_up_until_stopped(arguments.look, queries))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the server is stopped on the way out
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        embedded.generate(folder, arguments.size, arguments.seed)
        with postgres_server.running(SETTINGS, parent="/tmp") as server:
            print(
                f"size {arguments.size}, seed {arguments.seed}, {os.cpu_count()} CPUs, {server.version()}, {SETTINGS}",
                flush=True,
            )
            missed = measure(server, folder, arguments.size, arguments.seed)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)
    return int(arguments.size != "100k" and missed)


def measure(server: postgres_server.Server, folder: Path, size: str, seed: int) -> bool:
    """Print every figure as it comes; whether one misses its goal."""
    missed = False

    def tell(what: str, value: float, unit: str, least: float | None = None, most: float | None = None) -> None:
        nonlocal missed
        goal = "" if least is None and most is None else f">= {least:,.0f}" if least is not None else f"<= {most:,.0f}"
        reached = (least is None or value >= least) and (most is None or value <= most)
        missed |= not reached
        print(
            f"{what:52} {value:12,.2f} {unit:10} {goal:12} {('PASS' if reached else 'miss') * bool(goal)}", flush=True
        )

    url = server.new_database()
    with KnowledgeBase.open(url, create=True) as kb:
        start = time.perf_counter()
        kb.load(read_batches(folder / "triples.parquet"), author="benchmark")
        tell("load, triples a second", embedded.SIZES[size][0] / (time.perf_counter() - start), "1/s", least=300_000)
        tell("bytes a triple", kb.stats()["bytes"] / len(kb), "B")
        queries = embedded._queries(folder, seed, LOOKUPS)
        for query in queries:
            assert kb.lookup(*query) is not None
        p50, p99 = percentiles(lambda n: kb.lookup(*queries[n]), LOOKUPS)
        tell("exact lookup over the socket, p50", p50, "us", most=150)
        tell("exact lookup over the socket, p99", p99, "us")
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
            p50, p99 = percentiles(lambda _: connection.execute("SELECT 1").fetchone(), 2000)
        tell("SELECT 1, p50", p50, "us")
        tell(
            "256 lookups at once, p50",
            percentiles(lambda n: kb.lookup_many(queries[n * 256 :][:256]), 39)[0] / 1e3,
            "ms",
        )
        rng = Random(seed)
        misspelt = [misspell(queries[n][0], rng) for n in range(MISSPELT)]
        p50, p99 = percentiles(lambda n: kb.resolve(misspelt[n]), MISSPELT)
        tell("misspelt name by the server's trigrams, p50", p50 / 1e3, "ms")
        tell("misspelt name by the server's trigrams, p99", p99 / 1e3, "ms")
        start = time.perf_counter()
        with KnowledgeBase.open(f"{url}&replica={folder}/replica") as other:
            tell("making a local replica of the names", time.perf_counter() - start, "s")
            p50, p99 = percentiles(lambda n: other.resolve(misspelt[n]), MISSPELT)
            found = sum(other.resolve(name).name == query[0] for name, query in zip(misspelt, queries, strict=False))
        tell("misspelt name by the replica, p50", p50 / 1e3, "ms")
        tell("misspelt name by the replica, p99", p99 / 1e3, "ms")
        tell("of them found", found / MISSPELT, "")
        shutil.rmtree(folder / "replica")
        for at_once, number in ((1, 500), (100, 5000)):
            edits, slowest = edit(kb, url, folder, seed, at_once, number)
            tell(f"durable edits, {at_once} a transaction, beside two readers", edits, "1/s")
            tell("  reads meanwhile, worse p99 of two", slowest, "ms")
        start = time.perf_counter()
        kb.forget(queries[77][0])
        tell("forgetting an entity for good", time.perf_counter() - start, "s")
        if size in ("100k", "1M"):
            tell("what check finds", len(kb.check()), "", most=0)
    return missed


def percentiles(work: Callable[[int], object], count: int) -> list[float]:
    """p50 and p99 in µs."""
    taken = []
    for number in range(count):
        start = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - start)
    return [float(np.percentile(taken, q)) * 1e6 for q in (50, 99)]


def misspell(name: str, rng: Random) -> str:
    """A name with a letter of its longest word left out."""
    word = max(name.split(), key=len)
    place = rng.randrange(1, len(word))
    return name.replace(word, word[:place] + word[place + 1 :], 1)


def edit(kb: KnowledgeBase, url: str, folder: Path, seed: int, at_once: int, number: int) -> tuple[float, float]:
    """Edits a second, and the worse p99 in ms of two readers in processes of their own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--look", url]
    readers = [
        subprocess.Popen([*command, "--seed", str(seed + n)], stdout=subprocess.PIPE, text=True) for n in range(2)
    ]
    try:
        for reader in readers:
            reader.stdout.readline()  # ready
        edits = [Fact(*query, f"edited {n}") for n, query in enumerate(embedded._queries(folder, seed + 9, number))]
        start = time.perf_counter()
        for at in range(0, number, at_once):
            kb.edit(edits[at : at + at_once])
        took = time.perf_counter() - start
    finally:
        for reader in readers:
            reader.send_signal(signal.SIGTERM)
    return number / took, max(float(reader.communicate()[0]) for reader in readers)


if __name__ == "__main__":
    sys.exit(main())
