"""When to ask at all: Thrust, a score of how much a model knows by itself about what a prompt asks.

Zhao et al. 2023, "Thrust: Adaptively Propels Large Language Models with External Knowledge" (arXiv 2307.10442), section
3. Hidden states f of a small sample of seen questions are clustered by k-means, the questions of each class for
themselves: here, as in the paper for open questions, there is one class, so N = 1. With clusters C_k, their centroids
m_k and d_k(q) = m_k - f(q), the score of a question q is

    s(q) = || 1/(N K)  sum_k  |C_k| / ||d_k(q)||^2  *  d_k(q) / ||d_k(q)|| ||

which is high near a large cluster of questions like q, and low far from all of them, or between clusters that pull in
all directions. K is the fourth root of the number of questions, rounded up, and at least 3. f is the state of the last
layer at the last token of the prompt. Clustered are the questions that the model answers without lookups: where
others are clustered too, near is what is frequent, not what is known (experiments/thrust/README.md has figures).

Where a score says "knows enough", lookups are off for that prompt. The threshold is fitted to questions of which it is
known whether the model answers them without lookups: that of the best balanced accuracy.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FEWEST = 16
"""So many questions, and of both kinds, are the least to fit to: half of them fit, half are held out."""
_NEAREST = 1e-6  # a question nearer to a centroid counts as that near: it would have no finite score on it
_FORMAT = 1


@dataclass(frozen=True)
class Separation:
    """How well scores tell what a model knows on questions that were not fitted to.

    `auroc`: the chance that a question it knows scores above one it does not; 0.5 is guessing. `balanced_accuracy`: the
    mean of `known_kept` (known questions that go without lookups) and `unknown_asked` (unknown ones that ask).
    """

    questions: int
    known: int
    auroc: float
    balanced_accuracy: float
    known_kept: float
    unknown_asked: float


class Thrust:
    """Clusters, and the threshold from which on a model knows enough not to ask."""

    def __init__(
        self, centroids: npt.NDArray[np.float32], sizes: npt.NDArray[np.int64], threshold: float, fingerprint: str = ""
    ) -> None:
        self.centroids, self.sizes, self.threshold, self.fingerprint = centroids, sizes, threshold, fingerprint

    def score(self, states: npt.NDArray[np.float32]) -> Floats:
        """s(q) of each row of hidden states (float32[questions, hidden])."""
        if states.ndim != 2 or states.shape[1] != self.centroids.shape[1]:
            raise LamlamError(
                f"hidden states of {states.shape[-1]} numbers do not fit clusters of {self.centroids.shape[1]}: the "
                "clusters were fitted to another model; run `lamlam thrust fit` for this one"
            )
        way = self.centroids[None].astype(np.float64) - states[:, None].astype(np.float64)
        distance = np.maximum(np.linalg.norm(way, axis=2, keepdims=True), _NEAREST)
        return np.asarray(np.linalg.norm((self.sizes[None, :, None] * way / distance**3).mean(axis=1), axis=1))

    def knows(self, states: npt.NDArray[np.float32]) -> Bools:
        """Whether the model knows enough about each question without lookups; bool[questions]."""
        return self.score(states) >= self.threshold

    def asks(self, model: Any, tokenizer: LookupTokenizer, prompts: Sequence[Sequence[int]]) -> list[bool]:
        """Whether lookups are to be on for each prompt, given as token ids without the start token."""
        if self.fingerprint not in ("", tokenizer.fingerprint()):
            raise LamlamError("the clusters were fitted with another tokenizer; run `lamlam thrust fit` for this model")
        return [not known for known in self.knows(prompt_states(model, tokenizer, prompts)).tolist()]

    def save(self, folder: str | Path) -> None:
        """Write `thrust.safetensors` and `thrust.json` into a folder, which is replaced."""
        with write_beside(folder) as partial:
            partial.mkdir()
            save_file({"centroids": self.centroids, "sizes": self.sizes}, partial / "thrust.safetensors")
            told = {"format": _FORMAT, "threshold": self.threshold, "fingerprint": self.fingerprint}
            (partial / "thrust.json").write_text(json.dumps(told, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Thrust:
        """Read what `save` wrote; `LamlamError` where there is nothing of the kind."""
        folder = Path(folder)
        try:
            told = json.loads((folder / "thrust.json").read_text())
            arrays = load_file(folder / "thrust.safetensors")
            centroids, sizes = arrays["centroids"], arrays["sizes"]
            if told["format"] != _FORMAT or centroids.ndim != 2 or sizes.shape != centroids.shape[:1]:
                raise ValueError("not of this version")
            return cls(centroids, sizes, float(told["threshold"]), str(told["fingerprint"]))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise LamlamError(f"no fitted Thrust at {folder} ({reason}); make it with `lamlam thrust fit`") from error


class Fitted(NamedTuple):
    """Clusters with their threshold, and how they separate the questions that were not fitted to.

    `held_out`: which these are; bool[questions].
    """

    thrust: Thrust
    separation: Separation
    held_out: Bools


def fit(states: npt.NDArray[np.float32], known: Sequence[bool], seed: int = 0, fingerprint: str = "") -> Fitted:
    """Clusters (of the known) and threshold from one half of the questions, and how they separate the other half.

    `states`: float32[questions, hidden]; `known`: whether the model answers each without lookups. Halves are drawn, by
    `seed`, from the known and the unknown ones alike. LamlamError where there are too few of either.
    """
    from scipy.cluster.vq import kmeans2  # here, since scoring needs no scipy

    labels = np.asarray(known, bool)
    _refuse_few(len(labels), int(labels.sum()))
    rng = np.random.default_rng(seed)
    fitting = np.zeros(len(labels), bool)
    for which in (labels, ~labels):
        members = rng.permutation(np.flatnonzero(which))
        fitting[members[: (len(members) + 1) // 2]] = True
    mine = states[fitting & labels].astype(np.float64)
    clusters = min(max(3, math.ceil(len(mine) ** 0.25)), len(np.unique(mine, axis=0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a cluster that stays empty: it is left out here
        centroids, owner = kmeans2(mine, clusters, minit="++", seed=seed)
    sizes = np.bincount(owner, minlength=clusters)
    there = sizes > 0
    thrust = Thrust(centroids[there].astype(np.float32), sizes[there].astype(np.int64), 0.0, fingerprint)
    thrust.threshold = _best_threshold(thrust.score(states[fitting]), labels[fitting])
    told = separation(thrust.score(states[~fitting]), labels[~fitting], thrust.threshold)
    return Fitted(thrust, told, ~fitting)


def separation(scores: Floats, known: Bools, threshold: float) -> Separation:
    """How scores of questions tell those that are known from those that are not."""
    high, low = scores[known], scores[~known]
    above = (high[:, None] > low[None]).mean() + (high[:, None] == low[None]).mean() / 2
    kept, asked = float((high >= threshold).mean()), float((low < threshold).mean())
    return Separation(len(scores), int(known.sum()), float(above), (kept + asked) / 2, kept, asked)


def prompt_states(
    model: Any, tokenizer: LookupTokenizer, prompts: Sequence[Sequence[int]], batch_size: int = 64
) -> npt.NDArray[np.float32]:
    """The last layer's state at the last token of each prompt, which are token ids without the start token.

    float32[prompts, hidden].
    """
    found = np.zeros((len(prompts), int(model.config.hidden_size)), np.float32)
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for first in range(0, len(order), batch_size):
        some = order[first : first + batch_size]
        rows = [[tokenizer.start_id, *prompts[number]] for number in some]
        # Padding stands on the right, where no causal model sees it from the tokens that count.
        inputs = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        for place, row in enumerate(rows):
            inputs[place, : len(row)] = torch.tensor(row)
        with torch.inference_mode():
            output = model(
                input_ids=inputs.to(model.device), use_cache=False, output_hidden_states=True, logits_to_keep=1
            )
        last = torch.tensor([len(row) - 1 for row in rows], device=model.device)
        states = output.hidden_states[-1][torch.arange(len(rows), device=model.device), last]
        found[some] = states.float().cpu().numpy()
    return found


def _best_threshold(scores: Floats, known: Bools) -> float:
    """The score from which on questions count as known, with the best balanced accuracy; between two scores."""
    order = np.argsort(scores)
    ordered, labels = scores[order], known[order]
    # With the threshold before place i, those before it ask.
    unknown_asked = np.concatenate([[0], np.cumsum(~labels)]) / max(1, int((~labels).sum()))
    known_kept = 1 - np.concatenate([[0], np.cumsum(labels)]) / max(1, int(labels.sum()))
    possible = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])  # not between equal scores
    best = int(np.argmax(np.where(possible, unknown_asked + known_kept, -1)))
    if best == 0:
        return float(ordered[0])
    if best == len(ordered):
        return float(np.nextafter(ordered[-1], np.inf))
    return float((ordered[best - 1] + ordered[best]) / 2)


def _refuse_few(questions: int, known: int) -> None:
    if questions < FEWEST:
        raise LamlamError(f"{questions} questions are too few to fit Thrust to; give at least {FEWEST}")
    if known < 2 or questions - known < 2:
        what = "hardly any" if known < 2 else "nearly all"
        say = "always" if known < 2 else "never"
        raise LamlamError(
            f"the model answers {what} of the {questions} questions without lookups ({known}): there is nothing to "
            f"tell apart, so ask {say}, or give other questions"
        )
