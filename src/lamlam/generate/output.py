"""The output layer on a CPU, as the search for the likeliest token wants it: roughly of all tokens, exactly of a few.

For one row, the output layer of a vocabulary of 32,000 is reading its weights. Rounded to 8 bits they are a quarter as
many bytes, and processors with VNNI multiply them several times as fast. How far a rough score may be off is known
(`Rounded`), so that the few tokens near the highest one hold the likeliest for certain; these are then scored exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

Int64 = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]

BLOCK = 128
"""The columns of rough scores come in blocks of so many. `compiled_choice` is compiled for it, and for the two numbers
below: when one changes, delete Numba's cache."""
LEVELS, TINY = 127, 1e-30
"""How far whole numbers of 8 bits reach, and what stands for the largest of a row of zeros."""

_APART = 500  # one token of so many may have weights too large for the scale of the others


class Rough(NamedTuple):
    """Rough scores of some rows.

    `scores`: shape (rows, vocabulary or more), columns beyond the vocabulary mean nothing; good until the next ones are
    asked for, and may be written to. `slack`, shape (rows, 1): a token whose score is lower than another's by more is
    less likely. `apart`: tokens of which the scores say nothing.
    """

    scores: Numbers
    slack: Numbers
    apart: Int64


class Scores(Protocol):
    """The logits of some rows, which need not all be known."""

    def rough(self, rows: Int64) -> Rough:
        """Rough scores of all tokens in some of the rows."""

    def exact(self, rows: Int64, tokens: Int64) -> Numbers:
        """The logits of some tokens, each in a row."""


class Whole:
    """Scores that are all computed."""

    def __init__(self, logits: torch.Tensor) -> None:
        wide = logits.dtype in (torch.float32, torch.float64)
        self._logits = (logits if wide else logits.float()).numpy()

    def rough(self, rows: Int64) -> Rough:
        """As `Scores.rough`; these are exact."""
        return Rough(self._logits[rows], np.zeros((len(rows), 1)), np.zeros(0, np.int64))

    def exact(self, rows: Int64, tokens: Int64) -> Numbers:
        """As `Scores.exact`."""
        exact: Numbers = self._logits[rows, tokens]
        return exact


class Rounded:
    """An output layer with its weights rounded to 8 bits beside it, all by one scale.

    With weights w = s·q + e and a hidden state x = t·p + f, q and p whole numbers, a logit is w·x = st·q·p + e·x +
    s·q·f. So it is off from st·q·p, which is computed without rounding, by |e||x| + |s·q||f| at most (Cauchy-Schwarz).
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight: Numbers = weight.detach().numpy()
        self.bias: Numbers = np.zeros(len(weight), self.weight.dtype) if bias is None else bias.detach().numpy()
        columns = -(-len(weight) // BLOCK) * BLOCK
        self._whole = torch.zeros((columns, weight.shape[1]), dtype=torch.int8)
        self._buffer = torch.empty((0, columns), dtype=torch.int32)
        self.refresh()

    @staticmethod
    def runs(weight: torch.Tensor) -> bool:
        """Whether this is faster, and without a fault: without VNNI, products of 8 bits are cut off at 16."""
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        vnni = capabilities.get("avx512_vnni") or capabilities.get("avx_vnni")
        right = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)
        return bool(vnni) and right and weight.shape[1] > 1  # with one column PyTorch 2.13 gives other numbers

    def refresh(self) -> None:
        """Round the weights again."""
        largest = np.abs(self.weight).max(axis=1)
        size = len(largest) // _APART
        apart = largest > 1.5 * np.partition(largest, -size - 1)[-size - 1]
        apart |= self.bias != 0
        self.apart: Int64 = apart.nonzero()[0]
        self.scale = float(largest[~apart].max(initial=0)) / LEVELS or 1.0
        whole = self._whole.numpy()[: len(self.weight)]
        self.error = self.size = 0.0  # the largest |e| and |s·q|
        for first in range(0, len(whole), 4096):  # lest the copies take more memory than the weights
            its = slice(first, first + 4096)
            weights = np.where(apart[its, None], 0, self.weight[its]).astype(np.float64)
            rounded = np.rint(weights / self.scale)
            whole[its] = rounded
            rounded *= self.scale
            self.error = max(self.error, float(np.linalg.norm(weights - rounded, axis=1).max()))
            self.size = max(self.size, float(np.linalg.norm(rounded, axis=1).max()))

    def scores(self, hidden: torch.Tensor) -> RoundedScores:
        """The scores after hidden states, shape (rows, hidden)."""
        return RoundedScores(self, hidden.numpy())

    def rough(self, hidden: Numbers) -> Rough:
        """As `Scores.rough`, for rows of hidden states."""
        hidden = hidden.astype(np.float64)
        scale = np.maximum(np.abs(hidden).max(axis=1, keepdims=True), TINY) / LEVELS
        whole = np.rint(hidden / scale)
        left = hidden - whole * scale
        off = self.error * np.sqrt(np.vecdot(hidden, hidden)) + self.size * np.sqrt(np.vecdot(left, left))
        scores = self.product(whole.astype(np.int8))
        slack = np.ceil(2 * off[:, None] / (self.scale * scale) * (1 + 1e-6))
        return Rough(scores, slack, self.apart)

    def product(self, whole: Numbers) -> Numbers:
        """q·p of all tokens for rows of p, int8; int32, good until the next call, and may be written to."""
        if len(self._buffer) < len(whole):
            self._buffer = torch.empty((len(whole), len(self._whole)), dtype=torch.int32)
        scores = self._buffer[: len(whole)]
        torch._int_mm(torch.from_numpy(whole), self._whole.t(), out=scores)
        return scores.numpy()

    def exact(self, hidden: Numbers, tokens: Int64) -> Numbers:
        """The logits of tokens, each after a hidden state; float64, so that equal rows of weights are equally likely
        and no rounding depends on what else is in the batch."""
        logits: Numbers = np.vecdot(self.weight[tokens].astype(np.float64), hidden.astype(np.float64))
        logits += self.bias[tokens]
        return logits


class RoundedScores:
    """The scores of an output layer after some hidden states."""

    def __init__(self, output: Rounded, hidden: Numbers) -> None:
        self.output, self.hidden = output, hidden

    def rough(self, rows: Int64) -> Rough:
        """As `Scores.rough`."""
        return self.output.rough(self.hidden[rows])

    def exact(self, rows: Int64, tokens: Int64) -> Numbers:
        """As `Scores.exact`."""
        return self.output.exact(self.hidden[rows], tokens)
