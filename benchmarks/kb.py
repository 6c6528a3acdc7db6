"""The embedded base at the paper's scale: `python benchmarks/kb.py --size 1M|10M|full --seed 0 [--folder DIR]`.

Generates triples from the seed to Parquet, loads them, and prints every figure beside its target. The exit code is 1
if the full size misses one. CPU times are printed beside wall times: on a busy machine they differ.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.exchange import read_batches
from lamlam.kb.exchange.rows import ROWS

# Triples, entities, values, as in the paper's base; relations are as many as it has at every size.
SIZES = {
    "100k": (100_000, 17_400, 15_600),
    "1M": (1_000_000, 174_000, 156_000),
    "10M": (10_000_000, 1_740_000, 1_560_000),
    "full": (54_600_000, 9_500_000, 8_500_000),
}
RELATIONS = 2_000
BATCH = 1_000_000
EDITS = 10_000
KILLS = 20
ROUNDS = 5


class Figure(NamedTuple):
    """`target` is None for what is told for information."""

    what: str
    value: float
    target: float | None
    unit: str
    at_least: bool = False

    @property
    def reached(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="1M")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the files go; by default a temporary folder")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(STEPS[arguments.step](arguments.folder, arguments.size, arguments.seed))
        return 0
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        figures = measure(folder, arguments.size, arguments.seed)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)
    print(f"\nsize {arguments.size}, seed {arguments.seed}, {os.cpu_count()} CPUs")
    for figure in figures:
        line = f"{figure.what:44} {figure.value:12,.2f} {figure.unit:12}"
        if figure.target is not None:
            sign, verdict = (">=" if figure.at_least else "<="), ("PASS" if figure.reached else "miss")
            line += f" {sign} {figure.target:10,.1f}  {verdict}"
        print(line)
    return int(arguments.size == "full" and not all(figure.reached for figure in figures))


def measure(folder: Path, size: str, seed: int) -> list[Figure]:
    """Each step in a process of its own, so that its memory is its own."""

    def step(name: str) -> list[float]:
        command = [
            sys.executable,
            __file__,
            "--size",
            size,
            "--seed",
            str(seed),
            "--folder",
            str(folder),
            "--step",
            name,
        ]
        began = time.perf_counter()
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(f"{name}: {output.strip()}  ({time.perf_counter() - began:.0f} s)", flush=True)
        return [float(word) for word in output.split()]

    step("generate")
    rate, cpu_rate, memory, bytes_each = step("build")
    p50, p99, many, reader = step("read")
    figures = [
        Figure("build, triples a second", rate, 250_000, "1/s", True),
        Figure("build, triples a second of CPU time", cpu_rate, 250_000, "1/s", True),
        Figure("build, most memory", memory, 6, "GB"),
        Figure("bytes a triple", bytes_each, 50, "B"),
        Figure("exact lookup, p50", p50, 15, "us"),
        Figure("exact lookup, p99", p99, 40, "us"),
        Figure("256 at once", many, 2, "ms"),
        Figure("reader after 10,000 queries", reader, 2.5, "GB"),
    ]
    edits, slowest = step("edit")
    figures += [
        Figure("durable edits, 100 a transaction", edits, 2_000, "1/s", True),
        Figure("reads meanwhile, worse p99 of two", slowest, 10, "ms"),
    ]
    more, again = step("add")
    figures += [
        Figure("rows into a base that has facts", more, None, "1/s"),
        Figure("the same rows again", again, None, "1/s"),
    ]
    (forgetting,) = step("forget")
    figures.append(Figure("forgetting an entity for good", forgetting, 60, "s"))
    lost, opening, problems, checking = step("kill")
    return [
        *figures,
        Figure(f"edits lost in {KILLS} kills", lost, 0, ""),
        Figure("opening after a kill, slowest", opening, None, "s"),
        Figure("what check finds after them", problems, 0, ""),
        Figure("check", checking, None, "s"),
    ]


def generate(folder: Path, size: str, seed: int) -> str:
    """Entities in order with 1 to about 20 facts each, values skewed, names and values as long as Wikidata's."""
    triples, entities, values = SIZES[size]
    rng = np.random.default_rng(seed)
    path = folder / "triples.parquet"
    if path.exists():
        return ""
    schema = pyarrow.schema([(name, pyarrow.string()) for name in ("entity", "relation", "value")])
    relations = pyarrow.array([f"Relation Number {number}" for number in range(RELATIONS)])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, triples, BATCH):
            rows = np.arange(start, min(start + BATCH, triples))
            of = rows * entities // triples
            which = (RELATIONS * rng.random(len(rows)) ** 3).astype(np.int64)
            # Every value once, then the frequent ones again and again.
            value = np.where(rows < values, rows, (values * rng.random(len(rows)) ** 2).astype(np.int64))
            columns = [_entities(of), relations.take(pyarrow.array(which)), _values(value)]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
    return ""


def _spelled(numbers: np.ndarray, words: list[str]) -> pyarrow.Array:
    mixed = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    return pyarrow.array(words).take(pyarrow.array((mixed % len(words)).astype(np.int64)))


def _entities(numbers: np.ndarray) -> pyarrow.Array:
    number = pyarrow.array(numbers).cast(pyarrow.string())
    return pc.binary_join_element_wise(_spelled(numbers, GIVEN), _spelled(numbers // 7, FAMILY), number, " ")


def _values(numbers: np.ndarray) -> pyarrow.Array:
    number = pyarrow.array(numbers).cast(pyarrow.string())
    return pc.binary_join_element_wise(_spelled(numbers, FAMILY), number, " ")


GIVEN = ["Ada", "Charles", "Mary", "Alan", "Grace", "José", "Zoë", "Wei", "Fatima", "Olga", "Jean", "Anna"]
FAMILY = ["Lovelace", "Babbage", "Shelley", "Turing", "Hopper", "Nuñez", "Li", "Ivanova", "O'Brien", "van der Berg"]


def build(folder: Path, size: str, seed: int) -> str:
    path = folder / "facts.db"
    for file in folder.glob("facts.db*"):
        file.unlink()
    wall, cpu = time.perf_counter(), time.process_time()
    with KnowledgeBase.open(path, create=True) as kb:
        kb.load(read_batches(folder / "triples.parquet"), author="benchmark")
        os.sync()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        triples = SIZES[size][0]
        bytes_each = sum(file.stat().st_size for file in folder.glob("facts.db*")) / len(kb)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return f"{triples / wall} {triples / cpu} {memory} {bytes_each}"


def read(folder: Path, size: str, seed: int) -> str:
    queries = _queries(folder, seed, 10_000)
    with KnowledgeBase.open(folder / "facts.db") as kb:
        for query in queries:  # warm
            assert kb.lookup(*query) is not None, query
        # Several rounds, since one takes a tenth of a second, which a neighbour's moment of work can fill.
        took = [_timed(lambda query=query: kb.lookup(*query)) for _ in range(ROUNDS) for query in queries]
        batches = [queries[at : at + 256] for at in range(0, 9_000, 256)]
        many = [_timed(lambda batch=batch: kb.lookup_many(batch)) for _ in range(ROUNDS) for batch in batches]
        memory = _resident()
    p50, p99 = np.percentile(took, [50, 99]) * 1e6
    return f"{p50} {p99} {np.median(many) * 1e3} {memory}"


def _queries(folder: Path, seed: int, number: int) -> list[tuple[str, str]]:
    """Pairs that are in the base, from a few places of the file; kept, as many processes ask for the same."""
    kept = folder / f"queries-{seed}-{number}.parquet"
    if not kept.exists():
        rng = np.random.default_rng(seed + 1)
        with pyarrow.parquet.ParquetFile(folder / "triples.parquet") as file:
            groups = rng.choice(file.num_row_groups, min(8, file.num_row_groups), replace=False)
            rows = pyarrow.concat_tables([file.read_row_group(int(n), columns=["entity", "relation"]) for n in groups])
        partial = kept.with_suffix(f".{os.getpid()}")
        pyarrow.parquet.write_table(rows.take(pyarrow.array(rng.integers(0, len(rows), number))), partial)
        partial.replace(kept)
    return [(row["entity"], row["relation"]) for row in pyarrow.parquet.read_table(kept).to_pylist()]


def _timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _resident() -> float:
    """GB of memory of this process, what it has mapped of the file included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e9


def edit(folder: Path, size: str, seed: int) -> str:
    readers = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--size",
                size,
                "--seed",
                str(seed + n),
                "--folder",
                str(folder),
                "--step",
                "look",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    try:
        for reader in readers:
            reader.stdout.readline()  # ready
        with KnowledgeBase.open(folder / "facts.db") as kb:
            queries = _queries(folder, seed + 9, EDITS)
            took = _timed(lambda: [kb.edit(_edits(queries, at, at + 100)) for at in range(0, EDITS, 100)])
    finally:
        for reader in readers:
            reader.send_signal(signal.SIGTERM)
    slowest = max(float(reader.communicate()[0]) for reader in readers)
    return f"{EDITS / took} {slowest}"


def _edits(queries: list[tuple[str, str]], start: int, stop: int) -> list[Fact]:
    return [Fact(*queries[at], f"edited {at}") for at in range(start, stop)]


def look(folder: Path, size: str, seed: int) -> str:
    return str(look_up_until_stopped(folder / "facts.db", _queries(folder, seed, 10_000)))


def look_up_until_stopped(base: str | Path, queries: list[tuple[str, str]]) -> float:
    """Look up, having said so in a line, until told to stop by SIGTERM; the p99 in ms."""
    took: list[float] = []
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    with KnowledgeBase.open(base) as kb:
        for query in queries:
            kb.lookup(*query)
        print("ready", flush=True)
        asked = itertools.cycle(queries)
        while running:
            took.append(_timed(lambda: kb.lookup(*next(asked))))
            time.sleep(0.0005)
    return float(np.percentile(took, 99)) * 1e3


def add(folder: Path, size: str, seed: int) -> str:
    """Rows like those of the base, half of them about entities that it has; then the same once more."""
    triples, entities, values = SIZES[size]
    rows = min(triples // 2, 1_000_000)
    rng = np.random.default_rng(seed + 5)
    of = np.sort(rng.integers(0, 2 * entities, rows // 6 + 1))[np.arange(rows) // 6]
    relations = pyarrow.array([f"Relation Number {number}" for number in range(RELATIONS)])
    which = relations.take(pyarrow.array((RELATIONS * rng.random(rows) ** 3).astype(np.int64)))
    value = (1.1 * values * rng.random(rows)).astype(np.int64)
    table = pyarrow.table({"entity": _entities(of), "relation": which, "value": _values(value)})
    with KnowledgeBase.open(folder / "facts.db") as kb:
        took = [_timed(lambda: [kb.add_batch(part) for part in table.to_batches(ROWS)]) for _ in range(2)]
    return f"{rows / took[0]} {rows / took[1]}"


def forget(folder: Path, size: str, seed: int) -> str:
    (query,) = _queries(folder, seed + 77, 1)
    with KnowledgeBase.open(folder / "facts.db") as kb:
        kb.index_names()  # forgetting looks for misspelt duplicates
        return str(_timed(lambda: kb.forget(query[0])))


def kill(folder: Path, size: str, seed: int) -> str:
    """Kill a writer in the middle of its edits, time after time: how many acknowledged ones are not there."""
    rng = np.random.default_rng(seed)
    queries = _queries(folder, seed + 9, EDITS)
    lost, opening = 0, 0.0
    for _ in range(KILLS):
        command = [sys.executable, __file__, "--size", size, "--seed", str(seed), "--folder", str(folder)]
        writer = subprocess.Popen([*command, "--step", "write"], stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()
        time.sleep(rng.random() * 0.5)
        writer.kill()
        acknowledged = max([0, *(int(line) for line in writer.communicate()[0].splitlines() if line.strip())])
        began = time.perf_counter()
        with KnowledgeBase.open(folder / "facts.db") as kb:
            assert kb.lookup(*queries[0])
            opening = max(opening, time.perf_counter() - began)
            last = {query: at for at, query in enumerate(queries[:acknowledged])}
            for query, at in last.items():
                fact = kb.lookup(*query).fact
                # What was written after the last acknowledgement may be there as well.
                lost += not (fact.value.startswith("written ") and int(fact.value.split()[1]) >= at)
    with KnowledgeBase.open(folder / "facts.db") as kb:
        began = time.perf_counter()
        problems = kb.check()
        checking = time.perf_counter() - began
    print(*problems, sep="\n", file=sys.stderr)
    return f"{lost} {opening} {len(problems)} {checking}"


def write(folder: Path, size: str, seed: int) -> str:
    queries = _queries(folder, seed + 9, EDITS)
    with KnowledgeBase.open(folder / "facts.db") as kb:
        print("ready", flush=True)
        for at in range(0, EDITS, 20):
            kb.edit([Fact(*queries[n], f"written {n} {os.getpid()}") for n in range(at, at + 20)])
            print(at + 20, flush=True)
    return ""


STEPS: dict[str, Callable[[Path, str, int], str]] = {
    function.__name__: function for function in (generate, build, read, edit, look, add, forget, kill, write)
}

if __name__ == "__main__":
    sys.exit(main())
