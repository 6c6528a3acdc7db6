"""The infusion curve (after Lv et al. 2025, arXiv 2509.19371): what stays in the weights, by how often it is repeated.

A model of each size is trained with a fixed number of steps on general text into which the same facts are mixed, each
`repeats` times. *Retention* is the share of values that the model goes on with, greedily and strictly, lookups off;
asked in other words than those that were repeated where questions are given, since a text by heart is no knowledge yet.
It rises with repetition, and falls again where what is repeated leaves too little room for the general text: the
*collapse point* is the number of repeats at the top of the curve, by a parabola in log(repeats) through its highest
point and those beside it. Where retention does not fall from its highest by more than chance (the 95 % interval of the
fall over the facts begins above zero), there is none among the repeats that were tried, and the figure is left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from lamlam.corpus import Kind
from lamlam.errors import LamlamError
from lamlam.evaluate.completion import complete
from lamlam.evaluate.finetune import Tuning, finetuned
from lamlam.evaluate.questions import Question, read_questions
from lamlam.evaluate.task import Breakdown, Chart, Definition, Metric, Result, difference, share
from lamlam.generate import LookupModel
from lamlam.model import LookupTokenizer, preset_config
from lamlam.text import Document
from lamlam.text.files import read_documents

VERSION = 3

Sizes = Mapping[str, Callable[[], LookupModel]]
"""Name → a function that makes an untrained model of that size."""


def small_models(tokenizer: LookupTokenizer, sizes: Sequence[str], seed: int, device: str = "cpu") -> Sizes:
    """Untrained Llama-shaped models, named LAYERSxHIDDEN, with heads of 32; LamlamError for other names.

    Their first weights are the same on every device.
    """

    def make(layers: int, hidden: int) -> Callable[[], LookupModel]:
        def fresh() -> LookupModel:
            config = preset_config("tiny", tokenizer)
            config.num_hidden_layers, config.hidden_size = layers, hidden
            config.num_attention_heads = config.num_key_value_heads = hidden // 32
            config.head_dim, config.intermediate_size = 32, hidden * 11 // 4
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            return LookupModel(model.to(device), tokenizer, None)

        return fresh

    made = {}
    for size in sizes:
        layers, times, hidden = size.partition("x")
        if not (
            times and layers.isdigit() and hidden.isdigit() and int(layers) and int(hidden) and int(hidden) % 32 == 0
        ):
            raise LamlamError(f"{size!r} is no size: write LAYERSxHIDDEN such as 2x64, the second a multiple of 32")
        made[size] = make(int(layers), int(hidden))
    return made


def infuse(
    sizes: Sizes,
    general: Sequence[Document],
    facts: Sequence[tuple[Sequence[Document], Question]],
    repeats: Sequence[int],
    *,
    data: str,
    kinds: Sequence[Kind] = ("standard", "lmlm"),
    documents: int = 2000,
    tuning: Tuning,
) -> Iterator[Result]:
    """One result a size and kind. Every training sees `documents` documents: the facts `repeats` times, and general
    text for the rest, so that what is repeated more leaves less room. Of a fact in several documents each is read in
    turn. LamlamError where the facts need more.
    """
    most = max(repeats) * len(facts)
    if most > documents:
        raise LamlamError(
            f"{len(facts)} facts {max(repeats)} times are {most} documents, more than the {documents} of a training"
        )
    questions = [question for _, question in facts]
    for name, make in sizes.items():
        for kind in kinds:
            began = time.monotonic()
            points: list[tuple[int, list[float]]] = []
            for times in sorted(repeats):
                turns = ((time_, told[time_ % len(told)]) for time_ in range(times) for told, _ in facts)
                mixed = [Document(f"{one.id} {time_}", one.text, one.calls) for time_, one in turns]
                room = documents - len(mixed)
                mixed += [
                    Document(f"general {i}", general[i % len(general)].text, general[i % len(general)].calls)
                    for i in range(room)
                ]
                lm = finetuned(make(), mixed, kind, tuning)
                points.append((times, _recalled(lm, questions)))
            yield _result(name, kind, points, data, documents, len(facts), tuning, began)


def read_infusion(
    path: Path, limit: int | None = None, asked: Path | None = None
) -> list[tuple[list[Document], Question]]:
    """The first `limit` facts: the documents that state each one, in so many wordings, and the question about it.

    A document's first call is its fact. The question is the first document's own words, or the first one in the file
    `asked` about the same fact. LamlamError where a document has no call, or there is no question about its fact.
    """
    others = {} if asked is None else {(one.entity, one.relation): one for one in reversed(read_questions(asked))}
    told: dict[tuple[str, str], list[Document]] = {}
    for document in read_documents(path):
        if not document.calls:
            raise LamlamError(f"{path}: document {document.id} has no call; each needs the call of its one fact")
        told.setdefault(document.calls[0].lookup[:2], []).append(document)
    facts = []
    for key, documents in islice(told.items(), limit):
        first = documents[0]
        at, lookup, _ = first.calls[0]
        question = Question(first.text[:at].rstrip(), lookup.value, lookup.entity, lookup.relation)
        if asked is not None:
            if key not in others:
                raise LamlamError(f"{asked}: no question asks for {lookup.relation!r} of {lookup.entity!r}; add one")
            question = others[key]
        facts.append((documents, question))
    return facts


def _recalled(lm: LookupModel, questions: Sequence[Question]) -> list[float]:
    plain = LookupModel(lm.model, lm.tokenizer, None)
    done = complete(plain, questions, base="none", split="infused facts")
    return [float(answer.right) for answer in done.answers]


def collapse_point(points: Sequence[tuple[float, float]]) -> float | None:
    """The repeats at the top of the parabola in log(repeats) through the highest point and its two neighbours.

    `points`: (repeats, retention), repeats rising. None where the first point or the last is the highest. Of several
    that are equally high the first is taken. The rest of the curve, flat where facts are repeated too seldom to stay,
    says nothing about where the top is.
    """
    points = [point for point in points if point[0] > 0]
    top = max(range(len(points)), key=lambda place: points[place][1], default=0)
    if not 0 < top < len(points) - 1:
        return None
    x, y = np.array([(math.log(times), value) for times, value in points[top - 1 : top + 2]]).T
    bend, slope, _ = np.polyfit(x, y, 2)
    return float(math.exp(-slope / (2 * bend)))


def _result(
    size: str, kind: Kind, points: Sequence[tuple[int, list[float]]], data: str, documents: int, facts: int,
    tuning: Tuning, began: float,
) -> Result:  # fmt: skip
    seed = tuning.seed
    metrics = {f"retention, {times} times": share(recalled, seed) for times, recalled in points}
    curve = [(times, sum(recalled) / len(recalled)) for times, recalled in points]
    best = max(points, key=lambda point: sum(point[1]))
    falls = metrics["falls from its highest by"] = difference(best[1], points[-1][1], seed)
    top = collapse_point(curve) if falls.low is not None and falls.low > 0 else None
    if top is not None:
        metrics["collapse point (times)"] = Metric(top, unit="number")
    return Result(
        Definition(
            "infusion", VERSION, data, f"{facts} facts mixed into general text, {documents} documents a training",
            "as in the questions", "share of values recalled, greedy, strict; falls: from the highest to the most "
            "repeats; collapse point: top of a parabola in log(repeats), where that fall is beyond chance",
            "lookups off", seed,
        ),
        f"{kind}, {size}", "none", "none", metrics, time.monotonic() - began,
        [Breakdown("infusion", ("times", "retention"), curve)],
        [Chart(f"infusion, {kind}, {size}", "lines", "repeats", "share", {kind: curve}, log_x=True)],
        notes=[] if top is not None else ["No collapse between the fewest and the most repeats that were tried."],
    )  # fmt: skip
