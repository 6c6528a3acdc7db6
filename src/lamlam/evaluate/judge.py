"""An LLM as a judge, behind any OpenAI-compatible endpoint: FActScore in its original form (Min et al. 2023).

A biography is broken into atomic facts by the judge, and each fact is held by it against a passage about the person.
FActScore is the mean, over the biographies that say anything, of the share of facts that hold, times a penalty for
short ones: exp(1 − 10 / facts) under ten facts. A judge's answer that is neither true nor false is counted as unjudged
and left out; where most are, the judge is no use, and that is an error.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lamlam.errors import LamlamError
from lamlam.evaluate.biography import Judged, result_of
from lamlam.evaluate.task import Definition, Metric, Result

VERSION = 1
GAMMA = 10

_SPLIT = (
    "Break the following text into independent facts, one short sentence a line, each naming its subject. "
    "Write nothing else. If the text states no fact, write NONE.\n\nText: {text}"
)
_VERIFY = (
    "Answer the question about {person} based on the given passage.\n\nPassage: {passage}\n\n"
    "Statement: {fact}\n\nIs the statement true or false according to the passage? Answer True or False."
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")
_SAYS = re.compile(r"\b(true|false)\b", re.IGNORECASE)


class Judge:
    """A chat model behind an OpenAI-compatible endpoint. The key is taken from OPENAI_API_KEY; none is needed where the
    server asks for none. LamlamError where the endpoint cannot be reached or refuses."""

    def __init__(self, url: str, model: str, timeout: float = 60.0, retries: int = 2) -> None:
        try:
            import openai
        except ImportError as error:
            raise LamlamError("a judge needs the openai package; install it: pip install 'lamlam[openai]'") from error
        import os

        self.url, self.model = url, model
        self._failure: type[Exception] = openai.OpenAIError
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=retries)

    def ask(self, prompt: str, max_tokens: int) -> str:
        """The answer to one prompt, greedily; empty where the model gives none."""
        try:
            answer: Any = self._client.chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": prompt}],
                temperature=0.0,
                max_tokens=max_tokens,
            )
        except (self._failure, ValueError) as error:  # ValueError: the body is no JSON
            reason = " ".join(str(error).split())[:200]
            raise LamlamError(f"the judge {self.model} at {self.url} does not answer ({reason}); is it up?") from error
        choices = getattr(answer, "choices", None) or []
        return str(choices[0].message.content or "") if choices and choices[0].message else ""

    def facts(self, text: str) -> list[str]:
        """The atomic facts of a text."""
        lines = (_BULLET.sub("", line).strip() for line in self.ask(_SPLIT.format(text=text), 512).splitlines())
        return [line for line in lines if line and line.upper().rstrip(".") != "NONE"]

    def holds(self, person: str, fact: str, passage: str) -> bool | None:
        """Whether the passage says so; None for an answer that is neither true nor false, or both."""
        answer = self.ask(_VERIFY.format(person=person, fact=fact, passage=passage), 8)
        said = {word.lower() for word in _SAYS.findall(answer)}
        return None if len(said) != 1 else said == {"true"}


def factscore(
    texts: Mapping[str, str],
    passages: Mapping[str, str],
    judge: Judge,
    *,
    data: str,
    prompt: str,
    model: str,
    base: str,
    policy: str,
    seed: int = 0,
    limit: int | None = None,
    at_once: int = 8,
) -> Result:
    """FActScore of biographies, by person, against passages by person.

    Where the judge goes down in the middle, what it said before is kept, and a note says for how many.
    LamlamError where there is no passage for any of the people, the judge says nothing at all, or mostly nonsense.
    """
    began = time.monotonic()
    people = [person for person in texts if person in passages]
    if not people:
        raise LamlamError(f"there is no passage about any of the {len(texts)} people; judge with their own passages")
    judged: list[Judged] = []
    notes = [f"judge {judge.model} at {judge.url}"]
    for person in people:
        try:
            judged.append(_judge(judge, person, texts[person], passages[person], at_once))
        except LamlamError as error:
            if not judged:
                raise
            notes.append(f"Only {len(judged)} of {len(people)} biographies were judged: {error}")
            break
    unjudged = sum(one.unjudged for one in judged)
    said = sum(len(one.right) + len(one.wrong) for one in judged)
    if unjudged > said:
        raise LamlamError(
            f"the judge {judge.model} answers nonsense: neither true nor false for {unjudged} of "
            f"{unjudged + said} facts"
        )
    definition = Definition(
        "factscore", VERSION, data, f"{len(judged)} people", prompt,
        f"atomic facts that hold by the judge, with a penalty under {GAMMA} facts; version of the prompts {VERSION}",
        base, seed, limit,
    )  # fmt: skip
    told = [one for one in judged if one.right or one.wrong]
    scores = [_score(one) for one in told]
    more = {"FActScore": Metric(sum(scores) / len(scores), n=len(scores))} if scores else {}
    more["unjudged facts"] = Metric(unjudged, n=unjudged + said, unit="number")
    people = people[: len(judged)]
    return result_of(
        judged, people, [texts[person] for person in people], definition, model, base, policy, began, notes, more
    )


def _judge(judge: Judge, person: str, text: str, passage: str, at_once: int) -> Judged:
    facts = judge.facts(text)
    with ThreadPoolExecutor(at_once) as threads:
        verdicts = list(threads.map(lambda fact: judge.holds(person, fact, passage), facts))
    return Judged(
        _those(facts, verdicts, True), _those(facts, verdicts, False), sum(verdict is None for verdict in verdicts)
    )


def _those(facts: Sequence[str], verdicts: Sequence[bool | None], which: bool) -> tuple[str, ...]:
    return tuple(fact for fact, verdict in zip(facts, verdicts, strict=True) if verdict is which)


def _score(one: Judged) -> float:
    count = len(one.right) + len(one.wrong)
    penalty = math.exp(1 - GAMMA / count) if count < GAMMA else 1.0
    return penalty * len(one.right) / count
