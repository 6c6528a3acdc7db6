"""The running rows side by side in arrays, so that a step handles hundreds of them with a few operations.

A row is a Python object with rules of its own (`lamlam.generate.row`), and hundreds of looks take longer than a step of
a model. So it is looked at only where something may happen in it: when it opens or closes a call or ends the text, or
has taken as many other tokens as it said may come (`Row.calm`). Until then its tokens wait here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lamlam.generate.row import Row, State, after
from lamlam.generate.sampling import Sampling
from lamlam.generate.slots import Int64
from lamlam.model import LookupTokenizer

Bools = npt.NDArray[np.bool_]

_WAITING = 32  # as many tokens of a row wait for a look at most
_AFTER = np.array([[after(state, closes) for state in State] for closes in (False, True)])
_LOOK = len(_AFTER)
_SEED = 2**64 - 1


class Batch:
    """Arrays of length `slots`, by slot. What they say of a slot without a row means nothing, but for `there`."""

    def __init__(self, slots: int, tokenizer: LookupTokenizer, vocabulary: int) -> None:
        self._kinds = np.zeros(vocabulary, np.int64)  # of tokens: rows of `_AFTER`, or `_LOOK`
        self._kinds[tokenizer.relation_id] = 1
        self._kinds[[tokenizer.entity_id, tokenizer.return_id, tokenizer.end_id, tokenizer.eos_id]] = _LOOK
        self.there: Bools = np.zeros(slots, bool)
        """Whether the slot has a row."""
        self._looks: Int64 = np.zeros((5, slots), np.int64)
        self.state, self.length, self.last, self.restricted, self._calm = self._looks
        # The `State` of the next token; tokens of the row; the last of them; whether the row itself has to say what may
        # come next; ordinary tokens that may come before it wants a look.
        self.fed: Int64 = np.zeros(slots, np.int64)
        """Tokens of it that the model has seen."""
        self.joined: Int64 = np.zeros(slots, np.int64)
        """Grows from row to row as they come."""
        self.draws = np.zeros(slots, np.uint64)
        """Tokens chosen for it."""
        self.seed = np.zeros(slots, np.uint64)
        self.penalised: Bools = np.zeros(slots, bool)
        self.sampled: Bools = np.zeros(slots, bool)
        self.temperature, self.top_p, self.min_p = np.ones(slots), np.ones(slots), np.zeros(slots)
        self.top_k: Int64 = np.zeros(slots, np.int64)
        """0 for all."""
        self._waiting: Int64 = np.zeros((slots, _WAITING), np.int64)
        self._waits: Int64 = np.zeros(slots, np.int64)  # how many do

    def enter(self, slot: int, sampling: Sampling, seed: int) -> None:
        """A row takes a free slot; the model has seen nothing of it yet. To be followed by `look`."""
        self.there[slot] = True
        self.joined[slot] = self.joined.max() + 1
        self.fed[slot] = self.draws[slot] = 0
        self.seed[slot] = seed & _SEED
        self.sampled[slot], self.penalised[slot] = not sampling.greedy, sampling.repetition_penalty != 1
        self.temperature[slot], self.top_k[slot] = sampling.temperature, sampling.top_k or 0
        self.top_p[slot], self.min_p[slot] = sampling.top_p, sampling.min_p

    def look(self, slot: int, row: Row, *, always: bool = False) -> None:
        """Note how a row stands that has no tokens waiting. `always`: look at it again after each token."""
        ids = row.ids
        calm = 0 if always else min(row.calm(), _WAITING)
        self._looks[:, slot] = row.state, len(ids), ids[-1], row.restricted, calm

    def settle(self, slot: int, row: Row) -> None:
        """Let the row have the tokens that wait for it."""
        if waits := int(self._waits[slot]):
            row.extend(self._waiting[slot, :waits].tolist())
            self._waits[slot] = 0

    def take(self, slots: Int64, tokens: Int64) -> Bools:
        """A token for each of some rows. Gives which of them want a look, and have to be settled and to take the token
        themselves."""
        kind = self._kinds[tokens]
        calm: Bools = (kind < _LOOK) & (self._calm[slots] > 0)
        if not calm.any():
            return ~calm
        slots, tokens, kind = slots[calm], tokens[calm], kind[calm]
        self._waiting[slots, self._waits[slots]] = tokens
        self._waits[slots] += 1
        self._calm[slots] -= 1
        self.length[slots] += 1
        self.last[slots] = tokens
        self.state[slots] = _AFTER[kind, self.state[slots]]
        return ~calm
