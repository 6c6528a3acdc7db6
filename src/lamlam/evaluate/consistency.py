"""ParaRel: whether a model says the same, however it is asked (Elazar et al. 2021).

For each fact, every pair of its paraphrases agrees or not; consistency is the mean over facts of the share of pairs
that do. What a model says is the object of the relation that its text starts with, or else its first words.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations

from lamlam.evaluate.completion import complete
from lamlam.evaluate.matching import first_answer, strict
from lamlam.evaluate.questions import Question
from lamlam.evaluate.task import BASES, Definition, Example, Result, right_and_wrong, share
from lamlam.generate import LookupModel, PolicyName
from lamlam.kb.names import normalise

VERSION = 1


def measure_consistency(
    lm: LookupModel,
    paraphrases: Sequence[Sequence[Question]],
    policy: PolicyName,
    *,
    base: str,
    data: str,
    model: str,
    seed: int = 0,
    limit: int | None = None,
) -> Result:
    """Ask each fact in all its paraphrases. `base`: "full" or "oracle"; of a model without one, "none" is said."""
    began = time.monotonic()
    flat = [question for questions in paraphrases for question in questions]
    done = complete(lm, flat, policy, base=base, split=data, model=model, seed=seed)
    objects: dict[str | None, list[str]] = {}
    for question in flat:
        objects.setdefault(question.relation, []).append(question.value)
    candidates = {relation: sorted(set(values), key=len, reverse=True) for relation, values in objects.items()}
    answers = iter(done.answers)
    consistent, accurate, always, examples = [], [], [], []
    for questions in paraphrases:
        mine = [next(answers) for _ in questions]
        said = [
            _said(answer.text, candidates[question.relation]) for answer, question in zip(mine, questions, strict=True)
        ]
        pairs = [one == other for one, other in combinations(said, 2)]
        consistent.append(sum(pairs) / len(pairs))
        accurate.append(sum(answer.right for answer in mine) / len(mine))
        always.append(float(all(answer.right for answer in mine)))
        examples.append(Example(all(pairs), questions[0].prompt, questions[0].value, " | ".join(said)))
    return Result(
        Definition(
            "consistency", VERSION, data, "facts with at least two paraphrases", "each pattern up to the object",
            "share of pairs of paraphrases with the same answer, mean over facts; accuracy by strict match; consistent "
            "and right: all paraphrases of a fact right",
            BASES[done.base],
            seed, limit,
        ),
        model, done.base, policy,
        {
            "consistency": share(consistent, seed), "accuracy": share(accurate, seed),
            "consistent and right": share(always, seed),
        },
        time.monotonic() - began,
        examples=right_and_wrong(examples, seed),
    )  # fmt: skip


def _said(text: str, candidates: Sequence[str]) -> str:
    """The longest candidate that the text starts with, or else its first answer, as a base would compare them."""
    found = next((candidate for candidate in candidates if strict(text, [candidate])), None)
    return normalise(found or first_answer(text) or "nothing")
