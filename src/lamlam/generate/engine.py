"""Continuous batching: rows join and leave a running batch at any step, and none waits for another.

A step runs the model on what the rows have not fed yet: for most the token just chosen, for one that was answered its
whole value, for one that joins its prompt, in pieces where it is long. Then the next tokens are chosen, all at once on
the device. Nothing is decoded and encoded again, and no prefix is run twice: when a call is taken back, only the token
before it is.

On a GPU the host's work is hidden: while the model runs on the tokens just chosen, which have not left the device,
the host reads them, moves the rows on, asks the base for all that ask, and finds what may come next; that is known by
the time it is needed, when the model is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any

import numpy as np
import torch

from lamlam.errors import LamlamError
from lamlam.generate.batch import Batch, Bools
from lamlam.generate.beam import Beams
from lamlam.generate.chooser import Choices, Chooser, Drawn
from lamlam.generate.constraint import Constraint, Queries
from lamlam.generate.generic import forward_of
from lamlam.generate.request import Base, Event, Request
from lamlam.generate.row import Asked, State
from lamlam.generate.sampling import uniform
from lamlam.generate.slots import Feed, Forward, Int64, Run
from lamlam.generate.transfer import Landing
from lamlam.kb import Match
from lamlam.model import LookupTokenizer

MOST_TOKENS = 512
"""How many tokens one step feeds at most; longer prompts are fed over several steps, beside the rows that run."""

FEW = 8
"""Where the host's work is hidden behind the device's, tokens without a choice are found for so many rows at most: for
many it takes longer than the steps that it saves."""

_TEXT, _INSIDE, _ASKING = int(State.TEXT), int(State.ENTITY_START), int(State.ASKING)
# Plain numbers: NumPy takes microseconds to see that a `State` is one. What is not below the second is within a call.

LEAST_PROMPT = 64
"""How many tokens of prompts and values a step feeds at most, however many rows run."""


class Engine:
    """Runs requests over a model, `slots` of them at once; the others wait in the order in which they came.

    Not to be used from several threads at once. Without a base, rows must have been made with `max_lookups=0`. With a
    `constraint`, queries are only such as it allows. With `beams` above 1, a query is the likeliest that a beam of so
    many beginnings finds (`lamlam.generate.beam`), in as many times the memory.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: LookupTokenizer,
        base: Base | None,
        *,
        slots: int = 64,
        constraint: Constraint | None = None,
        beams: int = 1,
    ) -> None:
        if beams > 1 and constraint is None:
            raise LamlamError("a beam searches among the queries of a base; it needs constrained decoding")
        self.tokenizer, self.base, self.slots = tokenizer, base, slots
        self.forward: Forward = forward_of(model, slots * beams)
        device, vocabulary = self.forward.device, self.forward.vocabulary
        self._queries = None if constraint is None else Queries(constraint, slots, device)
        self._beams: Beams | None = None
        if self._queries is not None and beams > 1:
            closing = tokenizer.relation_id, tokenizer.return_id
            self._beams = Beams(beams, slots, self.forward, self._queries, closing)
        self.chooser = Chooser(tokenizer, self.forward)
        self.waiting: deque[Request] = deque()
        self.running: dict[int, Request] = {}  # by slot
        self._batch = Batch(slots, tokenizer, vocabulary)
        self._free = list(range(slots))  # a heap
        self._flying = _NOBODY  # slots by the places of their tokens in the last choice; -1 for those that want none
        self._chosen: torch.Tensor | None = None
        self._landing = Landing(device, slots * beams)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.waiting or self.running)

    def add(self, request: Request) -> Request:
        """Have a request run as soon as a slot is free."""
        self.waiting.append(request)
        return request

    def cancel(self, request: Request) -> None:
        """Let a request go, wherever it stands; it gets no more events."""
        if request in self.waiting:
            self.waiting.remove(request)
        self._leave(request)

    def run(self) -> Iterator[Event]:
        """Step until there is nothing to do."""
        while not self.idle:
            yield from self.step()

    def settle(self) -> None:
        """Let all rows have the tokens that were chosen for them: while they run, they lag behind by some."""
        for request in self.running.values():
            self._settle(request)

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Feed the model once, and choose a token for every row that has been fed all it has."""
        events: list[Event] = []
        self._admit(events)
        slots, feed = self._feed()
        hidden = self.forward.run(feed, self._chosen) if len(feed.tokens) else None
        if self.forward.overlaps:
            self._take(events)
        if hidden is not None:
            self._choose(slots, hidden)
        if not self.forward.overlaps:
            self._take(events)
        return events

    def _admit(self, events: list[Event]) -> None:
        if not self.running:
            self.forward.refresh()
        asking = []
        while self.waiting and self._free:
            request = self.waiting.popleft()
            row = request.row
            if row.finish is not None:
                events.append(Event(request, "finished"))
                continue
            request.slot, row.cut = heappop(self._free), False
            self.running[request.slot] = request
            self._batch.enter(request.slot, request.sampling, request.seed)
            if row.asking is not None:
                asking.append(request)
                continue
            self._look(request)
            if self._queries is not None:
                self._queries.enter(request.slot, row)
        self._answer(asking, events)

    def _feed(self) -> tuple[Int64, Feed]:
        """What every row has not fed yet; and, in the order of `Feed.ends`, slots of rows, -1 for a search's tokens."""
        batch = self._batch
        sources = np.full(self.slots, -1)  # of the rows whose token is on the device
        places = (self._flying >= 0).nonzero()[0]
        sources[self._flying[places]] = places
        alone = batch.there & ((sources >= 0) | (batch.length - batch.fed == 1))
        slots = alone.nonzero()[0]
        sources = sources[slots]
        late = batch.there & ~alone
        runs = self._runs(late, MOST_TOKENS - len(slots)) if late.any() else []
        positions, tokens = batch.fed[slots], np.where(sources < 0, batch.last[slots], 0)
        batch.fed[slots] += 1
        if self._beams is not None and self._beams.searches:
            more, at, its = self._beams.feed()
            fed, positions, tokens = (np.concatenate(two) for two in ((slots, more), (positions, at), (tokens, its)))
            sources = np.concatenate([sources, np.full(len(more), -1)])
            slots = np.concatenate([slots, np.full(len(more), -1)])
        else:
            fed = slots
        feed = Feed.of(fed, positions, tokens, sources, runs)
        complete = [run.slot for run in runs if run.last]
        return np.concatenate([slots, np.array(complete, np.int64)]) if complete else slots, feed

    def _runs(self, late: Bools, room: int) -> list[Run]:
        """The tokens of those rows that have more to feed than one, the first to come first."""
        runs, room, batch = [], max(room, LEAST_PROMPT), self._batch
        slots = late.nonzero()[0]
        for slot in slots[batch.joined[slots].argsort()].tolist():
            row = self.running[slot].row
            batch.settle(slot, row)
            fed = int(batch.fed[slot])
            tokens = row.ids[fed : fed + room]
            batch.fed[slot] += len(tokens)
            runs.append(Run(slot, fed, tokens, last=fed + len(tokens) == len(row.ids)))
            room -= len(tokens)
            if not room:
                break
        return runs

    def _choose(self, slots: Int64, hidden: torch.Tensor) -> None:
        """Choose the next token of each row that was fed and goes on from there. `slots`: of the rows of `hidden`."""
        batch = self._batch
        ready = (slots >= 0) & batch.there[slots] & (batch.fed[slots] == batch.length[slots])
        choices = Choices(np.where(ready, batch.state[slots], _TEXT))
        for place in (ready & (batch.restricted[slots] > 0)).nonzero()[0].tolist():
            row = self.running[int(slots[place])].row
            banned = row.banned()
            if self._queries is not None and row.refused_here():
                banned = banned | {self.tokenizer.return_id}
            choices.banned[place] = banned
        inside = (ready & (choices.states >= _INSIDE)).nonzero()[0]
        if self._beams is not None:
            self._search(self._beams, slots, inside, hidden)
            ready[inside] = False
        elif self._queries is not None and len(inside):
            vocabulary = self.forward.vocabulary
            choices.only, stuck = self._queries.only(
                inside, self._queries.nodes[slots[inside]], vocabulary, choices.banned
            )
            for place in stuck:
                request = self.running[int(slots[place])]
                self._settle(request)
                request.row.give_up()
                self._follow_cut(request)
                ready[place] = False
        if not ready.any():
            return
        self._sample(slots, ready, choices)
        batch.draws[slots[ready]] += np.uint64(1)
        self._flying = np.where(ready, slots, -1)
        self._chosen = self.chooser.choose(hidden, choices)
        self._landing.send(self._chosen)

    def _search(self, beams: Beams, slots: Int64, inside: Int64, hidden: torch.Tensor) -> None:
        """Begin the search for a query of the rows at places `inside`, and go on with those that run."""
        for place in inside.tolist():
            request = self.running[int(slots[place])]
            self._settle(request)
            self._batch.there[request.slot] = False  # until its query is found
            beams.begin(request.slot, request.row)
        places = np.concatenate([(slots < 0).nonzero()[0], inside])
        if len(places):
            beams.choose(self.forward.logits(hidden[torch.from_numpy(places).to(hidden.device)]))

    def _found(self, beams: Beams, asking: list[Request]) -> None:
        """Have the rows whose query is found ask it."""
        for slot, query in beams.take():
            request = self.running[slot]
            self._batch.there[slot] = True
            if query is None:
                request.row.give_up()
            for token in query or ():
                request.row.push(token)
            if request.row.cut:
                self._follow_cut(request)
            else:
                asking.append(request)

    def _sample(self, slots: Int64, ready: Bools, choices: Choices) -> None:
        """Note the rows that are not simply greedy."""
        batch = self._batch
        for place in (ready & batch.penalised[slots]).nonzero()[0].tolist():
            request = self.running[int(slots[place])]
            self._settle(request)
            if request.row.open_call is None:
                choices.seen.append((place, request.row.text_ids(), request.sampling.repetition_penalty))
        places = (ready & batch.sampled[slots]).nonzero()[0]
        if len(places):
            its = slots[places]
            point = uniform(batch.seed[its], batch.draws[its])
            how = batch.temperature[its], batch.top_k[its], batch.top_p[its], batch.min_p[its]
            choices.drawn = Drawn(places, *how, point)

    def _take(self, events: list[Event]) -> None:
        """Have the rows take the tokens chosen for them, and the answers to what they ask."""
        asking: list[Request] = []
        opened: list[int] = []
        if self._beams is not None:
            self._found(self._beams, asking)
        moved = _NOBODY
        if len(self._flying):
            tokens, flying = self._landing.receive(), self._flying
            self._flying = _NOBODY
            moved = self._push(flying[flying >= 0], tokens[flying >= 0], events, asking, opened)
        if self._queries is not None:
            if opened:
                self._open(self._queries, opened)
            if len(moved) <= FEW or not self.forward.overlaps:
                self._force(self._queries, moved, events, asking)
        self._answer(asking, events)

    def _force(self, queries: Queries, slots: Int64, events: list[Event], asking: list[Request]) -> None:
        """Have rows in these slots take the tokens that alone may come, without a model; they are fed together."""
        batch = self._batch
        while len(slots):
            within = (batch.state[slots] >= _INSIDE) & (batch.state[slots] < _ASKING)
            slots = slots[within & batch.there[slots] & (batch.restricted[slots] == 0)]
            slots, tokens = queries.forced(slots)
            batch.draws[slots] += np.uint64(1)
            slots = self._push(slots, tokens, events, asking, [])

    def _push(
        self, slots: Int64, tokens: Int64, events: list[Event], asking: list[Request], opened: list[int]
    ) -> Int64:
        """Have rows take a token each; note those that ask, and those that have opened a call. Gives the slots of those
        that were within one before."""
        batch = self._batch
        within = batch.state[slots] >= _INSIDE
        inside: Int64 = slots[within]
        if self._queries is not None and len(inside):
            self._queries.follow(inside, tokens[within])
        wanted = batch.take(slots, tokens)
        for slot, token in zip(slots[wanted].tolist(), tokens[wanted].tolist(), strict=True):
            request = self.running[slot]
            row = request.row
            batch.settle(slot, row)
            row.push(token)
            if request.told:
                events.append(Event(request, "token"))
            if row.cut:
                self._follow_cut(request)
            else:
                self._look(request)
                if row.asking is not None:
                    asking.append(request)
                elif row.open_call == len(row.ids) - 1:
                    opened.append(slot)
            if row.finish is not None:
                self._finish(request, events)
        return inside

    def _open(self, queries: Queries, slots: list[int]) -> None:
        """Calls were opened: see what has changed in the base."""
        if queries.refresh():
            for slot, request in self.running.items():
                self._settle(request)
                queries.enter(slot, request.row)
            if self._beams is not None:
                self._beams.enter()
        queries.open(slots)

    def _answer(self, asking: list[Request], events: list[Event]) -> None:
        """Look up what the rows ask, all together, and let each row have its answer."""
        if not asking:
            return
        questions = [request.row.asking or Asked("", "") for request in asking]
        time = datetime.now(UTC)
        matches: Sequence[Match | None] = [None] * len(asking)
        if self.base is not None:
            try:
                matches = self.base.lookup_many([(asked.entity, asked.relation) for asked in questions])
            except Exception as error:  # whatever a base raises is the business of those who asked it, not of the batch
                for request in asking:
                    self._fail(request, error, events)
                return
        for request, asked, match in zip(asking, questions, matches, strict=True):
            try:
                verdict = request.policy(asked, match)
                request.row.answer(match, verdict, time)
            except Exception as error:  # the policy may be a user's function
                self._fail(request, error, events)
                continue
            events.append(Event(request, "answered", asked, request.row.calls[-1].match))
            self._follow_cut(request) if request.row.cut else self._look(request)

    def _follow_cut(self, request: Request) -> None:
        """Tokens were taken out of the row: have the model run the one before them again."""
        row, slot = request.row, request.slot
        row.cut = False
        self._batch.fed[slot] = min(int(self._batch.fed[slot]), len(row.ids) - 1)
        self._look(request)
        if self._queries is not None:
            self._queries.enter(slot, row)

    def _look(self, request: Request) -> None:
        self._batch.look(request.slot, request.row, always=request.told)

    def _settle(self, request: Request) -> None:
        slot, batch = request.slot, self._batch
        batch.settle(slot, request.row)
        request.fed, request.draws = int(batch.fed[slot]), int(batch.draws[slot])

    def _fail(self, request: Request, error: Exception, events: list[Event]) -> None:
        request.error, request.row.finish = error, "failed"
        self._finish(request, events)

    def _finish(self, request: Request, events: list[Event]) -> None:
        events.append(Event(request, "finished"))
        self._leave(request)

    def _leave(self, request: Request) -> None:
        slot = request.slot
        if self.running.get(slot) is request:
            self._settle(request)
            self._batch.there[slot] = False
            self._flying[self._flying == slot] = -1
            del self.running[slot]
            heappush(self._free, slot)
            if self._beams is not None:
                self._beams.leave(slot)


_NOBODY: Int64 = np.zeros(0, np.int64)
