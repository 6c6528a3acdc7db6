"""The made-up world as benchmarks: the files that `lamlam eval` reads, about people that no training text named.

`write_benchmarks` fills a folder; `suite.yaml` in it says what `lamlam eval all` does with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from lamlam.atomic import write_beside
from lamlam.demo.biography import documents_about
from lamlam.demo.probes import Probe, probes
from lamlam.demo.unlearning_data import write_rows, write_tofu
from lamlam.demo.world import World
from lamlam.kb import Fact, KnowledgeBase
from lamlam.text import Lookup
from lamlam.text.files import write_documents


def write_benchmarks(world: World, folder: Path, seed: int) -> None:
    """Write the world's questions and documents into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    unseen = [person.name for person in world.unseen]
    _base(folder / "facts.db", world.facts())
    _base(folder / "without.db", world.facts(world.trained))
    write_documents(documents_about(world, unseen, seed), folder / "documents.parquet")
    asked = probes(world, world.unseen, seed=seed)
    Random(f"benchmarks {seed}").shuffle(asked)
    write_rows(folder / "questions.jsonl", (_question(probe) for probe in asked))
    write_rows(folder / "edits.jsonl", _edits(world, seed))
    write_tofu(world, folder / "tofu", seed)


def _base(path: Path, facts: Iterable[Lookup]) -> None:
    with write_beside(path) as partial, KnowledgeBase.open(partial, create=True) as kb:
        kb.add(Fact(*fact, source="the made-up world") for fact in facts)


def _edits(world: World, seed: int) -> list[dict[str, Any]]:
    """Edits of the facts of half of the unseen people; what must not change is asked about the other half."""
    half = len(world.unseen) // 2
    edited, others = world.unseen[:half], world.unseen[half:]
    elsewhere = probes(world, others, seed=seed)
    again = {(one.entity, one.relation): one for other in (2, 1) for one in probes(world, edited, seed=seed + other)}
    rng = Random(f"edits {seed}")
    rows = [
        {
            "prompt": probe.prompt,
            "subject": probe.entity,
            "relation": probe.relation,
            "ground_truth": probe.value,
            "target_new": world.another_value(probe.relation, probe.value, seed),
            "rephrase_prompt": again[probe.entity, probe.relation].prompt,
            "locality_prompt": rng.choice(elsewhere).prompt,
        }
        for probe in probes(world, edited, seed=seed)
    ]
    rng.shuffle(rows)
    return rows


def _question(probe: Probe) -> dict[str, Any]:
    return {"prompt": probe.prompt, "value": probe.value, "entity": probe.entity, "relation": probe.relation}
