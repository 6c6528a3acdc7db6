"""Completion: a sentence cut off before a value, and whether the model goes on with that value.

Decoding is greedy. Three ways to count (`lamlam.evaluate.matching`): strict, the peer's lenient one (the paper's
"T-REx EM"), and the first answer containing the value.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamlam.evaluate.bootstrap import Interval
from lamlam.evaluate.matching import contains, peer_lenient, strict
from lamlam.evaluate.questions import AnyQuestion, accepted, check_questions, group_of
from lamlam.evaluate.task import BASES, Breakdown, Chart, Definition, Example, Metric, Result, right_and_wrong, share
from lamlam.generate import AnsweredCall, Generation, LookupModel, PolicyName
from lamlam.kb.names import normalise

VERSION = 2

_ROOM = 8
"""Tokens beyond the longest value's: white space before it, and a word after it that shows whether it ended."""

_MAX_LOOKUPS = 8
"""Calls a continuation may make; a model that does nothing but ask would not come to an end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of one question. `text` is the clean continuation as it was written.

    `queries` are the (entity, relation) asked before the first word of the text, `values` what the base answered;
    `asked_right`: one of them is the question's own, but for case, accents and punctuation as the base ignores them;
    None where the question does not say.
    """

    question: AnyQuestion
    text: str
    queries: tuple[tuple[str, str], ...]
    values: tuple[str, ...]
    asked_right: bool | None

    @property
    def right(self) -> bool:
        """By strict match."""
        return strict(self.text, accepted(self.question))

    def example(self) -> Example:
        """The answer for a report."""
        asked = "".join(f"asked ({entity}, {relation}) " for entity, relation in self.queries)
        got = f"got {', '.join(self.values)}" if self.values else "no answer" if self.queries else "asked nothing"
        return Example(self.right, self.question.prompt, self.question.value, self.text, f"{asked}{got}")


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """The answers of one model with one base to some questions. Shares go from 0 to 1.

    What is asked later in a text than before its first word is not counted, so the shares do not depend on how long
    the continuations are.
    """

    model: str
    base: str
    split: str
    policy: str
    seed: int
    answers: tuple[Answer, ...]

    @property
    def questions(self) -> int:
        """How many there were."""
        return len(self.answers)

    @property
    def accuracy(self) -> float:
        """The share completed rightly, by strict match."""
        return sum(answer.right for answer in self.answers) / len(self.answers)

    @property
    def interval(self) -> Interval:
        """95 % bootstrap over questions, of `accuracy`."""
        metric = share([answer.right for answer in self.answers], self.seed)
        return Interval(metric.low or 0.0, metric.high or 0.0)

    @property
    def asked_right(self) -> float | None:
        """The share in which the question's own fact was asked for, of those that name it; None where none does."""
        told = [answer.asked_right for answer in self.answers if answer.asked_right is not None]
        return sum(told) / len(told) if told else None

    def metrics(self) -> dict[str, Metric]:
        """All figures, by name."""
        seed = self.seed
        found = {
            "strict": share([answer.right for answer in self.answers], seed),
            "peer's lenient": share([peer_lenient(a.text, accepted(a.question)) for a in self.answers], seed),
            "first answer contains": share([contains(a.text, accepted(a.question)) for a in self.answers], seed),
            "asked": share([bool(answer.queries) for answer in self.answers], seed),
            "answered": share([bool(answer.values) for answer in self.answers], seed),
        }
        told = [answer.asked_right for answer in self.answers if answer.asked_right is not None]
        if told:
            found["asked rightly"] = share(told, seed)
        return found

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        named = {name: metric.value for name, metric in self.metrics().items()}
        return {"model": self.model, "base": self.base, "split": self.split, "questions": self.questions, **named}


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
    """Let `lm` complete the questions greedily.

    `base`, `split` and `model` are names for the result; of a model without a base, the result says "none" instead of
    `base`. `max_new_tokens` None gives room for the longest value and a word more; a continuation that is cut off right
    after the value counts as ended there. LamlamError where there is no question, a question has no value, or a prompt
    does not fit the model's window.
    """
    check_questions(questions, split)
    if max_new_tokens is None:
        values = {value for question in questions for value in accepted(question)}
        longest = max(len(lm.tokenizer.encode_text(f" {value.strip()}", first=False)) for value in values)
        max_new_tokens = longest + _ROOM
    generations = lm.generate(
        [question.prompt for question in questions],
        max_new_tokens=max_new_tokens,
        max_lookups=_MAX_LOOKUPS,
        policy=policy,
        batch_size=batch_size,
    )
    answers = tuple(_answer(question, generation) for question, generation in zip(questions, generations, strict=True))
    return CompletionResult(model, base if lm.kb is not None else "none", split, policy, seed, answers)


def measure_completion(
    lm: LookupModel,
    questions: Sequence[AnyQuestion],
    policy: PolicyName,
    *,
    base: str,
    data: str,
    split: str,
    prompt: str = "as in the file",
    model: str,
    seed: int = 0,
    limit: int | None = None,
) -> Result:
    """`complete` as a result with its breakdown by group, or by relation, and examples. `base`: "full" or "oracle"."""
    began = time.monotonic()
    done = complete(lm, questions, policy, base=base, split=data, model=model, seed=seed)
    definition = Definition(
        "completion", VERSION, data, split, prompt,
        "greedy; strict: the text starts with a value and the word ends there; peer's lenient: a value is a substring "
        "of the first five words; first answer contains: the first sentence holds a value as whole words; asked, "
        "answered, asked rightly: before the first word",
        BASES[done.base],
        seed, limit,
    )  # fmt: skip
    groups: dict[str, list[Answer]] = {}
    for answer in done.answers:
        if (group := group_of(answer.question)) is not None:
            groups.setdefault(group, []).append(answer)
    rows = [
        [group, len(some), *(sum(each) / len(some) for each in zip(*map(_counted, some), strict=True))]
        for group, some in sorted(groups.items())
    ]
    chart = Chart("strict, by group", "bars", "", "share", {"strict": [(row[0], row[2]) for row in rows]})
    return Result(
        definition, model, done.base, policy, done.metrics(), time.monotonic() - began,
        [Breakdown("by group", ("group", "questions", "strict", "peer's lenient", "contains"), rows)] if rows else (),
        [chart] if 1 < len(rows) <= 24 else (),
        right_and_wrong((answer.example() for answer in done.answers), seed),
        _held(lm, questions),
    )  # fmt: skip


def _held(lm: LookupModel, questions: Sequence[AnyQuestion]) -> list[str]:
    """A note: a model cannot find what its base does not hold."""
    named = [question for question in questions if question.entity and question.relation]
    if lm.kb is None or not named:
        return []
    matches = lm.kb.lookup_many([(question.entity or "", question.relation or "") for question in named])
    held = sum(
        match is not None and normalise(match.fact.value) in map(normalise, accepted(question))
        for question, match in zip(named, matches, strict=True)
    )
    return [f"The base holds {held:,} of the {len(named):,} facts that questions ask for by name."]


def _counted(answer: Answer) -> tuple[bool, bool, bool]:
    values = accepted(answer.question)
    return answer.right, peer_lenient(answer.text, values), contains(answer.text, values)


def _answer(question: AnyQuestion, generation: Generation) -> Answer:
    calls = first_calls(generation)
    return Answer(
        question,
        generation.text,
        tuple((call.entity, call.relation) for call in calls),
        tuple(call.match.fact.value for call in calls if call.match is not None),
        _asked_right(question, calls),
    )


def first_calls(generation: Generation) -> list[AnsweredCall]:
    """The calls that a generation made before its first word."""
    return [call for call in generation.calls if not generation.text[: call.at].strip()]


def _asked_right(question: AnyQuestion, calls: Sequence[AnsweredCall]) -> bool | None:
    if question.entity is None or question.relation is None:
        return None
    wanted = (normalise(question.entity), normalise(question.relation))
    return any((normalise(call.entity), normalise(call.relation)) == wanted for call in calls)
