"""Queries that the base can answer: rows within a call take only tokens with which a name of the base goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.row import Row

Int64 = npt.NDArray[np.int64]


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


class Only(NamedTuple):
    """What alone may come next in some rows of the logits: those numbered `rows`; (row, token) in `pairs`, and the rows
    of `hot` (bool, shape (hot nodes, vocabulary), on the device) that `hot_of` gives (row, hot row)."""

    rows: Int64
    pairs: Int64
    hot: torch.Tensor | None
    hot_of: Int64


class Queries:
    """Where the open calls of some rows stand in a constraint."""

    def __init__(self, constraint: Constraint, device: torch.device) -> None:
        self._constraint, self._device = constraint, device
        self._nodes: dict[Row, int] = {}
        self._hot: torch.Tensor | None = None
        self._hot_version = -1

    def follow(self, taken: Sequence[tuple[Row, int]]) -> None:
        """Some rows have taken a token each, that opened a call or goes on with one."""
        opened = [row for row, _ in taken if row.open_call == len(row.ids) - 1]
        if opened and self._constraint.refresh():
            self._nodes = {row: self._walk(row.ids[row.open_call + 1 : -1]) for row in self._nodes if row.open_call}
        moved = [(row, token) for row, token in taken if row.open_call != len(row.ids) - 1]
        if moved:
            nodes = self._constraint.advance([self._nodes[row] for row, _ in moved], [token for _, token in moved])
            self._nodes.update(zip((row for row, _ in moved), nodes.tolist(), strict=True))
        self._nodes.update((row, self._constraint.entity_root) for row in opened)

    def enter(self, row: Row) -> None:
        """Find out where a row stands whose call was opened or written otherwise."""
        if row.open_call is None:
            self.leave(row)
            return
        self._nodes[row] = self._walk(row.ids[row.open_call + 1 :])

    def _walk(self, tokens: Sequence[int]) -> int:
        node = self._constraint.entity_root
        for token in tokens:
            node = int(self._constraint.advance([node], [token])[0])
        return node

    def leave(self, row: Row) -> None:
        """The row's call is closed, or the row is done."""
        self._nodes.pop(row, None)

    def only(self, rows: Sequence[tuple[int, Row]], vocabulary: int) -> tuple[Only, list[Row]]:
        """What may come next in rows of the logits, by their places; and those of them in which nothing may."""
        allowed = self._constraint.allowed([self._nodes[row] for _, row in rows])
        places = np.array([place for place, _ in rows], np.int64)
        count = np.bincount(allowed.pairs[0], minlength=len(rows)) + (allowed.hot >= 0) * vocabulary
        for number, (_, row) in enumerate(rows):
            if row.restricted and count[number] < vocabulary:
                banned = row.banned() | ({row.tokenizer.return_id} if row.refused_here() else set())
                its = allowed.pairs[1][allowed.pairs[0] == number]
                count[number] -= int(np.isin(its, list(banned)).sum())
        hot_rows = np.flatnonzero(allowed.hot >= 0)
        if len(hot_rows) and self._hot_version != self._constraint.hot_version:
            self._hot = torch.from_numpy(self._constraint.hot(vocabulary)).to(self._device)
            self._hot_version = self._constraint.hot_version
        hot_of = np.array([places[hot_rows], allowed.hot[hot_rows]])
        only = Only(places, np.array([places[allowed.pairs[0]], allowed.pairs[1]]), self._hot, hot_of)
        return only, [row for number, (_, row) in enumerate(rows) if count[number] <= 0]
