"""Completion: a sentence cut off before a value, and whether the model goes on with that value, by strict match.

The continuation is right where the clean text (no calls), leading white space removed, starts with the value and no
letter, digit or combining mark follows it: "Paris" is given by "Paris, where", not by "Parisian" or "in Paris".
This is strict; the paper's own match for T-REx (table "T-REx EM") is more lenient.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Protocol

from lamlam.errors import LamlamError
from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.generate import AnsweredCall, Generation, LookupModel
from lamlam.generate.lookup_model import PolicyName
from lamlam.kb.names import normalise

EXAMPLES = 5
"""How many right answers, and how many wrong ones, a result keeps."""

_ROOM = 8
"""Tokens beyond the longest value's: white space before it, and a word after it that shows whether it ended."""

_MAX_LOOKUPS = 8
"""Calls a continuation may make; a model that does nothing but ask would not come to an end."""


class AnyQuestion(Protocol):
    """What `complete` needs of a question: `prompt` goes on, rightly, with white space and `value`.

    `entity` and `relation` name the fact asked for, as the base has it; None where that is not known.
    """

    @property
    def prompt(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> str: ...  # noqa: D102
    @property
    def entity(self) -> str | None: ...  # noqa: D102
    @property
    def relation(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Question:
    """A question as files hold it (`lamlam.evaluate.questions`)."""

    prompt: str
    value: str
    entity: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of one question. `text` is the clean continuation as it was written.

    `queries` are the (entity, relation) asked before the first word of the text; `answered`: the base had a match for
    one of them. `asked_right`: one of them is the question's own, but for case, accents and punctuation as the base
    ignores them; None where the question does not say.
    """

    prompt: str
    value: str
    entity: str | None
    relation: str | None
    text: str
    right: bool
    queries: tuple[tuple[str, str], ...]
    asked_right: bool | None
    answered: bool


@dataclass(frozen=True, slots=True)
class RelationScore:
    """The questions of one relation: how many, and how many of them were completed rightly."""

    relation: str
    questions: int
    right: int

    @property
    def accuracy(self) -> float:
        """The share completed rightly, 0 to 1."""
        return self.right / self.questions


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """Strict completion accuracy of one model, with what it was measured on. Shares go from 0 to 1.

    `interval`: 95 % bootstrap over questions, of `accuracy`. `asked`: the share of questions in which the model asked
    anything before its first word; `answered`: in which the base had an answer to that; `asked_right`: in which it
    asked for the question's own fact, out of those that name it, None where none does. What is asked later in a text
    is not counted, so the shares do not depend on how long the continuations are. Decoding is greedy; `seed` draws
    the bootstrap and the examples. `relations` is sorted by name; questions without a relation are not in it.
    """

    model: str
    base: str
    split: str
    policy: str
    seed: int
    questions: int
    accuracy: float
    interval: Interval
    asked: float
    asked_right: float | None
    answered: float
    relations: tuple[RelationScore, ...]
    right_examples: tuple[Answer, ...]
    wrong_examples: tuple[Answer, ...]

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values, with `task` and its `version` before its fields."""
        fields = {**asdict(self), "interval": list(self.interval)}
        fields["relations"] = [{**asdict(score), "accuracy": score.accuracy} for score in self.relations]
        return {"task": "completion", "version": 1, "decoding": "greedy", **fields}


def complete(
    lm: LookupModel,
    questions: Sequence[AnyQuestion],
    policy: PolicyName = "abstain",
    max_new_tokens: int | None = None,
    *,
    base: str,
    split: str,
    model: str = "",
    seed: int = 0,
    batch_size: int = 64,
) -> CompletionResult:
    """Let `lm` complete the questions greedily, and say how often it did so rightly.

    `base`, `split` and `model` are names for the result; of a model without a base, the result says "none" instead of
    `base`. `max_new_tokens` None gives room for the longest value and a word more; a continuation that is cut off right
    after the value counts as ended there. LamlamError where there is no question, a question has no value, or a prompt
    does not fit the model's window.
    """
    if not questions:
        raise LamlamError(f"{split}: no questions to ask; give at least one")
    for number, question in enumerate(questions, start=1):
        if not question.value.strip():
            raise LamlamError(f"{split}, question {number} has no value ({question.prompt[:80]!r}); give it one")
    if max_new_tokens is None:
        values = {question.value for question in questions}
        longest = max(len(lm.tokenizer.encode_text(f" {value.strip()}", first=False)) for value in values)
        max_new_tokens = longest + _ROOM
    generations = lm.generate(
        [question.prompt for question in questions],
        max_new_tokens=max_new_tokens,
        max_lookups=_MAX_LOOKUPS,
        policy=policy,
        batch_size=batch_size,
    )
    answers = [_answer(question, generation) for question, generation in zip(questions, generations, strict=True)]
    told = [answer.asked_right for answer in answers if answer.asked_right is not None]
    right, wrong = ([answer for answer in answers if answer.right is which] for which in (True, False))
    return CompletionResult(
        model=model,
        base=base if lm.kb is not None else "none",
        split=split,
        policy=policy,
        seed=seed,
        questions=len(answers),
        accuracy=len(right) / len(answers),
        interval=ratio_interval([answer.right for answer in answers], [1] * len(answers), seed),
        asked=sum(bool(answer.queries) for answer in answers) / len(answers),
        asked_right=sum(told) / len(told) if told else None,
        answered=sum(answer.answered for answer in answers) / len(answers),
        relations=_by_relation(answers),
        right_examples=_some(right, seed),
        wrong_examples=_some(wrong, seed),
    )


def is_right(text: str, value: str) -> bool:
    """Whether a continuation gives the value: it starts with it, white space aside, and the word ends there."""
    text, value = text.lstrip(), value.strip()
    following = text[len(value) : len(value) + 1]
    in_word = following.isalnum() or (following != "" and unicodedata.category(following).startswith("M"))
    return text.startswith(value) and not in_word


def _answer(question: AnyQuestion, generation: Generation) -> Answer:
    calls = [call for call in generation.calls if not generation.text[: call.at].strip()]
    return Answer(
        question.prompt,
        question.value,
        question.entity,
        question.relation,
        generation.text,
        is_right(generation.text, question.value),
        tuple((call.entity, call.relation) for call in calls),
        _asked_right(question, calls),
        any(call.match is not None for call in calls),
    )


def _asked_right(question: AnyQuestion, calls: Sequence[AnsweredCall]) -> bool | None:
    if question.entity is None or question.relation is None:
        return None
    wanted = (normalise(question.entity), normalise(question.relation))
    return any((normalise(call.entity), normalise(call.relation)) == wanted for call in calls)


def _by_relation(answers: Sequence[Answer]) -> tuple[RelationScore, ...]:
    counts: dict[str, list[bool]] = {}
    for answer in answers:
        if answer.relation is not None:
            counts.setdefault(answer.relation, []).append(answer.right)
    return tuple(RelationScore(relation, len(rights), sum(rights)) for relation, rights in sorted(counts.items()))


def _some(answers: Sequence[Answer], seed: int) -> tuple[Answer, ...]:
    """A few answers drawn at random, since the first ones of a file are often alike."""
    return tuple(Random(seed).sample(answers, min(EXAMPLES, len(answers))))
