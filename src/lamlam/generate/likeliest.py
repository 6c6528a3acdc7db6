"""The likeliest token of each row that may come, on a CPU: the twin of the kernel `lamlam.generate.kernels.likeliest`.

Where few tokens may come, only these are scored. Elsewhere rough scores (`lamlam.generate.output`) say which tokens may
be the likeliest, and these are scored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.constraint import Only
from lamlam.generate.output import BLOCK, Scores
from lamlam.generate.slots import Int64


class Likeliest:
    """`ruled_out`: which tokens may not come in each state; bool, shape (states, vocabulary)."""

    def __init__(self, ruled_out: torch.Tensor) -> None:
        self._barred: npt.NDArray[np.bool_] = ruled_out.numpy()
        self._size = self._barred.shape[1]
        self._apart: Int64 | None = None

    def __call__(self, scores: Scores, states: Int64, banned: Int64, only: Only | None) -> Int64:
        """int64, shape (rows,); 0 where nothing may come. `states`: of each row; `banned`: int64[2, n], a row and a
        token that may not come in it. What may come in the rows of `only` is what it says."""
        rows, tokens = _NOBODY
        free, heated = np.arange(len(states)), _NOBODY
        if only is not None:
            rows, tokens = only.pairs
            free = np.setdiff1d(free, only.rows, assume_unique=True)
            heated = only.hot_of
        if len(free) or heated.shape[1]:
            near = self._near(scores, states, free, heated, banned, only)
            rows, tokens = np.concatenate([rows, near[0]]), np.concatenate([tokens, near[1]])
        values = scores.exact(rows, tokens)
        if banned.shape[1]:
            its = np.isin(rows * self._size + tokens, banned[0] * self._size + banned[1])
            values = np.where(its, -np.inf, values)
        # By row, the highest first, and of equal ones the one with the least id.
        order = np.lexsort((tokens, -values, rows))
        rows, tokens = rows[order], tokens[order]
        first = np.ones(len(rows), bool)
        first[1:] = rows[1:] != rows[:-1]
        chosen = np.zeros(len(states), np.int64)
        chosen[rows[first]] = tokens[first]
        return chosen

    def _near(
        self, scores: Scores, states: Int64, free: Int64, heated: Int64, banned: Int64, only: Only | None
    ) -> Int64:
        """The tokens that may be the likeliest, of all that their states leave in the rows `free`, and of the hot ones
        in those of `heated` (as `Only.hot_of`); int64[2, n]: a row and such a token."""
        places = np.concatenate([free, heated[0]])
        rough, slack, apart = scores.rough(places)
        if apart is not self._apart:
            self._split(apart)
        parts = [self._parts[state] for state in states[free].tolist()]
        if only is not None and only.hot is not None:
            parts += [self._parted(~hot) for hot in only.hot.numpy()[heated[1]]]
        lowest = -np.inf if rough.dtype.kind == "f" else np.iinfo(rough.dtype).min
        for its, (blank, _) in zip(rough, parts, strict=True):
            its[blank] = lowest
        if banned.shape[1]:
            number = np.full(len(states), -1)
            number[places] = np.arange(len(places))
            its = number[banned[0]]
            rough[its[its >= 0], banned[1][its >= 0]] = lowest
        rough[:, self._size :] = lowest
        rows, tokens = _highest(rough, slack, lowest)
        sizes = [len(more) for _, more in parts]
        if any(sizes):
            rows = np.concatenate([rows, np.arange(len(places)).repeat(sizes)])
            tokens = np.concatenate([tokens, *(more for _, more in parts)])
        return np.array([places[rows], tokens])

    def _split(self, apart: Int64) -> None:
        """Of each state: the tokens that are barred or apart, and those that are apart and not barred."""
        self._apart = apart
        self._parts = [self._parted(barred) for barred in self._barred]

    def _parted(self, barred: npt.NDArray[np.bool_]) -> tuple[Int64, Int64]:
        if self._apart is None or not len(self._apart):
            return barred.nonzero()[0], _NOBODY[0]
        blank = barred.copy()
        blank[self._apart] = True
        return blank.nonzero()[0], self._apart[~barred[self._apart]]


def _highest(rough: npt.NDArray[Any], slack: npt.NDArray[Any], lowest: float) -> tuple[Int64, Int64]:
    """Where the scores are within `slack` of the highest of their row, and above `lowest`: rows, columns.

    Looked for in blocks whose highest score is: to compare all would take as long again as to compute them.
    """
    size = rough.shape[1]
    block = BLOCK if size % BLOCK == 0 else size
    tops = torch.from_numpy(rough).view(len(rough), -1, block).amax(dim=2).numpy()
    least = np.maximum(tops.max(axis=1, keepdims=True) - slack, lowest).astype(rough.dtype)
    blocks = np.flatnonzero(tops >= least)
    rows = blocks // tops.shape[1]
    scores = rough.reshape(-1, block)[blocks]
    found = np.flatnonzero((scores >= least[rows]) & (scores > lowest))
    its = found // block
    return rows[its], blocks[its] % tops.shape[1] * block + found % block


_NOBODY: Int64 = np.zeros((2, 0), np.int64)
