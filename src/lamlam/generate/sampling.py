"""How the next token is chosen from logits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from lamlam.errors import LamlamError


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 is greedy. `top_k` keeps the k likeliest tokens; `top_p` the likeliest that together reach p.

    `seed`: row `i` of a call to generate draws from seed + i, so its text does not depend on the rest of its batch.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise LamlamError(
                f"temperature {self.temperature} is not a number from 0 on: 0 is greedy, 1 samples as the model says"
            )
        if not 0 < self.top_p <= 1:
            raise LamlamError(f"top_p {self.top_p} is not between 0 and 1")
        if self.top_k is not None and self.top_k < 1:
            raise LamlamError(f"top_k {self.top_k} keeps no token: it has to be at least 1")

    def generators(self, rows: int) -> list[torch.Generator]:
        """One random generator a row, on the CPU."""
        return [torch.Generator().manual_seed(self.seed + row) for row in range(rows)]

    def choose(self, logits: torch.Tensor, generators: list[torch.Generator]) -> list[int]:
        """The next token of each row. `logits`: shape (rows, vocabulary), −inf where a token is banned."""
        if self.temperature == 0:
            return [int(token) for token in logits.argmax(dim=-1)]
        probabilities = torch.softmax(logits.float() / self.temperature, dim=-1).cpu()
        likeliest, tokens = probabilities.sort(dim=-1, descending=True)
        if self.top_k is not None:
            likeliest[:, self.top_k :] = 0
        if self.top_p < 1:
            before = likeliest.cumsum(dim=-1) - likeliest
            likeliest[before >= self.top_p * likeliest.sum(dim=-1, keepdim=True)] = 0
        # Drawn in the vocabulary's order: rounding, which differs with the batch, swaps neighbours of the other one.
        kept = probabilities.scatter(1, tokens, likeliest)
        return [
            int(torch.multinomial(row, 1, generator=generator)) for row, generator in zip(kept, generators, strict=True)
        ]
