"""The likeliest token of each row that may come, on a CPU: the twin of the kernel `lamlam.generate.kernels.likeliest`.

NumPy looks at every logit once. Masks of the size of the logits, as PyTorch would want them, take longer than a small
model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.constraint import Only
from lamlam.generate.slots import Int64


class Likeliest:
    """`ruled_out`: which tokens may not come in each state; bool, shape (states, vocabulary)."""

    def __init__(self, ruled_out: torch.Tensor) -> None:
        self._ruled_out = [row.nonzero()[0] for row in ruled_out.numpy()]

    def __call__(self, logits: torch.Tensor, states: Int64, banned: Int64, only: Only | None) -> Int64:
        """int64, shape (rows,). `logits`, which are written to: shape (rows, vocabulary); `states`: of each row;
        `banned`: int64[2, n], a row and a token that may not come in it. What may come in the rows of `only` is what it
        says."""
        scores = (logits if logits.dtype in (torch.float32, torch.float64) else logits.float()).numpy()
        scores[banned[0], banned[1]] = -np.inf
        constrained = None if only is None else scores[only.pairs[0], only.pairs[1]]
        heated: list[tuple[int, float]] = []
        if only is not None and only.hot is not None:
            table = only.hot.numpy()
            heated = [_best(scores[row], table[hot_row]) for row, hot_row in only.hot_of.T.tolist()]
        for state in np.unique(states).tolist():
            scores[(states == state).nonzero()[0][:, None], self._ruled_out[state]] = -np.inf
        chosen: Int64 = scores.argmax(axis=1)
        if only is not None and constrained is not None:
            rows, tokens, values = only.pairs[0], only.pairs[1], constrained
            if heated:
                rows = np.concatenate([rows, only.hot_of[0]])
                tokens = np.concatenate([tokens, [token for token, _ in heated]])
                values = np.concatenate([values, [score for _, score in heated]])
            # By row, the highest first, and of equal ones the one with the least id.
            order = np.lexsort((tokens, -values, rows))
            rows, tokens = rows[order], tokens[order]
            first = np.ones(len(rows), bool)
            first[1:] = rows[1:] != rows[:-1]
            chosen[rows[first]] = tokens[first]
        return chosen


def _best(scores: npt.NDArray[np.floating], allowed: npt.NDArray[np.bool_]) -> tuple[int, float]:
    """The likeliest of the tokens that are allowed, and its score."""
    kept = np.where(allowed, scores, -np.inf)
    token = int(kept.argmax())
    return token, float(kept[token])
