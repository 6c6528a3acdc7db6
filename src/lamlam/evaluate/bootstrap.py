"""Confidence intervals by resampling what was measured: the questions, or the documents."""

from __future__ import annotations

from collections.abc import Sequence
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
    random = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLES)
    for resample in range(RESAMPLES):  # one at a time: all together would take units × RESAMPLES of memory
        drawn = random.integers(len(over), size=len(over))
        ratios[resample] = over[drawn].sum() / under[drawn].sum()
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(low), float(high))
