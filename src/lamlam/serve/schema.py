"""What the server is sent and what it sends back: OpenAI's text completions, with citations and calls beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lamlam.generate import AnsweredCall, Citation
from lamlam.kb import Match

MAX_PROMPTS = 64
MAX_CHARACTERS = 200_000
"""Of one prompt. What the model's window holds is less; this bounds the work of finding that out."""
MAX_TOKENS = 8192
_DEFAULT_TOKENS = 16  # OpenAI's

Prompt = Annotated[str, Field(max_length=MAX_CHARACTERS)]
MAX_STOPS = 4  # OpenAI's
Stop = Annotated[str, Field(min_length=1, max_length=200)]


class StreamOptions(BaseModel):
    """`include_usage`: send the counts in a last chunk of their own."""

    include_usage: bool = False


class CompletionRequest(BaseModel):
    """The body of `POST /v1/completions`. A null stands for the default; fields that are not here are ignored.

    Those OpenAI fields that would change the answer and are not built yet are refused unless they ask for nothing.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    prompt: Prompt | Annotated[list[Prompt], Field(min_length=1, max_length=MAX_PROMPTS)]
    model: str | None = None
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**62), le=2**62)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    suffix: str | None = None

    @field_validator("n", "best_of")
    @classmethod
    def _one(cls, value: int | None) -> int | None:
        if value not in (None, 1):
            raise ValueError("this server gives one completion a prompt; send the prompt several times instead")
        return value

    @field_validator("echo", "logprobs", "suffix")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        if value not in (None, False, "", []):
            raise ValueError("this server does not support it yet; leave it out")
        return value

    @property
    def prompts(self) -> list[str]:
        """The prompts as a list."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt

    @property
    def tokens(self) -> int:
        """How many tokens of text to write for a prompt, at most."""
        return _DEFAULT_TOKENS if self.max_tokens is None else self.max_tokens


def fact_json(match: Match) -> dict[str, Any]:
    """A match as the API tells it: the fact, where it comes from, how sure the base is, and how it was found."""
    fact = match.fact
    return {
        "entity": fact.entity,
        "relation": fact.relation,
        "value": fact.value,
        "source": fact.source,
        "score": match.score,
        "how": match.how,
    }


def citation_json(citation: Citation) -> dict[str, Any]:
    """Characters `start` to `end` of the choice's text, and the fact that they state."""
    time = citation.time.isoformat() if citation.time else None
    return {"start": citation.start, "end": citation.end, "time": time, **fact_json(citation.match)}


def call_json(call: AnsweredCall) -> dict[str, Any]:
    """What was asked before character `at` of the choice's text, and what came of it; `match` null where nothing."""
    return {
        "at": call.at,
        "entity": call.entity,
        "relation": call.relation,
        "outcome": call.outcome,
        "span": call.span,
        "time": call.time.isoformat() if call.time else None,
        "match": None if call.match is None else fact_json(call.match),
    }
