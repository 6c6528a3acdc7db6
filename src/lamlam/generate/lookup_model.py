"""`LookupModel`: a checkpoint and a base together, as a user holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from lamlam.errors import LamlamError
from lamlam.generate.decoder import Base, Policy, decode
from lamlam.generate.prose import Generation, certain_text, generation
from lamlam.generate.row import Asked, Row
from lamlam.generate.sampling import Sampling
from lamlam.kb import Match
from lamlam.model import LookupTokenizer, load_model

UNKNOWN = "unknown"
"""What the policy `unknown` puts in where the base has no match (paper, "Inference")."""


def _abstain(asked: Asked, match: Match | None) -> str | None:
    return match.fact.value if match else None


def _unknown(asked: Asked, match: Match | None) -> str | None:
    return match.fact.value if match else UNKNOWN


POLICIES: dict[str, Policy] = {"abstain": _abstain, "unknown": _unknown}
"""What happens when nothing matches. abstain: the call is taken back and the text goes on without it; unknown: the word
"unknown" is put in."""
PolicyName = Literal["abstain", "unknown"]


@dataclass(frozen=True)
class Text:
    """A stretch of clean prose."""

    text: str


@dataclass(frozen=True)
class Answered:
    """The base's answer to the `Asked` before it; None where it has none."""

    match: Match | None


class LookupModel:
    """A causal LM with lookup tokens, and the base that it asks; `kb=None` switches lookups off."""

    def __init__(self, model: Any, tokenizer: LookupTokenizer, kb: Base | None) -> None:
        self.model, self.tokenizer, self.kb = model, tokenizer, kb

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, kb: Base | None = None, device: str | torch.device | None = None
    ) -> LookupModel:
        """Load a checkpoint folder; on a GPU (taken where there is one) in bfloat16, on the CPU in float32."""
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        return cls(*load_model(folder, device, dtype), kb)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int = 128,
        max_lookups: int = 64,
        policy: PolicyName = "abstain",
        sampling: Sampling | None = None,
        batch_size: int = 64,
    ) -> list[Generation]:
        """Continue each prompt, looking facts up on the way.

        `max_new_tokens` counts what a reader sees: text, neither prompt nor calls. LamlamError for a prompt that does
        not fit into the model's window.
        """
        if isinstance(prompts, str):
            raise LamlamError("generate takes a list of prompts: write generate([prompt])")
        generations: list[Generation] = []
        for first in range(0, len(prompts), batch_size):
            some = prompts[first : first + batch_size]
            rows = [self.row(prompt, max_new_tokens, max_lookups) for prompt in some]
            for _ in decode(self.model, self.tokenizer, self.kb, rows, _policy(policy), sampling or Sampling()):
                pass
            generations += [generation(prompt, row) for prompt, row in zip(some, rows, strict=True)]
        return generations

    def stream(
        self,
        prompt: str,
        *,
        max_new_tokens: int = 128,
        max_lookups: int = 64,
        policy: PolicyName = "abstain",
        sampling: Sampling | None = None,
    ) -> Iterator[Text | Asked | Answered]:
        """Continue one prompt, yielding text as soon as it is certain, each question, and its answer."""
        row = self.row(prompt, max_new_tokens, max_lookups)
        told = 0
        for event in decode(self.model, self.tokenizer, self.kb, [row], _policy(policy), sampling or Sampling()):
            if event.asked:
                yield event.asked
                yield Answered(event.match)
                continue
            certain = certain_text(row)
            if len(certain) > told:
                yield Text(certain[told:])
                told = len(certain)

    def row(self, prompt: str, max_new_tokens: int, max_lookups: int) -> Row:
        """The prompt as a row for `decode`; LamlamError where it does not fit into the model's window."""
        ids = self.tokenizer.encode_text(prompt)
        window = int(self.model.config.max_position_embeddings)
        if len(ids) + 1 >= window:
            raise LamlamError(
                f"the prompt has {len(ids)} tokens, the model's window {window}: shorten it by {len(ids) + 2 - window}"
            )
        return Row(self.tokenizer, ids, max_new_tokens, max_lookups if self.kb is not None else 0, window)


def _policy(name: PolicyName) -> Policy:
    if name not in POLICIES:
        raise LamlamError(f"no policy {name!r}: choose {' or '.join(POLICIES)}")
    return POLICIES[name]
