"""The made-up world as benchmarks: the files that `lamlam eval` reads, about people that no training text named.

`write_benchmarks` fills a folder; `suite.yaml` in it says what `lamlam eval all` does with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import yaml

from lamlam.atomic import write_beside
from lamlam.demo.biography import biography_prompt, documents_about
from lamlam.demo.probes import Probe, probes, reworded, wordings
from lamlam.demo.unlearning_data import as_document, write_rows, write_tofu
from lamlam.demo.world import World
from lamlam.kb import Fact, KnowledgeBase
from lamlam.text import Lookup
from lamlam.text.files import write_documents

_TIMES = ((0, 40), (1, 40), (10, 40), (100, 10))
"""How often facts are read, and how many of each, for the measurement of memory."""

_INFUSED = 20
"""People whose facts are infused, as the infusion curve has it."""

_GENERAL = 400
"""Entities whose documents are the general text of the infusion curve."""


def write_suite(world: World, run: Path, context: int, seed: int) -> None:
    """Write the benchmarks into `run/eval`, and `run/suite.yaml` about them and the models that stand in `run`."""
    write_benchmarks(world, run / "eval", seed)
    suite = {
        "version": 1,
        "models": {
            "LmLm": {"path": "lmlm/model", "kind": "lmlm"},
            "Standard": {"path": "standard/model", "kind": "standard"},
        },
        "base": "eval/facts.db",
        "without": "eval/without.db",
        "context": context,
        "documents": "eval/documents.parquet",
        "questions": "eval/questions.jsonl",
        "names": "eval/people.txt",
        "facts": "eval/facts.jsonl",
        "biography_prompt": biography_prompt("{name}"),
        "memory": "eval/memory.jsonl",
        "memory_documents": "eval/memory.parquet",
        "audit": "eval/audit.jsonl",
        "edits": "eval/edits.jsonl",
        "tofu": "eval/tofu",
        "tofu_documents": "eval/tofu/documents.parquet",
        "infusion": "eval/infusion.parquet",
        "infusion_general": "eval/general.parquet",
        "infusion_questions": "eval/infusion.jsonl",
    }
    (run / "suite.yaml").write_text(yaml.safe_dump(suite, sort_keys=False), encoding="utf-8")


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
    seen = probes(world, world.seen[: len(world.unseen)], seed=seed)
    both = [{**_question(probe), "group": "in the training text", "seen": 1} for probe in seen]
    both += [{**_question(probe), "group": "never seen", "seen": 0} for probe in asked]
    write_rows(folder / "audit.jsonl", both)
    write_rows(folder / "edits.jsonl", _edits(world, seed))
    write_tofu(world, folder / "tofu", seed)
    _memory(world, folder, seed)
    _infusion(world, folder, seed)
    (folder / "people.txt").write_text("".join(f"{name}\n" for name in unseen), encoding="utf-8")
    write_rows(
        folder / "facts.jsonl",
        ({"subject": fact.entity, "relation": fact.relation, "object": fact.value} for fact in world.facts()),
    )
    write_documents(documents_about(world, world.trained[:_GENERAL], seed), folder / "general.parquet")


def _base(path: Path, facts: Iterable[Lookup]) -> None:
    with write_beside(path) as partial, KnowledgeBase.open(partial, create=True) as kb:
        kb.add(Fact(*fact, source="the made-up world") for fact in facts)


def _edits(world: World, seed: int) -> list[dict[str, Any]]:
    """Edits of the facts of half of the unseen people; what must not change is asked about the other half."""
    half = len(world.unseen) // 2
    edited, others = world.unseen[:half], world.unseen[half:]
    elsewhere = probes(world, others, seed=seed)
    rng = Random(f"edits {seed}")
    rows = [
        {
            "prompt": probe.prompt,
            "subject": probe.entity,
            "relation": probe.relation,
            "ground_truth": probe.value,
            "target_new": world.another_value(probe.relation, probe.value, seed),
            "rephrase_prompt": reworded(world, probe, seed).prompt,
            "locality_prompt": rng.choice(elsewhere).prompt,
        }
        for probe in probes(world, edited, seed=seed)
    ]
    rng.shuffle(rows)
    return rows


def _memory(world: World, folder: Path, seed: int) -> None:
    """Facts to be read 0, 1, 10 and 100 times, each as a question and as a document with its call."""
    asked = [one for one in probes(world, world.unseen, seed=seed) if one.relation == "Birth Place"]
    times = [seen for seen, count in _TIMES for _ in range(count)][: len(asked)]
    rows = [{**_question(probe), "seen": seen} for probe, seen in zip(asked, times, strict=False)]
    write_rows(folder / "memory.jsonl", rows)
    documents = [as_document(number, probe) for number, probe in enumerate(asked[: len(rows)])]
    write_documents(documents, folder / "memory.parquet")


def _infusion(world: World, folder: Path, seed: int) -> None:
    """All facts about some of the unseen people, each in all wordings but one as documents, and in that one asked."""
    asked = [one for one in probes(world, world.unseen[:_INFUSED], seed=seed) if world.kinds[one.entity] == "person"]
    told, questions = [], []
    for one in asked:
        held_out, *others = wordings(world, one, seed)
        questions.append(held_out)
        told += others
    write_documents((as_document(number, one) for number, one in enumerate(told)), folder / "infusion.parquet")
    write_rows(folder / "infusion.jsonl", map(_question, questions))


def _question(probe: Probe) -> dict[str, Any]:
    return {"prompt": probe.prompt, "value": probe.value, "entity": probe.entity, "relation": probe.relation}
