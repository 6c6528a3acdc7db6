"""Confidence intervals by resampling what was measured: the questions, or the documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000


class Interval(NamedTuple):
    """A 95 % confidence interval, both ends included."""

    low: float
    high: float


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int) -> Interval:
    """The 95 % percentile-bootstrap interval of sum(numerators) / sum(denominators).

    The units (questions, documents) are drawn with replacement `RESAMPLES` times, a numerator always together with its
    denominator. The same seed gives the same interval. Where all units agree the interval is that one point: the
    bootstrap cannot see what no unit shows. There has to be a unit, and no resample may have a denominator of 0.
    """
    over, under = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)

    def ratio(random: np.random.Generator) -> float:
        drawn = random.integers(len(over), size=len(over))
        return float(over[drawn].sum() / under[drawn].sum())

    return _interval(ratio, seed)


def difference_interval(one: Sequence[float], other: Sequence[float], seed: int) -> Interval:
    """The 95 % percentile-bootstrap interval of mean(one) − mean(other), each drawn from its own units."""
    mine, theirs = np.asarray(one, np.float64), np.asarray(other, np.float64)

    def difference(random: np.random.Generator) -> float:
        return float(random.choice(mine, len(mine)).mean() - random.choice(theirs, len(theirs)).mean())

    return _interval(difference, seed)


def _interval(drawn: Callable[[np.random.Generator], float], seed: int) -> Interval:
    random = np.random.default_rng(seed)
    # One at a time: all together would take units × RESAMPLES of memory.
    low, high = np.quantile([drawn(random) for _ in range(RESAMPLES)], [0.025, 0.975])
    return Interval(float(low), float(high))
