"""A beam over the query: of what the base can be asked, the entity and the relation that the model likes best together.

Greedily, the first token of a name decides before the rest of it is seen. Here the `width` likeliest beginnings of a
query go on side by side, each in a slot of its own with its own keys and values, and what is asked is the whole query
(entity, relation, and the tokens that close them) of the highest summed log-probability found. A beginning that falls
behind a whole query can only fall further, so the search ends when none is ahead. As many beginnings as there are make
it exhaustive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from lamlam.generate.constraint import Queries
from lamlam.generate.row import Row, State, after
from lamlam.generate.slots import Forward, Int64


class Beginning(NamedTuple):
    """`tokens` that go on with the row, their summed log-probability, and where they lie and lead."""

    tokens: tuple[int, ...]
    score: float
    slot: int
    node: int
    state: State


@dataclass(eq=False)
class Search:
    """The search for one row's query. `slots`: the row's own and those that are lent to it."""

    row: Row
    slots: Sequence[int]
    start: int
    """Tokens of the row before what is searched for."""
    beginnings: list[Beginning] = field(default_factory=list)
    best: tuple[int, ...] | None = None
    best_score: float = -np.inf

    def grow(self, continuations: list[tuple[float, int, Beginning]], width: int, closing: tuple[int, int]) -> None:
        """Go on with the likeliest of (score, token, what it continues); those that close the query are whole."""
        relation, ret = closing
        self.beginnings = []
        for score, token, parent in sorted(continuations, key=_best_first)[:width]:
            tokens = (*parent.tokens, token)
            if token == ret:
                if score > self.best_score:
                    self.best, self.best_score = tokens, score
                continue
            state = after(parent.state, token == relation)
            if self.row.may_close(state, len(tokens)):
                self.beginnings.append(Beginning(tokens, score, parent.slot, parent.node, state))
        self.beginnings = [one for one in self.beginnings if one.score > self.best_score]

    def settle(self) -> list[tuple[int, int]]:
        """Give each beginning a slot: the first of several that go on from one keeps its slot, and the others get free
        ones. Says what has to be copied: (from slot, to slot)."""
        free = [slot for slot in self.slots if all(one.slot != slot for one in self.beginnings)]
        taken: set[int] = set()
        copies = []
        for number, one in enumerate(self.beginnings):
            if one.slot in taken:
                copies.append((one.slot, free[-1]))
                self.beginnings[number] = one._replace(slot=free.pop())
            taken.add(one.slot)
        return copies


class Beams:
    """The searches of an engine's rows; a row with slot s has the slots `slots` + s × (width − 1) and on lent to it."""

    def __init__(self, width: int, slots: int, forward: Forward, queries: Queries, closing: tuple[int, int]) -> None:
        self.width, self._slots, self._forward, self._queries = width, slots, forward, queries
        self._closing = closing  # the tokens after an entity and after a relation
        self.searches: dict[int, Search] = {}
        self._fed: list[tuple[Search, Beginning]] = []  # whose logits the next choice has
        self._asked: list[tuple[Search, Beginning]] = []  # whose continuations are on their way
        self._answers: tuple[torch.Tensor, torch.Tensor] | None = None
        self._arrived = torch.cuda.Event() if forward.device.type == "cuda" else None

    def begin(self, slot: int, row: Row) -> None:
        """Search for the row's query; the logits after its last token are to be given to `choose`."""
        first = self._slots + slot * (self.width - 1)
        search = Search(row, [slot, *range(first, first + self.width - 1)], len(row.ids))
        self.searches[slot] = search
        self._fed.append((search, Beginning((), 0.0, slot, int(self._queries.nodes[slot]), row.state)))

    def leave(self, slot: int) -> None:
        """The row is gone."""
        self.searches.pop(slot, None)

    def enter(self) -> None:
        """All nodes are void: find them again, also of what is fed just now."""
        for search in self.searches.values():
            search.beginnings = [self._again(search, one) for one in search.beginnings]
        self._fed = [(search, self._again(search, one)) for search, one in self._fed]

    def _again(self, search: Search, one: Beginning) -> Beginning:
        query = search.row.ids[(search.row.open_call or 0) + 1 :]
        return one._replace(node=self._queries.walk([*query, *one.tokens]))

    def feed(self) -> tuple[Int64, Int64, Int64]:
        """The slots, positions and tokens of what has not been fed yet, one for each beginning."""
        asked = {id(search) for search, _ in self._asked}
        self._fed = [
            (search, one) for search in self.searches.values() if id(search) not in asked for one in search.beginnings
        ]
        fed = [(one.slot, search.start + len(one.tokens) - 1, one.tokens[-1]) for search, one in self._fed]
        slots, positions, tokens = np.array(fed, np.int64).reshape(-1, 3).T
        return slots, positions, tokens

    def choose(self, logits: torch.Tensor) -> None:
        """Ask for the likeliest continuations of what was fed, and then of what began, in this order.

        `logits`: shape (beginnings, vocabulary).
        """
        self._asked, self._fed = self._fed, []
        begun = [search for search, one in self._asked if not one.tokens]
        if begun:  # what is lent to a row gets what the row has
            sources = np.repeat([search.slots[0] for search in begun], self.width - 1)
            targets = np.concatenate([search.slots[1:] for search in begun])
            longest = max(search.start for search in begun)
            self._forward.cache.copy(sources, targets, np.zeros(len(sources), np.int64), longest)
        nodes = np.array([one.node for _, one in self._asked])
        banned = {place: self._banned(search, one) for place, (search, one) in enumerate(self._asked)}
        banned = {place: tokens for place, tokens in banned.items() if tokens}
        may = self._queries.mask(nodes, logits.shape[1], banned)
        likely = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
        scores, tokens = likely.masked_fill_(~may, -torch.inf).topk(min(self.width, logits.shape[1]), dim=-1)
        self._answers = scores.to("cpu", non_blocking=True), tokens.to("cpu", non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()

    def take(self) -> Iterator[tuple[int, tuple[int, ...] | None]]:
        """Go on with all searches that have asked. Gives those that have ended: the slot of the row, and the rest of
        its query; None where there is none."""
        if self._answers is None:
            return
        if self._arrived is not None:
            self._arrived.synchronize()
        scores, tokens = (answer.tolist() for answer in self._answers)
        continuations: dict[Search, list[tuple[float, int, Beginning]]] = {}
        for (search, one), its_scores, its_tokens in zip(self._asked, scores, tokens, strict=True):
            if self.searches.get(search.slots[0]) is search:
                its = continuations.setdefault(search, [])
                its += [(one.score + s, t, one) for s, t in zip(its_scores, its_tokens, strict=True) if s > -np.inf]
        self._asked, self._answers = [], None
        copies: list[tuple[int, int, int]] = []
        longest = 0
        for search, its in continuations.items():
            search.grow(its, self.width, self._closing)
            copies += [(source, target, search.start) for source, target in search.settle()]
            longest = max([longest, *(len(one.tokens) - 1 for one in search.beginnings)])
        if copies and longest:
            sources, targets, starts = np.array(copies).T
            self._forward.cache.copy(sources, targets, starts, longest)
        self._advance(continuations)
        for search in continuations:
            if not search.beginnings:
                slot = search.slots[0]
                del self.searches[slot]
                yield slot, search.best

    def _advance(self, searches: Iterable[Search]) -> None:
        """Find the nodes of the beginnings, which have a token more than those that they continue."""
        all_ = [(search, number) for search in searches for number in range(len(search.beginnings))]
        if not all_:
            return
        ones = [search.beginnings[number] for search, number in all_]
        nodes = self._queries.after([one.node for one in ones], [one.tokens[-1] for one in ones]).tolist()
        for (search, number), node in zip(all_, nodes, strict=True):
            search.beginnings[number] = search.beginnings[number]._replace(node=node)

    def _banned(self, search: Search, one: Beginning) -> set[int]:
        banned = set() if one.tokens else set(search.row.banned())
        if one.state is State.RELATION and search.row.refuses(one.tokens):
            banned.add(self._closing[1])
        return banned


def _best_first(continuation: tuple[float, int, Beginning]) -> tuple[float, tuple[int, ...], int]:
    score, token, parent = continuation
    return -score, parent.tokens, token
