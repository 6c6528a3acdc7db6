"""The next token of every row at once, on the device: the grammar, bans, constraints, and sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.constraint import Only
from lamlam.generate.row import State
from lamlam.generate.sampling import Sampling
from lamlam.generate.transfer import Staging
from lamlam.model import LookupTokenizer

NOTHING = len(State)
"""The row of the table of masks in which no token may come."""


@dataclass
class Choices:
    """What is known about each row of the logits before a token is chosen.

    `states`: for every row, in order. The others are for some rows, by their place: `banned`, token ids that may not
    come; `only`, those that alone may come; `seen`, token ids to penalise; `drawn`, how the row samples, and a number
    in [0, 1), for each that is not greedy.
    """

    states: list[int] = field(default_factory=list)
    banned: list[tuple[int, Sequence[int]]] = field(default_factory=list)
    only: Only | None = None
    seen: list[tuple[int, Sequence[int], float]] = field(default_factory=list)
    drawn: list[tuple[int, Sampling, float]] = field(default_factory=list)


class Chooser:
    """Chooses tokens for a tokenizer and a vocabulary of logits, which may be larger than the tokenizer."""

    def __init__(self, tokenizer: LookupTokenizer, vocabulary: int, device: torch.device) -> None:
        self.device = device
        self._ruled_out = ruled_out(tokenizer, vocabulary).to(device)
        self._staging = Staging(device)
        self._fused = device.type == "cuda" and find_spec("triton") is not None

    def choose(self, logits: torch.Tensor, choices: Choices) -> torch.Tensor:
        """The next token of each row; int64, shape (rows,). `logits`: shape (rows, vocabulary); may be written to."""
        if choices.seen:
            self._penalise(logits, choices.seen)
        if self._fused and not choices.drawn:
            return self._likeliest(logits, choices)
        states, only = np.array(choices.states, np.int64), choices.only
        parts = [states, _pairs(choices.banned)]
        if only is not None:
            states[only.rows] = NOTHING
            parts += [only.pairs, only.hot_of]
        states_, banned, *rest = self._send(parts)
        barred = self._ruled_out[states_]
        if only is not None:
            pairs, hot_of = rest
            if only.hot is not None and hot_of.shape[1]:
                barred[hot_of[0]] = ~only.hot[hot_of[1]]
            barred[pairs[0], pairs[1]] = False
        if choices.banned:
            barred[banned[0], banned[1]] = True
        logits = logits.masked_fill_(barred, -torch.inf)
        chosen = logits.argmax(dim=-1)
        if choices.drawn:
            [places] = self._send([np.array([row for row, _, _ in choices.drawn])])
            chosen[places] = self._draw(logits[places], choices.drawn)
        return chosen

    def _penalise(self, logits: torch.Tensor, seen: list[tuple[int, Sequence[int], float]]) -> None:
        [(places, tokens)] = self._send([_pairs([(row, ids) for row, ids, _ in seen])])
        penalties = np.repeat([penalty for _, _, penalty in seen], [len(ids) for _, ids, _ in seen])
        penalty = torch.as_tensor(penalties, dtype=logits.dtype, device=self.device)
        old = logits[places, tokens]
        logits[places, tokens] = torch.where(old > 0, old / penalty, old * penalty)

    def _draw(self, logits: torch.Tensor, drawn: list[tuple[int, Sampling, float]]) -> torch.Tensor:
        samplings = [sampling for _, sampling, _ in drawn]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))

        def column(values: list[float], dtype: torch.dtype = logits.dtype) -> torch.Tensor:
            return torch.tensor(values, dtype=dtype).to(self.device).unsqueeze(1)

        likely = torch.softmax(logits / column([sampling.temperature for sampling in samplings]), dim=-1)
        least = likely.amax(dim=-1, keepdim=True) * column([sampling.min_p for sampling in samplings])
        if any(sampling.top_k is not None or sampling.top_p < 1 for sampling in samplings):
            size = logits.shape[1]
            ordered = likely.sort(dim=-1, descending=True).values
            last = column([min(sampling.top_k or size, size) - 1 for sampling in samplings], torch.int64)
            kth = ordered.gather(1, last)
            ordered = torch.where(ordered >= kth, ordered, 0)
            before = ordered.cumsum(dim=-1) - ordered
            share = column([sampling.top_p for sampling in samplings]) * ordered.sum(dim=-1, keepdim=True)
            # The first of equally likely tokens decides for them all.
            kept = ordered.masked_fill(before >= share, torch.inf)
            least = torch.maximum(torch.maximum(least, kth), kept.amin(dim=-1, keepdim=True))
        # Drawn in the vocabulary's order: rounding, which differs with the batch, swaps neighbours of the other one.
        likely = torch.where(likely >= least, likely, 0).double()
        summed = likely.cumsum(dim=-1)
        points = column([point for _, _, point in drawn], torch.float64) * summed[:, -1:]
        return torch.searchsorted(summed, points, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)

    def _likeliest(self, logits: torch.Tensor, choices: Choices) -> torch.Tensor:
        """What `choose` gives where no row is sampled, in one kernel."""
        from lamlam.generate import kernels  # needs Triton

        if choices.banned:
            [(places, tokens)] = self._send([_pairs(choices.banned)])
            logits[places, tokens] = -torch.inf
        states, only = np.array(choices.states, np.int64), choices.only
        hot, counts = np.full(len(states), -1), np.zeros(len(states), np.int64)
        tokens = np.zeros(0, np.int64)
        table = None
        if only is not None:
            states[only.rows] = NOTHING
            hot[only.hot_of[0]] = only.hot_of[1]
            counts = np.bincount(only.pairs[0], minlength=len(states))
            tokens = only.pairs[1][np.argsort(only.pairs[0], kind="stable")]
            table = only.hot
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        plan = self._staging.send(np.concatenate([states, hot, starts, tokens]))
        return kernels.likeliest(logits, self._ruled_out, table, plan)

    def _send(self, arrays: Sequence[npt.NDArray[np.int64]]) -> list[torch.Tensor]:
        """Arrays as tensors on the device, by one copy for them all."""
        tensor = self._staging.send(np.concatenate([array.ravel() for array in arrays]))
        pieces = tensor.split([array.size for array in arrays])
        return [piece.view(array.shape) for piece, array in zip(pieces, arrays, strict=True)]


def ruled_out(tokenizer: LookupTokenizer, vocabulary: int) -> torch.Tensor:
    """Which tokens the grammar rules out in each `State`, and all of them in row `NOTHING`; bool, shape (states + 1,
    vocabulary)."""
    entity, relation, ret, end = tokenizer.lookup_ids
    outside = [tokenizer.eos_id, tokenizer.start_id]
    barred = torch.zeros((len(State) + 1, vocabulary), dtype=torch.bool)
    barred[NOTHING] = True
    barred[State.TEXT, [relation, ret, end, tokenizer.start_id]] = True
    barred[State.TEXT_ONLY, [entity, relation, ret, end, tokenizer.start_id]] = True
    barred[[State.TEXT, State.TEXT_ONLY], tokenizer.eos_id] = False  # it may be the start token as well
    barred[State.ENTITY_START, [entity, relation, ret, end, *outside]] = True
    barred[State.ENTITY, [entity, ret, end, *outside]] = True
    barred[State.RELATION_START, [entity, relation, ret, end, *outside]] = True
    barred[State.RELATION, [entity, relation, end, *outside]] = True
    barred[:, len(tokenizer) :] = True  # embeddings that no token has
    return barred


def _pairs(lists: Sequence[tuple[int, Sequence[int]]]) -> npt.NDArray[np.int64]:
    """(row, tokens) lists as one array of rows and one of tokens."""
    rows = np.repeat([row for row, _ in lists], [len(tokens) for _, tokens in lists])
    return np.array([rows, [token for _, tokens in lists for token in tokens]], np.int64)
