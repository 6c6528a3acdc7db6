"""Queries that the base can answer: rows within a call take only tokens with which a name of the base goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from lamlam.errors import LamlamError
from lamlam.generate.row import Row
from lamlam.model import LookupTokenizer

Int64 = npt.NDArray[np.int64]

NO_PAIRS: Int64 = np.zeros((2, 0), np.int64)
"""No row, and no token that may, or may not, come in it."""


class Allowed(Protocol):
    """What may come next in each of some rows (`lamlam.kb.prefix_index.Allowed`)."""

    @property
    def pairs(self) -> Int64:
        """int64[2, n]: a row, and a token that may come in it; each once."""

    @property
    def hot(self) -> Int64:
        """int64[rows]: which row of `Constraint.hot` may come besides, -1 for none."""


class Constraint(Protocol):
    """Which tokens can go on with a query; a base's prefix index is one (`KnowledgeBase.prefix_index`).

    A node is an integer that stands for what has been written of a query, -1 for what no query begins with.
    """

    hot_version: int
    """Changes whenever `hot` does."""

    @property
    def entity_root(self) -> int:
        """The node at which every query begins."""

    def allowed(self, nodes: npt.ArrayLike) -> Allowed:
        """What may come next at each node, the tokens that end an entity or a relation included."""

    def advance(self, nodes: npt.ArrayLike, tokens: npt.ArrayLike) -> Int64:
        """The nodes after one more token each."""

    def hot(self, vocabulary: int) -> npt.NDArray[np.bool_]:
        """What may come next at the nodes with many continuations; bool[hot nodes, vocabulary]."""

    def refresh(self) -> bool:
        """Take over what the base has changed since. True where all nodes are void."""


def constraint_of(base: object, tokenizer: LookupTokenizer) -> Constraint:
    """What a base can be asked; LamlamError for a base that cannot tell."""
    if not hasattr(base, "prefix_index"):
        raise LamlamError("constrained decoding needs a base with a prefix index, such as a KnowledgeBase")
    return cast(Constraint, cast(Any, base).prefix_index(tokenizer))


class Only(NamedTuple):
    """What alone may come next in some rows of the logits: those numbered `rows`; (row, token) in `pairs`, and the rows
    of `hot` (bool, shape (hot nodes, vocabulary), on the device) that `hot_of` gives (row, hot row)."""

    rows: Int64
    pairs: Int64
    hot: torch.Tensor | None
    hot_of: Int64


class Queries:
    """Where the open calls of rows stand in a constraint, by the slots of the rows."""

    def __init__(self, constraint: Constraint, slots: int, device: torch.device) -> None:
        self._constraint, self._device = constraint, device
        self.nodes: Int64 = np.full(slots, -1)
        """Of each slot whose row is within a call."""
        self._hot: torch.Tensor | None = None
        self._hot_version = -1
        self._asked: tuple[Int64, Allowed] | None = None

    def refresh(self) -> bool:
        """Take over what the base has changed since. True where all rows within a call have to `enter` again."""
        self._asked = None
        return self._constraint.refresh()

    def open(self, slots: Sequence[int]) -> None:
        """Calls were opened in these rows."""
        self.nodes[slots] = self._constraint.entity_root

    def follow(self, slots: Int64, tokens: Int64) -> None:
        """Rows within a call have taken a token each."""
        self.nodes[slots] = self._constraint.advance(self.nodes[slots], tokens)

    def enter(self, slot: int, row: Row) -> None:
        """Find out where a row stands whose call, if there is one, was opened or written otherwise."""
        if row.open_call is not None:
            self.nodes[slot] = self.walk(row.ids[row.open_call + 1 :])

    def walk(self, tokens: Sequence[int]) -> int:
        """The node of a query that begins with these tokens."""
        node = self._constraint.entity_root
        for token in tokens:
            node = int(self._constraint.advance([node], [token])[0])
        return node

    def after(self, nodes: npt.ArrayLike, tokens: npt.ArrayLike) -> Int64:
        """The nodes after one more token each."""
        return self._constraint.advance(nodes, tokens)

    def forced(self, slots: Int64) -> tuple[Int64, Int64]:
        """Those of the slots in which one token alone may come next, and this token."""
        allowed = self._allowed(self.nodes[slots])
        rows, tokens = allowed.pairs
        one = (np.bincount(rows, minlength=len(slots)) == 1) & (allowed.hot < 0)
        alone = np.zeros(len(slots), np.int64)
        alone[rows] = tokens
        return slots[one], alone[one]

    def only(
        self, places: Int64, nodes: Int64, vocabulary: int, banned: Mapping[int, Collection[int]]
    ) -> tuple[Only, list[int]]:
        """What may come next at nodes, for the logits' rows `places`; and those of these places at which nothing may.
        `banned`: tokens that may not, by place."""
        allowed = self._allowed(nodes)
        rows, tokens = allowed.pairs
        count = np.bincount(rows, minlength=len(places)) + (allowed.hot >= 0) * vocabulary
        if banned:
            for number in np.flatnonzero(np.isin(places, list(banned)) & (count < vocabulary)).tolist():
                count[number] -= int(np.isin(tokens[rows == number], list(banned[int(places[number])])).sum())
        hot_rows = (allowed.hot >= 0).nonzero()[0]
        if len(hot_rows) and self._hot_version != self._constraint.hot_version:
            hot = torch.from_numpy(self._constraint.hot(vocabulary))
            if self._hot is None or self._hot.shape != hot.shape:
                self._hot = torch.empty(hot.shape, dtype=torch.bool, device=self._device)
            self._hot.copy_(hot)  # in place, so that what was captured with it stays good
            self._hot_version = self._constraint.hot_version
        hot_of = np.array([places[hot_rows], allowed.hot[hot_rows]])
        only = Only(places, np.array([places[rows], tokens]), self._hot, hot_of)
        return only, places[count <= 0].tolist()

    def mask(self, nodes: Int64, vocabulary: int, banned: Mapping[int, Collection[int]]) -> torch.Tensor:
        """Which tokens may come next at nodes; bool, shape (nodes, vocabulary), on the device. `banned`: those that may
        not besides, by the number of the node."""
        only, _ = self.only(np.arange(len(nodes)), nodes, vocabulary, {})
        may = torch.zeros((len(nodes), vocabulary), dtype=torch.bool, device=self._device)
        if only.hot is not None and only.hot_of.shape[1]:
            places, hot_rows = torch.from_numpy(only.hot_of).to(self._device)
            may[places] = only.hot[hot_rows]
        places, tokens = torch.from_numpy(only.pairs).to(self._device)
        may[places, tokens] = True
        for place, its in banned.items():
            may[place, list(its)] = False
        return may

    def _allowed(self, nodes: Int64) -> Allowed:
        """What may come next: where it was asked whether one token alone may, it is asked again right after."""
        if self._asked is None or not np.array_equal(self._asked[0], nodes):
            self._asked = nodes, self._constraint.allowed(nodes)
        return self._asked[1]
