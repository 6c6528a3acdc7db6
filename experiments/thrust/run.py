"""When to ask at all: always, never, or as Thrust says, for a model that knows some facts by itself.

    python experiments/thrust/run.py DEMO OUT [famous=40] [copies=60] [seed=0]

DEMO is the folder of `lamlam demo`. Its LmLm goes on training on a text in which some people are famous: most of what
is told of them has no calls, so that their values are learned; see README.md beside this. Then Thrust is fitted to half
of the facts and measured on the other half. What is finished in OUT is not made again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from lamlam.corpus import pack
from lamlam.demo.biography import documents_about
from lamlam.demo.experiment import Demonstration, Scale
from lamlam.demo.probes import Probe, probes
from lamlam.demo.world import World
from lamlam.evaluate.matching import strict
from lamlam.generate import Generation, LookupModel
from lamlam.generate.thrust import Thrust, fit, prompt_states
from lamlam.kb import KnowledgeBase
from lamlam.text import Document
from lamlam.train import make_recipe, pretrain


class Row(NamedTuple):
    """One line of the table: shares are of questions, of people who are famous and of others."""

    asking: str
    lookups: float
    famous: float
    others: float
    right: float
    rate: float


def main() -> None:
    demo, out, *settings = sys.argv[1:]
    values = {"famous": 40, "copies": 60, "seed": 0, **{key: int(value) for key, _, value in map(_split, settings)}}
    folder, base = Path(out), Path(demo) / "facts.db"
    folder.mkdir(parents=True, exist_ok=True)
    world = Demonstration(Path(demo), Scale()).world
    people = Random(values["seed"]).sample(world.seen, 2 * values["famous"])
    famous, others = people[: values["famous"]], people[values["famous"] :]
    model = _train(world, Path(demo), folder, [one.name for one in famous], values["copies"], values["seed"])
    asked = [*probes(world, famous, seed=values["seed"]), *probes(world, others, seed=values["seed"])]
    Random(values["seed"]).shuffle(asked)
    fitted, held_out = asked[::2], asked[1::2]
    questions = folder / "questions.jsonl"
    questions.write_text("".join(json.dumps(one._asdict()) + "\n" for one in fitted))
    lamlam = str(Path(sys.executable).with_name("lamlam"))
    command = [lamlam, "thrust", "fit", str(model), str(questions), str(folder / "thrust"), "--kb", str(base)]
    subprocess.run(command, check=True)
    names = {one.name for one in famous} | {world.value(one.name, "Notable Work") for one in famous}
    with KnowledgeBase.open(base) as kb:
        lm = LookupModel.from_pretrained(model, kb, device="cpu")
        _ask(lm, held_out[:8], "always")  # what is built once is not timed
        alone = lm.generate([one.prompt for one in asked], max_new_tokens=24, max_lookups=0)
        known = [strict(text.text, [one.value]) for one, text in zip(asked, alone, strict=True)]
        states = prompt_states(lm.model, lm.tokenizer, [lm.tokenizer.encode_text(one.prompt) for one in asked])
        drawn = [fit(states, known, seed).separation.auroc for seed in range(8)]
        print("AUROC on held-out halves of all questions, drawn by seeds 0 to 7:", *(f"{one:.2f}" for one in drawn))
        rows = [_ask(lm, held_out, how, names) for how in ("always", "never", Thrust.load(folder / "thrust"))]
    print(f"{len(held_out)} questions, {sum(one.entity in names for one in held_out)} about the famous, {values}")
    print("| asking | lookups per 100 words | right, famous | right, others | right | tokens/s |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.asking} | {row.lookups:.1f} | {row.famous:.1%} | {row.others:.1%} | {row.right:.1%} | "
            f"{row.rate:,.0f} |"
        )


def _train(world: World, demo: Path, out: Path, famous: Sequence[str], copies: int, seed: int) -> Path:
    """Go on training the demonstration's LmLm; the folder of the model."""
    shards = out / "shards"
    if not shards.is_dir():
        text: list[Document] = []
        for copy in range(1, copies + 1):  # copy 0 is what the model has seen
            text += [_plain(one) for one in documents_about(world, famous, seed, copy)]
            if copy % 2:
                text += documents_about(world, famous, seed, copies + copy)
                others = Random(f"{seed} {copy}").sample(world.seen, len(famous))
                text += documents_about(world, [one.name for one in others], seed, copy)
        Random(seed).shuffle(text)
        lm = LookupModel.from_pretrained(demo / "lmlm" / "model", None, device="cpu")
        pack(text, shards, lm.tokenizer, "lmlm")
    recipe = {"data": str(shards), "output": str(out), "model": str(demo / "lmlm" / "model"), "context": 128}
    recipe |= {"batch": 8, "epochs": 1, "optimizer": "muon", "lr": 3e-3, "muon_lr": 0.015, "warmup": 50, "seed": seed}
    return pretrain(make_recipe({**recipe, "save_every": 300})).model


def _plain(document: Document) -> Document:
    return Document(document.id, document.text, (), document.meta)


def _ask(
    lm: LookupModel, asked: Sequence[Probe], how: Literal["always", "never"] | Thrust, famous: Iterable[str] = ()
) -> Row:
    began = time.perf_counter()
    made = lm.generate([one.prompt for one in asked], max_new_tokens=24, max_lookups=4, ask=how)
    seconds = time.perf_counter() - began
    right = [strict(text.text, [one.value]) for one, text in zip(asked, made, strict=True)]
    kinds = {
        kind: [good for good, one in zip(right, asked, strict=True) if (one.entity in famous) == kind]
        for kind in (True, False)
    }
    return Row(
        how if isinstance(how, str) else "as Thrust says",
        100 * sum(len(one.calls) for one in made) / sum(len(one.text.split()) for one in made),
        _share(kinds[True]),
        _share(kinds[False]),
        _share(right),
        sum(_tokens(lm, one) for one in made) / seconds,
    )


def _tokens(lm: LookupModel, made: Generation) -> int:
    return len(lm.tokenizer.encode_text(made.text, first=False))


def _share(right: Sequence[bool]) -> float:
    return sum(right) / max(1, len(right))


def _split(setting: str) -> tuple[str, str, str]:
    return setting.partition("=")


if __name__ == "__main__":
    main()
