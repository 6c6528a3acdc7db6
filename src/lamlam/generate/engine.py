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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol

import torch

from lamlam.generate.chooser import Choices, Chooser
from lamlam.generate.constraint import Constraint, Queries
from lamlam.generate.generic import forward_of
from lamlam.generate.policy import Policy, abstain
from lamlam.generate.row import Asked, Row, State
from lamlam.generate.sampling import Sampling, uniform
from lamlam.generate.slots import Feed, Forward
from lamlam.generate.transfer import Landing
from lamlam.kb import Match
from lamlam.model import LookupTokenizer

MOST_TOKENS = 512
"""How many tokens one step feeds at most; longer prompts are fed over several steps, beside the rows that run."""

LEAST_PROMPT = 64
"""How many tokens of prompts and values a step feeds at most, however many rows run."""


class Base(Protocol):
    """What the decoder needs of a knowledge base."""

    def lookup_many(self, queries: Sequence[tuple[str, str]]) -> Sequence[Match | None]:
        """The match of each (entity, relation), None where there is none."""


@dataclass(eq=False)
class Request:
    """A row and how to go on with it. `error` is what made the row fail; `told`: send an event for each token."""

    row: Row
    policy: Policy = abstain
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    told: bool = False
    error: Exception | None = None
    slot: int = -1
    fed: int = 0
    """Tokens of the row that the model has seen."""
    draws: int = 0
    gone: bool = False

    def __post_init__(self) -> None:
        self.plain = self.sampling.greedy and self.sampling.repetition_penalty == 1


class Event(NamedTuple):
    """What happened to a request: it took a token; it asked and was answered `match`; its row has finished."""

    request: Request
    kind: Literal["token", "answered", "finished"]
    asked: Asked | None = None
    match: Match | None = None


class Engine:
    """Runs requests over a model, `slots` of them at once; the others wait in the order in which they came.

    Not to be used from several threads at once. Without a base, rows must have been made with `max_lookups=0`. With a
    `constraint`, queries are only such as it allows.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: LookupTokenizer,
        base: Base | None,
        *,
        slots: int = 64,
        constraint: Constraint | None = None,
    ) -> None:
        self.tokenizer, self.base, self.slots = tokenizer, base, slots
        self.forward: Forward = forward_of(model, slots)
        self._queries = None if constraint is None else Queries(constraint, self.forward.device)
        self.chooser = Chooser(tokenizer, self.forward.vocabulary, self.forward.device)
        self.waiting: deque[Request] = deque()
        self.running: dict[int, Request] = {}  # by slot
        self._flying: list[tuple[int, Request]] = []  # with the place of their token in the last choice
        self._chosen: torch.Tensor | None = None
        self._landing = Landing(self.forward.device, slots)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.waiting or self.running or self._flying)

    def add(self, request: Request) -> Request:
        """Have a request run as soon as a slot is free."""
        self.waiting.append(request)
        return request

    def cancel(self, request: Request) -> None:
        """Let a request go, wherever it stands; it gets no more events."""
        request.gone = True
        if request in self.waiting:
            self.waiting.remove(request)
        self._leave(request)

    def run(self) -> Iterator[Event]:
        """Step until there is nothing to do."""
        while not self.idle:
            yield from self.step()

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Feed the model once, and choose a token for every row that has been fed all it has."""
        events: list[Event] = []
        self._admit(events)
        fed, feed = self._feed()
        logits = self.forward.run(feed, self._chosen) if feed.tokens else None
        if self.forward.overlaps:
            self._take(events)
        if logits is not None:
            self._choose(fed, logits)
        if not self.forward.overlaps:
            self._take(events)
        return events

    def _admit(self, events: list[Event]) -> None:
        if not self.running and not self._flying:
            self.forward.refresh()
        asking = []
        while self.waiting and len(self.running) < self.slots:
            request = self.waiting.popleft()
            if request.row.finish is not None:
                events.append(Event(request, "finished"))
                continue
            request.slot = next(slot for slot in range(self.slots) if slot not in self.running)
            request.fed, request.row.cut = 0, False
            self.running[request.slot] = request
            if request.row.asking is not None:
                asking.append(request)
            elif self._queries is not None:
                self._queries.enter(request.row)
        self._answer(asking, events)

    def _feed(self) -> tuple[list[Request], Feed]:
        """What every row has not fed yet, and the requests whose last token is in it."""
        feed, complete = Feed(), []
        # Those with a token each: one that is on the device, or one that the row has.
        places = {request.slot: place for place, request in self._flying if not request.gone}
        late = []
        for slot, request in self.running.items():
            if slot in places:
                complete.append(request)
            elif len(request.row.ids) - request.fed > 1:
                late.append(request)
            else:
                places[slot] = -1
                complete.append(request)
        feed.slots = [request.slot for request in complete]
        feed.sources = [places[slot] for slot in feed.slots]
        feed.tokens = [0 if places[request.slot] >= 0 else request.row.ids[-1] for request in complete]
        feed.positions = [request.fed for request in complete]
        feed.ends = list(range(len(complete)))
        for request in complete:
            request.fed += 1
        room = max(MOST_TOKENS - len(complete), LEAST_PROMPT)
        for request in late:
            tokens = request.row.ids[request.fed : request.fed + room]
            if not tokens:
                break
            feed.add(request.slot, request.fed, tokens)
            request.fed += len(tokens)
            room -= len(tokens)
            if request.fed == len(request.row.ids):
                feed.ends.append(len(feed.tokens) - 1)
                complete.append(request)
        return complete, feed

    def _choose(self, fed: list[Request], logits: torch.Tensor) -> None:
        """Choose the next token of each request that was fed and goes on from there."""
        states, ready, inside = [0] * len(fed), [], []
        for place, request in enumerate(fed):
            row = request.row
            if request.fed == len(row.ids) and row.finish is None and not request.gone:
                states[place] = state = row.state
                ready.append((place, request))
                if state >= State.ENTITY_START:
                    inside.append((place, row))
        choices = Choices(states)
        if self._queries is not None and inside:
            choices.only, stuck = self._queries.only(inside, self.forward.vocabulary)
            for row in stuck:
                row.give_up()
            if stuck:
                ready = [(place, request) for place, request in ready if not self._settle(request)]
        for place, request in ready:
            if request.row.restricted:
                self._restrict(place, request.row, choices)
            if not request.plain:
                self._sample(place, request, choices)
            request.draws += 1
        self._flying = ready
        if ready:
            self._chosen = self.chooser.choose(logits, choices)
            self._landing.send(self._chosen)

    def _restrict(self, place: int, row: Row, choices: Choices) -> None:
        banned = row.banned()
        if self._queries is not None and row.refused_here():
            banned = banned | {self.tokenizer.return_id}
        if banned:
            choices.banned.append((place, list(banned)))

    @staticmethod
    def _sample(place: int, request: Request, choices: Choices) -> None:
        row, sampling = request.row, request.sampling
        if sampling.repetition_penalty != 1 and row.open_call is None:
            choices.seen.append((place, list(row.text_ids()), sampling.repetition_penalty))
        if not sampling.greedy:
            choices.drawn.append((place, sampling, uniform(request.seed, request.draws)))

    def _take(self, events: list[Event]) -> None:
        """Have the rows take the tokens chosen for them, and the answers to what they ask."""
        if not self._flying:
            return
        tokens = self._landing.receive()
        asking: list[Request] = []
        inside: list[tuple[Row, int]] = []
        flying, self._flying = self._flying, []
        for place, request in flying:
            if request.gone:
                continue
            row, token = request.row, tokens[place]
            row.push(token)
            if request.told:
                events.append(Event(request, "token"))
            if row.cut:
                self._settle(request)
            elif row.open_call is not None:
                if row.asking is None:
                    inside.append((row, token))
                else:
                    asking.append(request)
            if row.finish is not None:
                self._finish(request, events)
        if self._queries is not None and inside:
            self._queries.follow(inside)
        self._answer(asking, events)

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
            if not self._settle(request) and self._queries is not None:
                self._queries.leave(request.row)

    def _settle(self, request: Request) -> bool:
        """Where tokens were taken out of the row: have the model run the one before them again, and say so."""
        row = request.row
        if not row.cut:
            return False
        row.cut = False
        request.fed = min(request.fed, len(row.ids) - 1)
        if self._queries is not None:
            self._queries.enter(row)
        return True

    def _fail(self, request: Request, error: Exception, events: list[Event]) -> None:
        request.error, request.row.finish = error, "failed"
        self._finish(request, events)

    def _finish(self, request: Request, events: list[Event]) -> None:
        events.append(Event(request, "finished"))
        self._leave(request)

    def _leave(self, request: Request) -> None:
        if self.running.get(request.slot) is request:
            del self.running[request.slot]
        if self._queries is not None:
            self._queries.leave(request.row)
