"""The likeliest token of each row, compiled by Numba: what `lamlam.generate.likeliest` does with rounded scores, in two
calls around the product of whole numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.compiling import compiled, compiled_in_order
from lamlam.generate.constraint import NO_PAIRS, Only
from lamlam.generate.output import BLOCK, LEVELS, TINY, Int64

if TYPE_CHECKING:
    from lamlam.generate.output import RoundedScores

Floats = npt.NDArray[Any]
Ints = npt.NDArray[np.signedinteger[Any]]
Bools = npt.NDArray[np.bool_]

_LOWEST = np.iinfo(np.int32).min


class CompiledLikeliest:
    """`ruled_out`: which tokens may not come in each state; bool, shape (states, vocabulary)."""

    def __init__(self, ruled_out: torch.Tensor) -> None:
        states, self._barred = ruled_out.numpy().nonzero()
        self._starts = states.searchsorted(np.arange(len(ruled_out) + 1))  # where those of each state begin
        self._no_hot = np.zeros((0, ruled_out.shape[1]), bool)

    def __call__(self, scores: RoundedScores, states: Int64, banned: Int64, only: Only | None) -> Int64:
        """As `Likeliest.__call__`."""
        output, hidden = scores.output, scores.hidden
        places, masks, pairs, hot = np.arange(len(states)), states, NO_PAIRS, self._no_hot
        if only is not None:
            free = np.ones(len(states), bool)
            free[only.rows] = False
            places, pairs = np.concatenate([free.nonzero()[0], only.hot_of[0]]), only.pairs
            masks = np.concatenate([states[free], -1 - only.hot_of[1]])
            if only.hot is not None:
                hot = only.hot.numpy()
        rough, slack = _NO_SCORES, np.empty(len(places))
        if len(places):
            whole = np.empty((len(places), hidden.shape[1]), np.int8)
            _round(hidden, places, output.error, output.size, output.scale, whole, slack)
            rough = output.product(whole)
        chosen: Int64 = _likeliest(
            rough, slack, places, masks, self._barred, self._starts, hot, output.apart, banned, pairs, hidden,
            output.weight, output.bias,
        )  # fmt: skip
        return chosen


_NO_SCORES = np.zeros((0, 0), np.int32)


@compiled
def _round(hidden: Floats, places: Int64, error: float, size: float, scale: float, whole: Ints, slack: Floats) -> None:
    """Hidden states as whole numbers, and how far apart rough scores have to be; see `Rounded`."""
    for number, place in enumerate(places):
        largest, square, left = 0.0, 0.0, 0.0
        for column in range(hidden.shape[1]):
            value = np.float64(hidden[place, column])
            largest = max(largest, abs(value))
            square += value * value
        step = max(largest, TINY) / LEVELS
        for column in range(hidden.shape[1]):
            value = np.float64(hidden[place, column])
            rounded = np.rint(value / step)
            whole[number, column] = np.int8(rounded)
            left += (value - rounded * step) ** 2
        off = error * math.sqrt(square) + size * math.sqrt(left)
        slack[number] = math.ceil(2 * off / (scale * step) * (1 + 1e-6))


@compiled
def _likeliest(
    rough: Ints, slack: Floats, places: Int64, masks: Int64, barred: Int64, starts: Int64, hot: Bools, apart: Int64,
    banned: Int64, pairs: Int64, hidden: Floats, weight: Floats, bias: Floats,
) -> Int64:  # fmt: skip
    """The likeliest of what may come in each row of `hidden`, 0 where nothing may.

    `rough`, `slack`: of the rows `places`, in which all may come that `masks` leaves: what is not in that stretch of
    `barred`, or, where negative, what is in that row of `hot`. Elsewhere `pairs` may come. `banned` may not.
    """
    chosen, best = np.zeros(len(hidden), np.int64), np.full(len(hidden), -np.inf)
    vocabulary = len(weight)
    for number in range(len(places)):
        place, its, mask = places[number], rough[number], masks[number]
        if mask >= 0:
            for token in barred[starts[mask] : starts[mask + 1]]:
                its[token] = _LOWEST
        else:
            for token in range(vocabulary):
                its[token] = its[token] if hot[-1 - mask, token] else _LOWEST
        its[vocabulary:] = _LOWEST
        for pair in range(banned.shape[1]):
            if banned[0, pair] == place:
                its[banned[1, pair]] = _LOWEST
        for token in apart:
            if its[token] != _LOWEST:
                its[token] = _LOWEST
                _weigh(place, token, hidden, weight, bias, chosen, best)
        _search(its.reshape(-1, BLOCK), slack[number], place, hidden, weight, bias, chosen, best)
    for pair in range(pairs.shape[1]):
        if not _is_banned(pairs[0, pair], pairs[1, pair], banned):
            _weigh(pairs[0, pair], pairs[1, pair], hidden, weight, bias, chosen, best)
    return chosen


@compiled
def _search(
    blocks: Ints, slack: float, place: int, hidden: Floats, weight: Floats, bias: Floats, chosen: Int64, best: Floats
) -> None:
    """Weigh the tokens of a row whose rough scores are within `slack` of the highest."""
    tops = np.empty(len(blocks), np.int32)
    for number in range(len(blocks)):
        top = np.int32(_LOWEST)
        for column in range(BLOCK):
            top = max(top, blocks[number, column])
        tops[number] = top
    least = max(tops.max() - slack, _LOWEST + 1.0)
    for number in range(len(blocks)):
        if tops[number] >= least:
            for column in range(BLOCK):
                if blocks[number, column] >= least:
                    _weigh(place, number * BLOCK + column, hidden, weight, bias, chosen, best)


@compiled
def _is_banned(place: int, token: int, banned: Int64) -> bool:
    found = False
    for pair in range(banned.shape[1]):
        found = found or (banned[0, pair] == place and banned[1, pair] == token)
    return found


@compiled_in_order
def _weigh(place: int, token: int, hidden: Floats, weight: Floats, bias: Floats, chosen: Int64, best: Floats) -> None:
    """Take a token if it is likelier than the best of its row so far, or as likely and before it. Scored in float64 and
    in one order, so that tokens with equal weights are equally likely."""
    logit = 0.0
    for column in range(hidden.shape[1]):
        logit += np.float64(hidden[place, column]) * np.float64(weight[token, column])
    logit += bias[token]
    if logit > best[place] or (logit == best[place] and token < chosen[place]):
        best[place], chosen[place] = logit, token
