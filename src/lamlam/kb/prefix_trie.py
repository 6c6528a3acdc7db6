"""A trie over token ids in two flat arrays, made in bulk and read in batches, with small changes on top.

Nodes are numbered level by level, the children of a node side by side and in the order of their tokens. So a node is
two numbers: the token that leads to it, and where its children begin. No node is an object; 24 million of them lie in
a memory-mapped file of 6 bytes each, and a batch of rows is answered by a few array operations.

A node that is wiped takes the token of the sibling after it, or `none` where there is none. So siblings stay sorted,
the last of those with one token is the one that is there, and nothing is left to be read of what was wiped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Int64 = npt.NDArray[np.int64]
_FEW = 64  # children that are looked through rather than searched


class Sequences(NamedTuple):
    """Token sequences, one after another: sequence i is `tokens[starts[i] : starts[i + 1]]`."""

    tokens: Ints
    starts: Int64

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Sequences:
        """From lists of ids; int64."""
        starts = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(ids) for ids in lists], out=starts[1:])
        return cls(np.fromiter(chain.from_iterable(lists), np.int64, count=int(starts[-1])), starts)

    @classmethod
    def joined(cls, parts: Sequence[Sequences]) -> Sequences:
        """The sequences of all parts, in order."""
        lengths = [np.diff(part.starts) for part in parts]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))])
        return cls(np.concatenate([part.tokens for part in parts]), starts)


def narrow(numbers: Ints) -> Ints:
    """As uint16 where they fit, else uint32; the highest number of the type is kept free."""
    most = int(numbers.max()) if len(numbers) else 0
    return numbers.astype(np.uint16 if most < 2**16 - 1 else np.uint32)


def none(numbers: Ints) -> int:
    """What stands for no number in an array of this type: the highest one."""
    return int(np.iinfo(numbers.dtype).max)


def grow(sequences: Sequences) -> tuple[Ints, Ints, Int64]:
    """The trie of some sequences: `token[node]`, `first[node]` with one more at the end, and the end of each sequence.

    Children of a node are `first[node] .. first[node + 1]`. Node 0 is the root, whose token means nothing. The arrays
    depend on the set of sequences alone, not on their order.
    """
    tokens, starts = sequences
    lengths = np.diff(starts)
    width = int(tokens.max()) + 1 if len(tokens) else 1
    ends = np.zeros(len(lengths), np.int64)
    rows = np.arange(len(lengths))
    levels: list[Ints] = [np.zeros(1, np.int64)]
    counts: list[Int64] = []
    begin, size, depth = 0, 1, 0  # of the level whose children are being made
    while True:
        rows = rows[lengths[rows] > depth]
        if not len(rows):
            counts.append(np.zeros(size, np.int64))
            break
        keys = ends[rows] * width + tokens[starts[rows] + depth]
        order = np.argsort(keys)
        keys, rows = keys[order], rows[order]
        new = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=new[1:])
        ends[rows] = begin + size - 1 + np.cumsum(new)
        keys = keys[new]
        levels.append(keys % width)
        counts.append(np.bincount(keys // width - begin, minlength=size))
        begin, size, depth = begin + size, len(keys), depth + 1
    first = np.ones(begin + size + 1, np.int64)
    first[1:] += np.cumsum(np.concatenate(counts))
    return narrow(np.concatenate(levels)), first.astype(np.uint32), ends


class Trie:
    """Two arrays made by `grow`, and changes beside them.

    A node that went is marked in `_gone`; nodes that came are numbered from `size` on, and hang in `_more` from theirs
    or others: parent → token → node. `altered` collects the nodes whose children have changed. `wiped`: some nodes of
    the arrays may be wiped.
    """

    def __init__(self, token: Ints, first: Ints, wiped: bool = False) -> None:
        self.token, self.first = token, first
        self.size = len(token)
        self._none, self._wiped = none(token), wiped
        self.altered: set[int] = set()
        self._gone: npt.NDArray[np.bool_] | None = None
        self._more: dict[int, dict[int, int]] = {}
        self._came: list[tuple[int, int]] = []

    def children(self, nodes: Int64) -> tuple[Int64, Int64]:
        """For each child of each node, by row: the row, and the token that leads there."""
        start, counts = self._span(nodes)
        rows = np.arange(len(nodes)).repeat(counts)
        at = np.arange(len(rows)) + (start - counts.cumsum() + counts).repeat(counts)
        tokens = self.token[at].astype(np.int64)
        gone = self._gone[at] if self._gone is not None else None
        wiped = tokens == self._none
        if self._wiped or wiped.any():  # by another process just now, say
            wiped[:-1] |= (tokens[1:] == tokens[:-1]) & (rows[1:] == rows[:-1])
            gone = wiped if gone is None else gone | wiped
        if gone is not None:
            rows, tokens = rows[~gone], tokens[~gone]
        if self._more:
            came = [(row, token) for row, node in enumerate(nodes.tolist()) for token in self._more.get(node, ())]
            if came:
                rows = np.concatenate([rows, [row for row, _ in came]])
                tokens = np.concatenate([tokens, [token for _, token in came]])
                order = np.lexsort((tokens, rows))
                rows, tokens = rows[order], tokens[order]
        return rows, tokens

    def child(self, nodes: Int64, tokens: Int64) -> Int64:
        """Where the tokens lead from the nodes; -1 for nowhere."""
        start, counts = self._span(nodes)
        found = np.full(len(nodes), -1)
        many = (counts > _FEW).nonzero()[0]
        few = counts.copy()
        few[many] = 0
        rows = np.arange(len(nodes)).repeat(few)
        at = np.arange(len(rows)) + (start - few.cumsum() + few).repeat(few)
        same = self.token[at] == tokens[rows]
        found[rows[same]] = at[same]  # the last one, where some before it were wiped
        for node in set(nodes[many].tolist()):  # the root, nearly always
            rows = many[nodes[many] == node]
            low = int(start[rows[0]])
            its = self.token[low : low + int(counts[rows[0]])]
            at = np.maximum(low - 1 + its.searchsorted(tokens[rows].astype(its.dtype), side="right"), low)
            found[rows] = np.where(self.token[at] == tokens[rows], at, -1)
        if self._gone is not None:
            found[(found >= 0) & self._gone[found]] = -1
        if self._more:
            for row, node in enumerate(nodes.tolist()):
                if (came := self._more.get(node)) and (there := came.get(int(tokens[row]))) is not None:
                    found[row] = there
        return found

    def above(self, node: int) -> tuple[int, int]:
        """The parent of a node, and the token that leads from it."""
        if node >= self.size:
            return self._came[node - self.size]
        place = self.first.dtype.type(node)  # of the array's own type, or numpy converts the whole array
        return int(np.searchsorted(self.first, place, side="right")) - 1, int(self.token[node])

    def spelled(self, node: int) -> list[int]:
        """The tokens that lead from the root to a node."""
        tokens = []
        while node:
            node, token = self.above(node)
            tokens.append(token)
        return tokens[::-1]

    def find(self, tokens: Sequence[int]) -> int:
        """The node that the tokens lead to from the root; -1 for none."""
        node = np.zeros(1, np.int64)
        for token in tokens:
            node = self.child(node, np.array([token]))
            if node[0] < 0:
                break
        return int(node[0])

    def insert(self, tokens: Sequence[int]) -> int:
        """The node that the tokens lead to, made where it was not there."""
        node = 0
        for token in tokens:
            there = self._more.get(node, {}).get(token)
            if there is None and (there := self._written(node, token)) is not None and self._gone is not None:
                if self._gone[there]:
                    self.altered.add(node)
                self._gone[there] = False
            if there is None:
                there = self.size + len(self._came)
                self._came.append((node, token))
                self._more.setdefault(node, {})[token] = there
                self.altered.add(node)
            node = there
        return node

    def remove(self, node: int) -> None:
        """Take a node without children away."""
        parent, token = self.above(node)
        self.altered.add(parent)
        if node < self.size:
            if self._gone is None:
                self._gone = np.zeros(self.size, bool)
            self._gone[node] = True
            return
        left = self._more[parent]
        del left[token]
        if not left:
            del self._more[parent]

    def wipe(self, node: int, token: Ints) -> None:
        """Overwrite a node of the arrays, which has no children left, in `token`, a writable view of the same array."""
        parent, its = self.above(node)
        low, high = int(self.first[parent]), int(self.first[parent + 1])
        instead = int(token[node + 1]) if node + 1 < high else none(token)
        while node >= low and token[node] == its:  # those before it that were wiped have taken its token
            token[node] = instead
            node -= 1

    def is_leaf(self, node: int) -> bool:
        """Whether a node has no children."""
        return not len(self.children(np.array([node]))[0])

    def sequences(self, nodes: Int64) -> Sequences:
        """The tokens that lead to each of many nodes of the arrays."""
        bounds = [0]
        while (end := int(self.first[bounds[-1]])) < self.size:
            bounds.append(end)
        depths = np.searchsorted(bounds, nodes, side="right") - 1
        starts = np.zeros(len(nodes) + 1, np.int64)
        np.cumsum(depths, out=starts[1:])
        tokens = np.zeros(starts[-1], self.token.dtype)
        parents = np.zeros(self.size, np.uint32)
        parents[1:] = np.repeat(np.arange(self.size, dtype=np.uint32), np.diff(self.first))
        at, place = nodes, starts[1:] - 1
        while len(at):
            inside = at > 0
            at, place = at[inside], place[inside]
            tokens[place] = self.token[at]
            at, place = parents[at].astype(np.int64), place - 1
        return Sequences(tokens, starts)

    def _span(self, nodes: Int64) -> tuple[Int64, Int64]:
        """Where the children of the nodes begin in the arrays, and how many there are."""
        # The last node of all is a leaf, and does for those that are not in the arrays.
        inside = np.where(nodes.view(np.uint64) < self.size, nodes, self.size - 1)
        start = self.first[inside].astype(np.int64)
        return start, self.first[inside + 1] - start

    def _written(self, node: int, token: int) -> int | None:
        """The child in the arrays, whether it went or not."""
        if node >= self.size:
            return None
        low, high = int(self.first[node]), int(self.first[node + 1])
        at = low + int(np.searchsorted(self.token[low:high].astype(np.int64), token, side="right")) - 1
        return at if at >= low and self.token[at] == token else None
