"""A judge of calls: how likely one is a true statement of its text, with a sensible question and a whole value.

A logistic regression over what can be told of the call (`evidence`) and the tagger's state at its value. It is taught
by readers' verdicts: calls that were read one by one in their texts. Its weights are a table of named numbers, which
can be read, but for those of the state.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

LEAST_SEEN = 3
"""A feature of fewer verdicts is left out."""
SHRINKAGE = 16.0
"""What the squares of the weights count (L2), in verdicts."""
FOLDS = 10
AXES, STRETCHED = 64, 0.5
"""Principal components of the tagger's states that are learnt from, and how far each spreads (standard deviation)."""


class CallJudge(NamedTuple):
    """The weights by feature, how often examples use a word in the name of a relation, and what each number of the
    tagger's state at the value counts."""

    weights: Mapping[str, float]
    words: Mapping[str, int]
    state: Sequence[float] = ()

    def chance(self, features: Mapping[str, float], state: np.ndarray | None = None) -> float:
        """The chance that a call with these features and this state [hidden] is a good one; 0 without features."""
        if not features:
            return 0.0
        odds = sum(value * self.weights.get(name, 0.0) for name, value in features.items())
        if state is not None and len(self.state):
            odds += float(state @ np.asarray(self.state))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))

    def write(self, path: Path) -> None:
        """Write the judge as JSON."""
        path.write_text(json.dumps(self._asdict(), indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> CallJudge:
        """Read what `write` wrote; raises `ValueError` or `KeyError` for anything else."""
        found = json.loads(path.read_text("utf-8"))
        return cls(
            {str(name): float(weight) for name, weight in found["weights"].items()},
            {str(word): int(count) for word, count in found["words"].items()},
            tuple(float(weight) for weight in found["state"]),
        )


class Verdict(NamedTuple):
    """What a reader found: the features of a call, whether it is a good one, the document that it is about, and the
    tagger's state [hidden] at its value."""

    features: Mapping[str, float]
    good: bool
    document: str
    state: np.ndarray | None = None


class Axes(NamedTuple):
    """The directions [axes, hidden] in which states differ most, scaled, and the states' `middle` [hidden]."""

    middle: np.ndarray
    directions: np.ndarray


def axes_of(states: np.ndarray) -> Axes:
    """The principal components of states [verdicts, hidden]."""
    middle = states.mean(0)
    _, spread, directions = np.linalg.svd(states - middle, full_matrices=False)
    count = min(AXES, int((spread > 1e-6 * spread.max(initial=1e-9)).sum()))
    scale = STRETCHED * math.sqrt(len(states)) / spread[:count, None]
    return Axes(middle, directions[:count] * scale)


def along(axes: Axes, verdict: Verdict) -> Verdict:
    """The verdict with its place on every axis among its features."""
    if verdict.state is None:
        return verdict
    places = axes.directions @ (verdict.state - axes.middle)
    return verdict._replace(features={**verdict.features, **{f"axis {i}": x for i, x in enumerate(places.tolist())}})


def folded(weights: Mapping[str, float], axes: Axes) -> tuple[dict[str, float], tuple[float, ...]]:
    """Weights of `along`'s features as (weights of the other features, weights of the state itself)."""
    by_axis = np.array([weights.get(f"axis {i}", 0.0) for i in range(len(axes.directions))])
    state = by_axis @ axes.directions
    others = {name: weight for name, weight in weights.items() if not name.startswith("axis ")}
    others["always"] = others.get("always", 0.0) - float(state @ axes.middle)
    return others, tuple(round(weight, 6) for weight in state.tolist())


def fit_weights(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The weights that make the verdicts likeliest, shrunk towards 0; by Newton's method."""
    seen = Counter(name for one in verdicts for name in one.features)
    names = {name: i for i, name in enumerate(sorted(name for name, times in seen.items() if times >= LEAST_SEEN))}
    rows = np.zeros((len(verdicts), len(names)))
    for row, one in zip(rows, verdicts, strict=True):
        for name, value in one.features.items():
            if name in names:
                row[names[name]] = value
    good = np.array([float(one.good) for one in verdicts])
    weights = np.zeros(len(names))
    for _ in range(50):
        chances = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (chances - good) + SHRINKAGE * weights
        bend = (rows * (chances * (1 - chances))[:, None]).T @ rows + SHRINKAGE * np.eye(len(names))
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max(initial=0.0) < 1e-4:
            break
    return dict(zip(names, weights.tolist(), strict=True))


def cross_validated(verdicts: Sequence[Verdict]) -> list[float]:
    """The chance of each call by a judge that saw no verdict about its document: float [verdicts]."""
    fold = {document: i % FOLDS for i, document in enumerate(sorted({one.document for one in verdicts}))}
    chances = [0.0] * len(verdicts)
    for number in range(FOLDS):
        judge = CallJudge(fit_weights([one for one in verdicts if fold[one.document] != number]), {})
        for i, one in enumerate(verdicts):
            if fold[one.document] == number:
                chances[i] = judge.chance(one.features)
    return chances


def ranked(chances: Sequence[float], good: Sequence[bool]) -> float:
    """How often a good call has a higher chance than a bad one: the area under the ROC curve."""
    pairs = sorted(zip(chances, good, strict=True))
    below = wins = 0
    for _, is_good in pairs:
        wins += below if is_good else 0
        below += not is_good
    return wins / max(1, below * (len(pairs) - below))
