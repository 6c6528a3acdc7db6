"""The next token of every row at once, on the device: the grammar, bans, constraints, and sampling."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.compiling import COMPILES
from lamlam.generate.constraint import NO_PAIRS, Only
from lamlam.generate.likeliest import Likeliest
from lamlam.generate.llama import LlamaForward
from lamlam.generate.output import RoundedScores, Scores, Whole
from lamlam.generate.row import State
from lamlam.generate.slots import Forward, Int64
from lamlam.generate.transfer import Staging
from lamlam.model import LookupTokenizer

if TYPE_CHECKING:
    from lamlam.generate.compiled_choice import CompiledLikeliest
    from lamlam.generate.graphs import ChoiceGraphs

Floats = npt.NDArray[np.float64]

NOTHING = len(State)
"""The row of the table of masks in which no token may come."""


class Drawn(NamedTuple):
    """How some rows of the logits are sampled, an array with a number for each: their places, and what `Sampling` says
    (`top_k`: 0 for all); `point`: the number in [0, 1) that decides."""

    places: Int64
    temperature: Floats
    top_k: Int64
    top_p: Floats
    min_p: Floats
    point: Floats


@dataclass
class Choices:
    """What is known about each row of the logits before a token is chosen.

    `states`: for every row, in order. The others are for some rows, by their place: `banned`, token ids that may not
    come; `only`, those that alone may come; `seen`, token ids to penalise, and by how much; `drawn`, how rows that are
    not greedy are sampled.
    """

    states: Int64
    banned: dict[int, Collection[int]] = field(default_factory=dict)
    only: Only | None = None
    seen: list[tuple[int, Collection[int], float]] = field(default_factory=list)
    drawn: Drawn | None = None


class Chooser:
    """Chooses tokens for a tokenizer after what a forward gives; its vocabulary may be larger than the tokenizer's."""

    def __init__(self, tokenizer: LookupTokenizer, forward: Forward) -> None:
        self._forward, self.device = forward, forward.device
        self._ruled_out = ruled_out(tokenizer, forward.vocabulary).to(self.device)
        self._staging = Staging(self.device)
        self._fused = self.device.type == "cuda" and find_spec("triton") is not None
        self._graphs: ChoiceGraphs | None = None
        if isinstance(forward, LlamaForward) and forward.graphs is not None:
            from lamlam.generate.graphs import ChoiceGraphs  # needs Triton

            self._graphs = ChoiceGraphs(forward.graphs, forward, self._ruled_out)
        self._here = Likeliest(self._ruled_out) if self.device.type == "cpu" else None
        self._compiled: CompiledLikeliest | None = None
        if self._here is not None and COMPILES:
            from lamlam.generate.compiled_choice import CompiledLikeliest

            self._compiled = CompiledLikeliest(self._ruled_out)

    def choose(self, hidden: torch.Tensor, choices: Choices) -> torch.Tensor:
        """The next token of each row; int64, shape (rows,). `hidden`: what the forward has given for them."""
        if self._here is not None and choices.drawn is None and not choices.seen:
            return self._found(self._here, self._forward.scores(hidden), choices)
        if self._fused and choices.drawn is None and not choices.seen:
            return self._likeliest(hidden, choices)
        logits = self._forward.logits(hidden)
        if choices.seen:
            self._penalise(logits, choices.seen)
        if self._here is not None and choices.drawn is None:
            return self._found(self._here, Whole(logits), choices)
        states, only = choices.states.copy(), choices.only
        parts = [states, _pairs(choices.banned.items())]
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
        if choices.drawn is not None:
            [places] = self._send([choices.drawn.places])
            chosen[places] = self._draw(logits[places], choices.drawn)
        return chosen

    def _found(self, here: Likeliest, scores: Scores, choices: Choices) -> torch.Tensor:
        banned = _pairs(choices.banned.items()) if choices.banned else NO_PAIRS
        if self._compiled is not None and isinstance(scores, RoundedScores):
            return torch.from_numpy(self._compiled(scores, choices.states, banned, choices.only))
        return torch.from_numpy(here(scores, choices.states, banned, choices.only))

    def _penalise(self, logits: torch.Tensor, seen: list[tuple[int, Collection[int], float]]) -> None:
        [(places, tokens)] = self._send([_pairs([(row, ids) for row, ids, _ in seen])])
        penalties = np.repeat([penalty for _, _, penalty in seen], [len(ids) for _, ids, _ in seen])
        penalty = torch.as_tensor(penalties, dtype=logits.dtype, device=self.device)
        old = logits[places, tokens]
        logits[places, tokens] = torch.where(old > 0, old / penalty, old * penalty)

    def _draw(self, logits: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))

        told = np.stack([drawn.temperature, drawn.top_p, drawn.min_p, drawn.point])
        temperature, top_p, min_p, point = torch.from_numpy(told).to(self.device).unsqueeze(2)
        likely = torch.softmax(logits / temperature.to(logits.dtype), dim=-1)
        least = likely.amax(dim=-1, keepdim=True) * min_p.to(logits.dtype)
        if drawn.top_k.any() or (drawn.top_p < 1).any():
            size = logits.shape[1]
            ordered = likely.sort(dim=-1, descending=True).values
            last = np.where(drawn.top_k > 0, np.minimum(drawn.top_k, size), size) - 1
            kth = ordered.gather(1, torch.from_numpy(last).to(self.device).unsqueeze(1))
            ordered = torch.where(ordered >= kth, ordered, 0)
            before = ordered.cumsum(dim=-1) - ordered
            share = top_p.to(logits.dtype) * ordered.sum(dim=-1, keepdim=True)
            # The first of equally likely tokens decides for them all.
            kept = ordered.masked_fill(before >= share, torch.inf)
            least = torch.maximum(torch.maximum(least, kth), kept.amin(dim=-1, keepdim=True))
        # Drawn in the vocabulary's order: rounding, which differs with the batch, swaps neighbours of the other one.
        likely = torch.where(likely >= least, likely, 0).double()
        summed = likely.cumsum(dim=-1)
        points = point * summed[:, -1:]
        return torch.searchsorted(summed, points, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)

    def _likeliest(self, hidden: torch.Tensor, choices: Choices) -> torch.Tensor:
        """What `choose` gives where no row is sampled or penalised, in one kernel; and with the output layer in one
        graph, where nothing is banned."""
        from lamlam.generate import kernels  # needs Triton

        rows, table = len(choices.states), None if choices.only is None else choices.only.hot
        if self._graphs is not None and not choices.banned:
            size = self._graphs.room(rows)
            plan = plan_of(choices, size)
            if self._graphs.takes(plan, size):
                return self._graphs.choose(rows, plan, size, table)
        logits = self._forward.logits(hidden)
        if choices.banned:
            [(places, tokens)] = self._send([_pairs(choices.banned.items())])
            logits[places, tokens] = -torch.inf
        chosen = torch.empty(rows, dtype=torch.long, device=self.device)
        return kernels.likeliest(logits, self._ruled_out, table, self._staging.send(plan_of(choices, rows)), chosen)

    def _send(self, arrays: Sequence[Int64]) -> list[torch.Tensor]:
        """Arrays as tensors on the device, by one copy for them all."""
        tensor = self._staging.send(np.concatenate([array.ravel() for array in arrays]))
        pieces = tensor.split([array.size for array in arrays])
        return [piece.view(array.shape) for piece, array in zip(pieces, arrays, strict=True)]


def plan_of(choices: Choices, size: int) -> Int64:
    """What is known about the rows as `kernels.likeliest` wants it, for `size` rows, the last of which are nobody's."""
    rows, only = len(choices.states), choices.only
    plan = np.zeros(3 * size + 1 + (0 if only is None else only.pairs.shape[1]), np.int64)
    states, hot, starts = plan[:size], plan[size : 2 * size], plan[2 * size : 3 * size + 1]
    states[:rows], hot[:] = choices.states, -1
    if only is not None:
        states[only.rows] = NOTHING
        hot[only.hot_of[0]] = only.hot_of[1]
        listed = only.pairs[0]
        np.cumsum(np.bincount(listed, minlength=size), out=starts[1:])
        plan[3 * size + 1 :] = only.pairs[1][np.argsort(listed, kind="stable")]
    return plan


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


def _pairs(lists: Collection[tuple[int, Collection[int]]]) -> Int64:
    """(row, tokens) lists as one array of rows and one of tokens."""
    rows = np.repeat([row for row, _ in lists], [len(tokens) for _, tokens in lists])
    return np.array([rows, [token for _, tokens in lists for token in tokens]], np.int64)
