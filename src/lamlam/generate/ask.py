"""When to ask at all: always as the model wants, never, or as a score of what the model knows by itself decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer


class Asking(Protocol):
    """Decides for each prompt; `lamlam.generate.thrust.Thrust` is one."""

    def asks(self, model: Any, tokenizer: LookupTokenizer, prompts: Sequence[Sequence[int]]) -> list[bool]:
        """Whether lookups are to be on for each prompt, given as token ids without the start token."""


Ask = Literal["always", "never"] | Asking


def who_asks(ask: Ask, model: Any, tokenizer: LookupTokenizer, prompts: Sequence[Sequence[int]]) -> list[bool]:
    """Whether lookups are on for each prompt; `LamlamError` for what says neither."""
    if ask == "always" or ask == "never":
        return [ask == "always"] * len(prompts)
    if isinstance(ask, str):
        raise LamlamError(f"ask {ask!r} is not a way to decide: choose always, never, or give a fitted Thrust")
    return ask.asks(model, tokenizer, prompts) if prompts else []
