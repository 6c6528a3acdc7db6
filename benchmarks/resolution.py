"""How well and how fast names are resolved, on real names held out from the choice of thresholds.

    python benchmarks/resolution.py [--data ../shared/data] [--size real|1M|9.5M]

`real`: variants of the subjects of facts/wikidata.parquet, over all of them and over 40,000; names that are in no base;
relations that an entity does not have. `1M` and `9.5M`: speed over made-up names beside
the real ones. Exits with 1 where a target is missed. Targets are for the test half; the tuning half, on which
`benchmarks/fit_name_score.py` chose the threshold, is printed beside it.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from name_variants import FURTHER, held_out, undecidable, variant
from names_data import Subjects, made_up, stranger, subjects
from rich.console import Console
from rich.table import Table

from lamlam.kb import name_search
from lamlam.kb.name_arrays import NameArrays, build
from lamlam.kb.name_index import NEAREST
from lamlam.kb.names import normalise
from lamlam.kb.resolve import Found, resolve_entity, resolve_relation
from lamlam.kb.store import Named

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIZES = {"1M": 1_000_000, "9.5M": 9_500_000}
SYNONYMS = {
    "educated at": "university", "has part": "elements", "date of birth": "Birth Date", "place of birth": "birthplace",
    "spouse": "married to", "occupation": "profession", "author": "written by", "manufacturer": "made by",
    "headquarters location": "headquarters", "child": "children", "record label": "label", "director": "directed by",
    "founded by": "founder", "country of citizenship": "nationality", "composer": "music by", "owned by": "owner",
}  # fmt: skip
"""How the relations of pairs are asked for; others as "Located On Street", or turned as "burial place"."""


class Names:
    """What `lamlam.kb.resolve` asks of a store, over the name index alone and dictionaries."""

    def __init__(self, names: list[str], relations: dict[str, list[str]], path: Path) -> None:
        self.names, self._relations = names, relations
        self._ids = {name: number for number, name in enumerate(names)}
        self._forms: dict[str, list[int]] = defaultdict(list)
        forms = [normalise(name) for name in names]
        for number, form in enumerate(forms):
            self._forms[form].append(number)
        began = time.perf_counter()
        build(path, enumerate(forms), "benchmark")
        self.seconds = time.perf_counter() - began
        self.arrays = NameArrays(path)
        self._numbers: dict[str, int] = {}

    def entity(self, name: str) -> Named | None:
        number = self._ids.get(name)
        return None if number is None else Named(number, name)

    def entities_normalised(self, normalised: str) -> list[Named]:
        return [Named(number, self.names[number]) for number in self._forms.get(normalised, ())]

    def entities_aliased(self, normalised: str) -> list[Named]:
        return []

    def entities_near(self, normalised: str) -> list[Named]:
        return [Named(number, self.names[number]) for number, _ in name_search.near(self.arrays, normalised, NEAREST)]

    def frequency(self, word: str) -> int:
        return name_search.frequency(self.arrays, word)

    def aliases_of(self, entity: int) -> list[str]:
        return []

    def relations_of(self, entity: int) -> list[Named]:
        own = self._relations.get(self.names[entity], [])
        return [Named(self._numbers.setdefault(name, len(self._numbers)), name) for name in own]

    def relations_called(self, normalised: str) -> list[Named]:
        return []

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        return False


@dataclass
class Half:
    """What came out for one half of the names over one base."""

    asked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    undecidable: int = 0
    other: int = 0
    """Variants that are another real name of the base, which is found and no error."""
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    scores: list[tuple[float, bool]] = field(default_factory=list)

    def share(self, kind: str | None = None) -> float:
        if kind is not None:
            return self.found[kind] / max(1, self.asked[kind])
        ways = [way for way in self.asked if way not in NOT_WAYS]
        return sum(self.found[way] for way in ways) / max(1, sum(self.asked[way] for way in ways))


NOT_WAYS = FURTHER | {"stranger", "pair", "absent relation"}
"""What the share of variants found is not about."""
MORE = 1500
"""Names asked for in further ways."""


def measure(names: Names, data: Subjects, test: bool, queries: int, rng: random.Random) -> Half:
    """Ask for variants, strangers, pairs and absent relations."""
    half = Half()
    there = {normalise(name) for name in names.names}
    known = rng.sample([name for name in names.names if held_out(name) == test], queries)
    asked = [(spelled, name) for name in known if (spelled := variant(name, name in data.people, rng)) is not None]
    more = rng.sample(known, MORE) if queries > MORE else []
    asked += [
        (one, name) for name in more if (one := variant(name, name in data.people, rng, further=True)) is not None
    ]
    unclear = undecidable(asked, names.names)
    relations = sorted({relation for own in data.relations.values() for relation in own})
    for (spelled, way), name in asked:
        if normalise(spelled) in there and normalise(spelled) != normalise(name):
            half.other += 1
            continue
        found = _timed(half, names, spelled)
        right = found.named is not None and normalise(found.named.name) == normalise(name)
        if found.named is not None and found.how == "fuzzy":
            half.scores.append((found.score, right))
        half.wrong += found.named is not None and not right
        if (spelled, name) in unclear:
            half.undecidable += 1
            continue
        half.asked[way] += 1
        half.found[way] += right
        for relation in data.relations[name][:1] if way not in FURTHER else []:
            half.asked["pair"] += 1
            if found.named is not None and right:
                own = resolve_relation(names, found.named, asked_as(relation))
                half.found["pair"] += own.named is not None and own.named.name == relation
    outside = [name for name in data.names if stranger(name) and held_out(name) == test]
    outside = [name for name in outside if normalise(name) not in there]
    for name in rng.sample(outside, min(queries, len(outside))):
        half.asked["stranger"] += 1
        taken = _timed(half, names, name)
        half.found["stranger"] += taken.named is not None
        if taken.named is not None:
            half.scores.append((taken.score, False))
    for name in known:
        absent = rng.choice(relations)
        if absent not in data.relations[name]:
            half.asked["absent relation"] += 1
            entity = names.entity(name)
            half.found["absent relation"] += resolve_relation(names, entity, asked_as(absent)).named is not None
    return half


def asked_as(relation: str) -> str:
    """Another name of a relation: one of SYNONYMS, or turned, or in capitals."""
    if relation in SYNONYMS:
        return SYNONYMS[relation]
    first, _, last = relation.partition(" of ")
    return f"{last} {first}" if last and first in ("place", "date", "cause") else relation.title()


def _timed(half: Half, names: Names, query: str) -> Found:
    began, cpu = time.perf_counter(), time.thread_time()
    found = resolve_entity(names, query)
    if found.how not in ("exact", "normalised"):
        half.seconds.append(time.perf_counter() - began)
        half.cpu_seconds.append(time.thread_time() - cpu)
    return found


def real(data: Subjects, folder: Path, table: Table) -> bool:
    """All figures over the real names; whether every target is reached."""
    everybody = [name for name in data.names if not stranger(name)]
    good = True
    for size, base in (("40,000", sorted(random.Random(1).sample(everybody, 40_000))), ("all", everybody)):
        names = Names(base, data.relations, folder / f"names-{size}")
        rng = random.Random(2)
        tuning, test = (measure(names, data, half, 5000, rng) for half in (False, True))
        where = f"{size} subjects"
        good &= _row(table, f"{where}: variants found", tuning.share(), test.share(), 0.95, at_least=True)
        for way in sorted(way for way in test.asked if way not in NOT_WAYS):
            _row(table, f"    {way} ({test.asked[way]:,})", tuning.share(way), test.share(way))
        for way in sorted(FURTHER & set(test.asked)):
            _row(table, f"    apart: {way} ({test.asked[way]:,})", tuning.share(way), test.share(way))
        wrong = [half.wrong / max(1, sum(half.asked.values())) for half in (tuning, test)]
        _row(table, f"{where}: answered with another name", *wrong)
        good &= _row(table, f"{where}: strangers accepted", tuning.share("stranger"), test.share("stranger"), 0.03)
        good &= _row(table, f"{where}: pairs found", tuning.share("pair"), test.share("pair"), 0.95, at_least=True)
        absent = "absent relation"
        good &= _row(table, f"{where}: absent relations answered", tuning.share(absent), test.share(absent), 0.02)
        counted = f"{test.undecidable} undecidable, {test.other} other real names"
        table.add_row(f"{where}: left out of the shares", "", counted, "", "")
        _calibration(table, where, test)
        _speed(table, where, test, None)
    return good


def _calibration(table: Table, where: str, half: Half) -> None:
    for low, high in ((0, 0.7), (0.7, 0.9), (0.9, 0.97)):
        within = [(score, right) for score, right in half.scores if low <= score < high]
        if within:
            said, was = (float(np.mean([one[place] for one in within])) for place in (0, 1))
            table.add_row(f"{where}: score {said:.2f}, of {len(within):,} answers right", "", f"{was:.3f}", "", "")


def made(data: Subjects, folder: Path, table: Table, size: str) -> bool:
    """Speed over as many names; a file that an earlier run has made is measured as it is."""
    path, rng = folder / f"names-{size}", random.Random(3)
    everybody = [name for name in data.names if not stranger(name)]
    if not path.exists():
        began = time.perf_counter()
        forms = (normalise(name) for name in made_up(everybody, SIZES[size], seed=4))
        build(path, enumerate(forms), "benchmark")
        table.add_row(f"{size}: names written, made-up ones made", "", f"{time.perf_counter() - began:,.0f} s", "", "")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        table.add_row(f"{size}: most memory while building", "", f"{peak:.1f} GB", "", "")
    before = resident()
    names = Names.__new__(Names)
    names.arrays = NameArrays(path)
    names.names, names._ids, names._forms = everybody, {}, {}
    names.entities_near = lambda normalised: [  # type: ignore[method-assign]
        Named(number, name) for number, name in name_search.near(names.arrays, normalised, NEAREST)
    ]
    half = Half()
    known = [name for name in rng.sample(everybody, 4000) if held_out(name)]
    for name in known:
        if (spelled := variant(name, name in data.people, rng)) and normalise(spelled[0]) != normalise(name):
            found = _timed(half, names, spelled[0])
            half.asked["variant"] += 1
            half.found["variant"] += found.named is not None and found.named.name == normalise(name)
            half.found["first"] += bool(found.candidates) and found.candidates[0].name == normalise(name)
    for name in (name for name in data.names if stranger(name) and held_out(name)):
        half.asked["stranger"] += 1
        half.found["stranger"] += _timed(half, names, name).named is not None
        if half.asked["stranger"] == 2000:
            break
    told = f"{half.share('variant'):.3f}; {half.found['first'] / half.asked['variant']:.3f} stand first"
    table.add_row(f"{size}: misspelt names taken (none that needs no guess is asked)", "", told, "", "")
    table.add_row(f"{size}: strangers accepted", "", f"{half.share('stranger'):.3f}", "", "")
    assert len(names.arrays) == SIZES[size]
    told = f"{path.stat().st_size / 1e6:,.0f} MB, of which {resident() - before:,.0f} MB were read into memory"
    table.add_row(f"{size}: file of names", "", told, "", "")
    return _speed(table, size, half, (0.6, 2.0))


def _speed(table: Table, where: str, half: Half, targets: tuple[float, float] | None) -> bool:
    wall, cpu = (np.percentile(np.array(of) * 1e3, [50, 99]) for of in (half.seconds, half.cpu_seconds))
    told = [f"{one:.2f} ({two:.2f} of the processor's)" for one, two in zip(wall, cpu, strict=True)]
    passed = [targets is None or one <= target for one, target in zip(wall, targets or (0.0, 0.0), strict=True)]
    for place, what in enumerate(("p50", "p99")):
        verdict = "" if targets is None else "PASS" if passed[place] else "miss"
        table.add_row(f"{where}: fuzzy {what}, ms", "", told[place], f"<= {targets[place]}" if targets else "", verdict)
    return all(passed)


def resident() -> float:
    """What this process has in memory now, mapped files included, in MB."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1000


def _row(
    table: Table, what: str, tuning: float, test: float, target: float | None = None, at_least: bool = False
) -> bool:
    passed = target is None or (test >= target if at_least else test <= target)
    bar = "" if target is None else f"{'>=' if at_least else '<='} {target}"
    table.add_row(what, f"{tuning:.3f}", f"{test:.3f}", bar, "" if target is None else "PASS" if passed else "miss")
    return passed


def main() -> int:
    """Measure, print, and say whether every target was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--size", choices=["real", *SIZES], default="real")
    parser.add_argument("--scratch", type=Path, default=None, help="where the file of names goes for the while")
    parser.add_argument(
        "--keep", type=Path, default=None, help="a folder where made-up names are kept for the next run"
    )
    arguments = parser.parse_args()
    table = Table("", "tuning half", "test half", "target", "")
    data = subjects(arguments.data)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        if arguments.size == "real":
            good = real(data, Path(folder), table)
        else:
            good = made(data, arguments.keep or Path(folder), table, arguments.size)
    Console(width=140).print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
