"""The infusion curve (after Lv et al. 2025, arXiv 2509.19371): what stays in the weights, by how often it is repeated.

A model of each size is trained with a fixed number of steps on general text into which the same facts are mixed, each
`repeats` times. Retention is the share of values that are likelier, lookups off, than five decoys of their relation.
It rises with repetition, and where a model is given more than it can hold beside its general text, falls again; the
*collapse point* is the number of repeats at the top of a parabola in log(repeats) fitted to the curve. Where retention
only rises (or falls) over the repeats that were tried, there is none between them, and the figure is left out.
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
from lamlam.evaluate.finetune import Tuning, finetuned
from lamlam.evaluate.memory import retention
from lamlam.evaluate.questions import Question
from lamlam.evaluate.task import Breakdown, Chart, Definition, Metric, Result
from lamlam.generate import LookupModel
from lamlam.model import LookupTokenizer, preset_config
from lamlam.text import Document
from lamlam.text.files import read_documents

VERSION = 1

Sizes = Mapping[str, Callable[[], LookupModel]]
"""Name → a function that makes an untrained model of that size."""


def small_models(tokenizer: LookupTokenizer, sizes: Sequence[str], seed: int) -> Sizes:
    """Untrained Llama-shaped models, named LAYERSxHIDDEN, with heads of 32; LamlamError for other names."""

    def make(layers: int, hidden: int) -> Callable[[], LookupModel]:
        def fresh() -> LookupModel:
            config = preset_config("tiny", tokenizer)
            config.num_hidden_layers, config.hidden_size = layers, hidden
            config.num_attention_heads = config.num_key_value_heads = hidden // 32
            config.head_dim, config.intermediate_size = 32, hidden * 11 // 4
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return LookupModel(AutoModelForCausalLM.from_config(config, dtype=torch.float32), tokenizer, None)

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
    facts: Sequence[tuple[Document, Question]],
    repeats: Sequence[int],
    *,
    data: str,
    kinds: Sequence[Kind] = ("standard", "lmlm"),
    documents: int = 2000,
    tuning: Tuning,
) -> Iterator[Result]:
    """One result a size and kind. Every training sees `documents` documents: the facts `repeats` times, and general
    text for the rest, so that what is repeated more leaves less room. LamlamError where the facts need more.
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
            points: list[tuple[int, Metric]] = []
            for times in repeats:
                mixed = [
                    Document(f"{document.id} {time_}", document.text, document.calls)
                    for time_ in range(times)
                    for document, _ in facts
                ]
                room = documents - len(mixed)
                mixed += [
                    Document(f"general {i}", general[i % len(general)].text, general[i % len(general)].calls)
                    for i in range(room)
                ]
                lm = finetuned(make(), mixed, kind, tuning)
                points.append((times, retention(lm, questions, tuning.seed)))
            yield _result(name, kind, points, data, documents, len(facts), tuning, began)


def read_infusion(path: Path, limit: int | None = None) -> list[tuple[Document, Question]]:
    """Documents of one fact each, and the question that each answers; LamlamError where one has no call."""
    facts = []
    for document in islice(read_documents(path), limit):
        if not document.calls:
            raise LamlamError(f"{path}: document {document.id} has no call; each needs the call of its one fact")
        at, lookup, _ = document.calls[0]
        prompt = document.text[:at].rstrip()
        facts.append((document, Question(prompt, lookup.value, lookup.entity, lookup.relation)))
    return facts


def collapse_point(points: Sequence[tuple[float, float]]) -> float | None:
    """The repeats at the top of a parabola in log(repeats) through the retention; None where it has no top between
    the first point and the last, or there are fewer than three points."""
    kept = [(math.log(times), value) for times, value in points if times > 0]
    if len(kept) < 3:
        return None
    x, y = np.array(kept).T
    bend, slope, _ = np.polyfit(x, y, 2)
    if bend >= 0:
        return None
    top = -slope / (2 * bend)
    return float(math.exp(top)) if x.min() < top < x.max() else None


def _result(
    size: str, kind: Kind, points: Sequence[tuple[int, Metric]], data: str, documents: int, facts: int, tuning: Tuning,
    began: float,
) -> Result:  # fmt: skip
    curve = [(times, metric.value) for times, metric in points]
    metrics = {f"retention, {times} times": metric for times, metric in points}
    top = collapse_point(curve)
    if top is not None:
        metrics["collapse point (times)"] = Metric(top, unit="number")
    return Result(
        Definition(
            "infusion", VERSION, data, f"{facts} facts mixed into general text, {documents} documents a training",
            "as in the file", "share of values likelier than five decoys of their relation", "lookups off", tuning.seed,
        ),
        f"{kind}, {size}", "none", "none", metrics, time.monotonic() - began,
        [Breakdown("infusion", ("times", "retention"), curve)],
        [Chart(f"infusion, {kind}, {size}", "lines", "repeats", "retention", {kind: curve}, log_x=True)],
        notes=[] if top is not None else ["No collapse between the fewest and the most repeats that were tried."],
    )  # fmt: skip
