"""The demonstration: Standard and LmLm, the same size on the same text, asked about people that neither has read of.

It makes the world, packs its text twice (with calls and without), trains both models, and measures how often each
states the right value, about the people of the training text and about others who are only in the base; then it edits
facts in the base and forgets some, and asks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from lamlam.corpus import Kind, pack, tokenizer_texts
from lamlam.demo.benchmark import write_suite
from lamlam.demo.biography import documents
from lamlam.demo.probes import Probe, probes
from lamlam.demo.world import Person, World, make_world
from lamlam.evaluate.completion import CompletionResult, complete
from lamlam.evaluate.matching import strict
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.beside import remove_beside
from lamlam.model import LookupTokenizer, train_tokenizer
from lamlam.train import LogLine, Recipe, make_recipe, pretrain

KINDS: tuple[Kind, Kind] = ("standard", "lmlm")


@dataclass(frozen=True)
class Scale:
    """How large the demonstration is; the defaults are what `make demo` runs."""

    people: int = 4000
    unseen: int = 200
    copies: int = 1
    vocabulary: int = 448
    """Small, so that names fall into pieces that come up often: a tiny model copies only what it has seen often."""
    steps: int = 1600
    batch: int = 8
    """Small batches: exact copying comes with the number of steps more than with the number of tokens."""
    context: int = 128
    questions: int = 400
    """Questions for each figure."""
    seed: int = 0


class Changed(NamedTuple):
    """What became of answers after the base was changed. `answers`: how many were right before; `share`: of them, how
    many give the new value (after an edit), or still the old one (after forgetting)."""

    answers: int
    share: float


@dataclass(frozen=True)
class Findings:
    """Everything that the demonstration measured. `seconds`: of each stage."""

    scale: Scale
    accuracy: dict[str, CompletionResult]
    """By "standard seen", "standard unseen", "lmlm seen", "lmlm unseen"."""
    chance: float
    edited: Changed
    forgotten: Changed
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return {
            "scale": asdict(self.scale),
            "accuracy": {name: result.to_json() for name, result in self.accuracy.items()},
            "chance": self.chance,
            "edited": self.edited._asdict(),
            "forgotten": self.forgotten._asdict(),
            "seconds": self.seconds,
        }


class Demonstration:
    """The demonstration in a folder. Models that were trained there before, at the same scale, are used again."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder, self.scale = folder, scale
        self.world: World = make_world(scale.seed, scale.people, scale.unseen)
        self.seconds: dict[str, float] = {}

    def recipe(self, kind: Kind) -> Recipe:
        """The recipe of both trainings, which differ in their shards only."""
        return make_recipe(
            {
                "data": str(self.folder / f"shards-{kind}"),
                "output": str(self.folder / kind),
                "model": "tiny",
                "context": self.scale.context,
                "batch": self.scale.batch,
                "steps": self.scale.steps,
                "optimizer": "muon",
                "lr": 6e-3,
                "muon_lr": 0.03,
                "warmup": max(1, self.scale.steps // 18),
                "seed": self.scale.seed,
                "save_every": 300,
            }
        )

    def prepare(self) -> None:
        """Write the text, packed for both kinds with one tokenizer, and the base with every fact of the world."""
        began = time.monotonic()
        told = documents(self.world, self.scale.seed, self.scale.copies)
        tokenizer: LookupTokenizer = train_tokenizer(tokenizer_texts(told), self.scale.vocabulary)
        for kind in KINDS:
            pack(told, self.folder / f"shards-{kind}", tokenizer, kind)
        (self.folder / "facts.db").unlink(missing_ok=True)
        remove_beside(self.folder / "facts.db")
        with self.base(create=True) as kb:
            kb.add((Fact(*fact, source="the made-up world") for fact in self.world.facts()), author="lamlam demo")
        write_suite(self.world, self.folder, self.scale.context, self.scale.seed)
        self.seconds["text and base"] = time.monotonic() - began

    def base(self, create: bool = False) -> KnowledgeBase:
        """The demonstration's base."""
        return KnowledgeBase.open(self.folder / "facts.db", create=create)

    def train(self, kind: Kind, on_log: Callable[[LogLine, int], None]) -> None:
        """Train one of the two models, unless that was done before."""
        self.seconds[f"training {kind}"] = pretrain(self.recipe(kind), on_log).seconds

    def model(self, kind: Kind, kb: KnowledgeBase | None) -> LookupModel:
        """One of the two trained models."""
        return LookupModel.from_pretrained(self.folder / kind / "model", kb, device="cpu")

    def measure(self) -> Findings:
        """Ask both models about seen and unseen people, then change the base and ask LmLm again."""
        began = time.monotonic()
        accuracy: dict[str, CompletionResult] = {}
        asked = {"seen": self.questions(self.world.seen), "unseen": self.questions(self.world.unseen)}
        with self.base() as kb:
            for kind in KINDS:
                lm = self.model(kind, kb if kind == "lmlm" else None)
                for split, questions in asked.items():
                    accuracy[f"{kind} {split}"] = complete(
                        lm, questions, base="the whole world", split=split, model=kind, seed=self.scale.seed
                    )
            known = self._answered_rightly(lm, asked["unseen"])
            half = len(known) // 2
            edited, forgotten = self._edit(lm, kb, known[:half]), self._forget(lm, kb, known[half:])
        chance = sum(self.world.chance(question.relation) for question in asked["unseen"]) / len(asked["unseen"])
        self.seconds["asking, editing, forgetting"] = time.monotonic() - began
        return Findings(self.scale, accuracy, chance, edited, forgotten, self.seconds)

    def questions(self, people: Sequence[Person]) -> list[Probe]:
        """Questions about some of `people`, drawn from the seed; no fact is asked twice."""
        every = probes(self.world, people, seed=self.scale.seed)
        return Random(self.scale.seed).sample(every, min(self.scale.questions, len(every)))

    def _edit(self, lm: LookupModel, kb: KnowledgeBase, questions: list[Probe]) -> Changed:
        edits = []
        for question in questions:
            new = self.world.another_value(question.relation, question.value, self.scale.seed)
            kb.set(question.entity, question.relation, new, author="lamlam demo", reason="edit")
            edits.append(question._replace(value=new))
        return Changed(len(edits), len(self._answered_rightly(lm, edits)) / max(1, len(edits)))

    def _forget(self, lm: LookupModel, kb: KnowledgeBase, questions: list[Probe]) -> Changed:
        for question in questions:
            kb.forget(question.entity, question.relation)
        return Changed(len(questions), len(self._answered_rightly(lm, questions)) / max(1, len(questions)))

    def _answered_rightly(self, lm: LookupModel, questions: list[Probe]) -> list[Probe]:
        texts = lm.generate([question.prompt for question in questions], max_new_tokens=24, max_lookups=4)
        return [q for q, generation in zip(questions, texts, strict=True) if strict(generation.text, [q.value])]
