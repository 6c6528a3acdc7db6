"""How much of the facts sits in the weights: the probability of their values with lookups off.

Questions say how often training text states their fact (`seen`); the figures are by that. With lookups off the model
cannot open a call, and the value is scored as plain text after the prompt. A model that keeps its facts in a base stays
at what it gives to values of facts it never read (`seen` 0, or the decoys: values of other questions about the same
relation), however often a fact was repeated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

from lamlam.corpus import Kind
from lamlam.errors import LamlamError
from lamlam.evaluate.finetune import Tuning, finetuned
from lamlam.evaluate.probability import answer_scores
from lamlam.evaluate.questions import Question, check_questions
from lamlam.evaluate.task import Breakdown, Chart, Definition, Example, Result, drawn, share
from lamlam.generate import LookupModel
from lamlam.text import Document

VERSION = 2


def measure_memory(
    lm: LookupModel, questions: Sequence[Question], *, data: str, model: str, seed: int = 0, limit: int | None = None
) -> Result:
    """The probability of values, by how often the facts were seen; `lm` is used without its base.

    Recalled: the value is likelier than its decoy. LamlamError where a question does not say how often it was seen.
    `limit`: questions in all, as many of each number of times as there are.
    """
    began = time.monotonic()
    check_questions(questions, data)
    unsaid = sum(question.seen is None for question in questions)
    if unsaid:
        raise LamlamError(f"{data}: {unsaid} questions do not say how often their fact was seen; give each a 'seen'")
    by_seen = _by_seen(questions, limit, seed)
    plain = LookupModel(lm.model, lm.tokenizer, None)
    rows, metrics, examples = [], {}, []
    for seen, some in by_seen.items():
        decoys = _decoys(some, questions, seed)
        own = [score.probability for score in answer_scores(plain, [(one.prompt, one.value) for one in some])]
        others = [
            score.probability
            for score in answer_scores(plain, [(o.prompt, d) for o, d in zip(some, decoys, strict=True)])
        ]
        recalled = [one > other for one, other in zip(own, others, strict=True)]
        metrics[f"probability, seen {seen}"] = share(own, seed)
        metrics[f"likelier than a decoy, seen {seen}"] = share([float(one) for one in recalled], seed)
        rows.append([seen, len(some), sum(own) / len(own), sum(others) / len(others), sum(recalled) / len(recalled)])
        examples += [
            Example(right, one.prompt, one.value, f"p = {p:.3f}", f"seen {seen} times, decoy {d!r} p = {q:.3f}")
            for one, d, p, q, right in drawn(list(zip(some, decoys, own, others, recalled, strict=True)), seed, 2)
        ]
    curves = {name: [(max(row[0], 0.5), row[column]) for row in rows] for column, name in ((2, "value"), (3, "decoy"))}
    return Result(
        Definition(
            "memory", VERSION, data, "facts by how often training text states them", "as in the file",
            "geometric mean of the probabilities of the value's tokens; decoy: another value of the same relation",
            "lookups off", seed, limit,
        ),
        model, "none", "none", metrics, time.monotonic() - began,
        [Breakdown("by times seen", ("seen", "facts", "p(value)", "p(decoy)", "value likelier"), rows)],
        [Chart("values in the weights", "lines", "times seen (0.5: never)", "probability", curves, log_x=True)],
        examples,
    )  # fmt: skip


def tuned_on(
    lm: LookupModel, questions: Sequence[Question], documents: Sequence[Document], kind: Kind, tuning: Tuning
) -> LookupModel:
    """A copy of the model that has seen each question's document as often as the question says.

    Document i is question i's. LamlamError where there are not as many of one as of the other.
    """
    if len(questions) != len(documents):
        raise LamlamError(f"{len(documents)} documents for {len(questions)} questions; each question needs its own")
    repeated = [
        Document(f"{number} {time_}", document.text, document.calls)
        for number, (question, document) in enumerate(zip(questions, documents, strict=True))
        for time_ in range(question.seen or 0)
    ]
    return finetuned(lm, repeated, kind, tuning)


def _by_seen(questions: Sequence[Question], limit: int | None, seed: int) -> dict[int, list[Question]]:
    groups: dict[int, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.seen or 0, []).append(question)
    if limit is not None:
        each = max(1, limit // len(groups))
        groups = {seen: drawn(some, seed, each) for seen, some in groups.items()}
    return dict(sorted(groups.items()))


def _decoys(some: Sequence[Question], all_questions: Sequence[Question], seed: int) -> list[str]:
    values: dict[str | None, list[str]] = {}
    for question in all_questions:
        values.setdefault(question.relation, []).append(question.value)
    pools = {relation: sorted(set(given)) for relation, given in values.items()}
    everything = sorted({question.value for question in all_questions})
    rng = Random(f"memory {seed}")
    found = []
    for question in some:
        others = [value for value in pools[question.relation] if value != question.value]
        others = others or [value for value in everything if value != question.value]
        found.append(rng.choice(others) if others else "unknown")
    return found
