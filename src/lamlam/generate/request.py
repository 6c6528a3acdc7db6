"""What an engine is asked and what it tells: requests, events, and what it needs of a base; what a stream tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from lamlam.errors import LamlamError
from lamlam.generate.policy import Policy, abstain
from lamlam.generate.row import Asked, Row
from lamlam.generate.sampling import Sampling
from lamlam.kb import Match
from lamlam.model import LookupTokenizer

Prompt = str | Sequence[int]
"""Plain text, or token ids, which may hold calls and end within the query of one."""

_MOST_CHARACTERS = 64
"""For a token of the window: a prompt with more is not tokenised in order to find out that it is too long."""


class Base(Protocol):
    """What the decoder needs of a knowledge base."""

    def lookup_many(self, queries: Sequence[tuple[str, str]]) -> Sequence[Match | None]:
        """The match of each (entity, relation), None where there is none."""


@dataclass(eq=False)
class Request:
    """A row and how to go on with it. `error` is what made the row fail; `told`: send an event for each token."""

    row: Row
    policy: Policy = abstain
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    told: bool = False
    error: Exception | None = None
    slot: int = -1
    fed: int = 0
    """Tokens of the row that the model has seen, as of when it last left or `Engine.settle` was called."""
    draws: int = 0
    """Tokens chosen for it, likewise."""


class Event(NamedTuple):
    """What happened to a request: it took a token; it asked and was answered `match`; its row has finished."""

    request: Request
    kind: Literal["token", "answered", "finished"]
    asked: Asked | None = None
    match: Match | None = None


@dataclass(frozen=True)
class Text:
    """A stretch of clean prose."""

    text: str


@dataclass(frozen=True)
class Answered:
    """The base's answer to the `Asked` before it, or what the policy took for one; None where there is none."""

    match: Match | None


def row_of(
    tokenizer: LookupTokenizer,
    prompt: Prompt,
    max_new_tokens: int,
    max_lookups: int,
    window: int,
    stop: str | Sequence[str] = (),
) -> Row:
    """A prompt as a row. LamlamError where it does not fit into the window, has ids that the tokenizer does not, or
    `stop` has an empty string."""
    if isinstance(prompt, str):
        if len(prompt) > _MOST_CHARACTERS * window:
            raise LamlamError(
                f"the prompt has {len(prompt):,} characters, more than the model's window of {window} tokens holds"
            )
        ids = tokenizer.encode_text(prompt)
    else:
        ids = [int(token) for token in prompt]
        if any(not 0 <= token < len(tokenizer) for token in ids):
            raise LamlamError(f"the prompt has token ids outside the tokenizer's {len(tokenizer)}")
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if any(not text for text in stops):
        raise LamlamError("an empty stop string stands everywhere; leave it out")
    return Row(tokenizer, ids, max_new_tokens, max_lookups, window, stop=stops)
