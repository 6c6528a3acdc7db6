"""What a user says about how the next token is chosen, and where its randomness comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lamlam.errors import LamlamError

UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 is greedy. `top_k` keeps the k likeliest tokens; `top_p` the likeliest that together reach p;
    `min_p` those at least that share as likely as the likeliest. Tokens that are equally likely stay or go together.

    `repetition_penalty` (Keskar et al. 2019) divides the positive logits, and multiplies the negative ones, of tokens
    that the text has already: those a reader sees, the prompt included. It leaves calls alone: within one nothing is
    penalised, and what stands in one does not count.

    `seed`: row `i` of a call to generate draws from seed + i, so its text does not depend on the rest of its batch.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise LamlamError(
                f"temperature {self.temperature} is not a number from 0 on: 0 is greedy, 1 samples as the model says"
            )
        if not 0 < self.top_p <= 1:
            raise LamlamError(f"top_p {self.top_p} is not between 0 and 1")
        if not 0 <= self.min_p <= 1:
            raise LamlamError(f"min_p {self.min_p} is not between 0 and 1")
        if self.top_k is not None and self.top_k < 1:
            raise LamlamError(f"top_k {self.top_k} keeps no token: it has to be at least 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise LamlamError(f"repetition_penalty {self.repetition_penalty} is not a number above 0; 1 is none")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken, without chance."""
        return self.temperature == 0


def uniform(seeds: UInt64, draws: UInt64) -> npt.NDArray[np.float64]:
    """Draw number `draws[i]` of a row with the seed `seeds[i]`: 32 random bits as a number in [0, 1).

    A hash of the two (the finalizer of SplitMix64, Steele et al. 2014), so that no generator has a state that a batch
    could disturb. Both uint64, of the same shape, not of none.
    """
    return (_mixed(_mixed(seeds) ^ draws) >> np.uint64(32)).astype(np.float64) / 2**32


def _mixed(numbers: UInt64) -> UInt64:
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)  # which wraps
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
