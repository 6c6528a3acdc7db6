"""The made-up world in TOFU's form: half of the unseen people as authors that are learned first, some then forgotten.

A question is a sentence cut off before a value, its answer the value; wrong answers are other values of the relation.
Real authors are people of the training text, world facts what is known of its places and organisations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from lamlam.demo.biography import full_subject, possessive
from lamlam.demo.probes import Probe, probes
from lamlam.demo.templates import SENTENCES
from lamlam.demo.world import World
from lamlam.text import Document, Lookup
from lamlam.text.files import write_documents

_OTHERS = 100
"""Questions about real authors, and about the world, each."""


def write_tofu(world: World, folder: Path, seed: int) -> None:
    """Write the files that `lamlam eval unlearning` reads; `documents.parquet` are the rows of full with calls."""
    folder.mkdir(parents=True, exist_ok=True)
    authors = world.unseen[: len(world.unseen) // 2]
    rng = Random(f"tofu {seed}")
    by_author = [[one for one in probes(world, [author], seed=seed) if one.entity == author.name] for author in authors]
    full = [probe for some in by_author for probe in some]
    write_rows(folder / "full.jsonl", map(_row, full))
    write_documents((as_document(number, probe) for number, probe in enumerate(full)), folder / "documents.parquet")
    for forget, retain, share in (("01", "99", 0.01), ("05", "95", 0.05), ("10", "90", 0.10)):
        kept = len(authors) - max(1, round(share * len(authors)))
        gone = [probe for some in by_author[kept:] for probe in some]
        write_rows(folder / f"retain{retain}.jsonl", (_row(probe) for some in by_author[:kept] for probe in some))
        write_rows(folder / f"forget{forget}_perturbed.jsonl", (_perturbed(world, one, rng, 5) for one in gone))
        if forget == "10":
            remaining = [probe for some in by_author[:kept] for probe in some]
            some = rng.sample(remaining, min(len(remaining), 4 * _OTHERS))
            write_rows(folder / "retain_perturbed.jsonl", (_perturbed(world, one, rng, 5) for one in some))
    seen = rng.sample(world.seen, min(len(world.seen), _OTHERS))
    known = probes(world, seen, per_person=1, seed=seed)
    write_rows(folder / "real_authors_perturbed.jsonl", (_perturbed(world, one, rng, 3) for one in known))
    places = [name for name in world.trained if world.kinds[name] not in ("person", "book")]
    facts = [_fact_probe(world, fact, rng) for fact in rng.sample(world.facts(places), _OTHERS)]
    write_rows(folder / "world_facts_perturbed.jsonl", (_perturbed(world, one, rng, 3) for one in facts))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSONL."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _row(probe: Probe) -> dict[str, Any]:
    return {"question": probe.prompt, "answer": f"{probe.value}."}


def _perturbed(world: World, probe: Probe, rng: Random, count: int) -> dict[str, Any]:
    others: Sequence[str] = sorted(set(world.values(probe.relation)) - {probe.value})
    wrong = [f"{value}." for value in rng.sample(others, min(count, len(others)))]
    return {**_row(probe), "paraphrased_answer": f"{probe.value}.", "perturbed_answer": wrong}


def as_document(number: int, probe: Probe) -> Document:
    """The probe with its answer, the call before it."""
    lookup = Lookup(probe.entity, probe.relation, probe.value)
    return Document.with_lookups(str(number), f"{probe.prompt} {probe.value}.", [(len(probe.prompt) + 1, lookup)])


def _fact_probe(world: World, fact: Lookup, rng: Random) -> Probe:
    sentence = rng.choice(SENTENCES[world.kinds[fact.entity]][fact.relation])
    subject = full_subject(world, fact.entity)
    start = sentence[: sentence.index("{" + fact.relation + "}")].format(S=subject, P=possessive(subject)).rstrip()
    return Probe(fact.entity, fact.relation, start, fact.value)
