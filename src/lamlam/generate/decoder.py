"""The lookup decoder: rows in step over one KV cache, in token ids all the way.

At each step every row takes one token: the one its row machine forces (a value flowing in), or one chosen from the
logits. Rows that ask are answered together. Nothing is decoded and encoded again, and no prefix is run twice: when a
call is taken back, its columns of the cache are masked for that row and only the token before it is run once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from lamlam.generate.row import Asked, Row, State
from lamlam.generate.sampling import Sampling
from lamlam.kb import Match
from lamlam.model import LookupTokenizer


class Base(Protocol):
    """What the decoder needs of a knowledge base."""

    def lookup_many(self, queries: Sequence[tuple[str, str]]) -> Sequence[Match | None]:
        """The match of each (entity, relation), None where there is none."""


Policy = Callable[[Asked, Match | None], str | None]
"""What a query is answered with: a value to put in, or None to take the call back."""


class Event(NamedTuple):
    """Row number `row` took a token, or, where `asked` is given, was answered with `match`."""

    row: int
    asked: Asked | None = None
    match: Match | None = None


def decode(
    model: Any, tokenizer: LookupTokenizer, base: Base | None, rows: Sequence[Row], policy: Policy, sampling: Sampling
) -> Iterator[Event]:
    """Run `rows` to their ends, yielding an event for each token that a row takes and each answer it gets.

    Without a base, rows must have been made with `max_lookups=0`.
    """
    yield from _Decoding(model, tokenizer, base, rows, policy, sampling).run()


class _Decoding:
    """One call of `decode`. Column c of the cache is the same step for all rows; a row's own positions are counted by
    its length, so that taken-back columns leave no gap."""

    def __init__(
        self,
        model: Any,
        tokenizer: LookupTokenizer,
        base: Base | None,
        rows: Sequence[Row],
        policy: Policy,
        sampling: Sampling,
    ) -> None:
        self.model, self.base, self.rows, self.policy, self.sampling = model, base, rows, policy, sampling
        self.device = model.device
        self.generators = sampling.generators(len(rows))
        self.ruled_out = _ruled_out(tokenizer, model.config.vocab_size).to(self.device)
        self.cache: Any = None
        self.seen = torch.zeros((len(rows), 0), dtype=torch.long, device=self.device)
        # columns[r][i] is the cache column that holds token i of row r
        self.columns: list[list[int]] = [[] for _ in rows]

    def run(self) -> Iterator[Event]:
        logits = self._prefill()
        while any(row.finish is None for row in self.rows):
            running = [number for number, row in enumerate(self.rows) if row.finish is None]
            for number, token in zip(running, self._next_tokens(logits, running), strict=True):
                row = self.rows[number]
                row.push(token)
                self._cut(number)
                yield Event(number)
            yield from self._answer(running)
            logits = self._step()

    def _prefill(self) -> torch.Tensor:
        """Run all prompts, padded on the left, and return the logits after each."""
        width = max(len(row.ids) for row in self.rows)
        inputs = torch.zeros((len(self.rows), width), dtype=torch.long)
        seen = torch.zeros_like(inputs)
        for number, row in enumerate(self.rows):
            inputs[number, width - len(row.ids) :] = torch.tensor(row.ids)
            seen[number, width - len(row.ids) :] = 1
            self.columns[number] = list(range(width - len(row.ids), width))
        return self._forward(inputs, seen, (seen.cumsum(dim=1) - 1).clamp(min=0))

    def _step(self) -> torch.Tensor:
        """Run the last token of every row that goes on, and return the logits after it. Others run a masked zero."""
        inputs = torch.zeros((len(self.rows), 1), dtype=torch.long)
        positions, seen = torch.zeros_like(inputs), torch.zeros_like(inputs)
        for number, row in enumerate(self.rows):
            if row.finish is None and len(row.ids) > len(self.columns[number]):
                inputs[number], positions[number], seen[number] = row.ids[-1], len(row.ids) - 1, 1
                self.columns[number].append(self.seen.shape[1])
        return self._forward(inputs, seen, positions)

    @torch.no_grad()  # here, since a generator must not leave the mode on in whoever iterates over it
    def _forward(self, inputs: torch.Tensor, seen: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        self.seen = torch.cat([self.seen, seen.to(self.device)], dim=1)
        output = self.model(
            input_ids=inputs.to(self.device),
            attention_mask=self.seen,
            position_ids=positions.to(self.device),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache = output.past_key_values
        return output.logits[:, -1]  # type: ignore[no-any-return]

    def _next_tokens(self, logits: torch.Tensor, running: list[int]) -> list[int]:
        """The next token of each running row: forced, or chosen from its logits under its bans."""
        sampled = [number for number in running if not self.rows[number].forced]
        tokens: dict[int, int] = {}
        if sampled:
            states = torch.tensor([int(self.rows[number].state) for number in sampled], device=self.device)
            allowed = logits[sampled].masked_fill(self.ruled_out[states], -torch.inf)
            for position, number in enumerate(sampled):
                banned = self.rows[number].banned()
                if banned:
                    allowed[position, list(banned)] = -torch.inf
            chosen = self.sampling.choose(allowed, [self.generators[number] for number in sampled])
            tokens = dict(zip(sampled, chosen, strict=True))
        return [tokens[number] if number in tokens else self.rows[number].forced.popleft() for number in running]

    def _answer(self, running: list[int]) -> Iterator[Event]:
        """Look up what the rows ask, all together, and let each row have its answer."""
        asking = [(number, asked) for number in running if (asked := self.rows[number].asking) is not None]
        if not asking or self.base is None:
            return
        matches = self.base.lookup_many([(asked.entity, asked.relation) for _, asked in asking])
        for (number, asked), match in zip(asking, matches, strict=True):
            self.rows[number].answer(match, self.policy(asked, match))
            self._cut(number)
            yield Event(number, asked, match)

    def _cut(self, number: int) -> None:
        """Where the row took a call back, hide its columns of the cache."""
        row = self.rows[number]
        length = row.take_back_request()
        if length is not None:
            self.seen[number, self.columns[number][length:]] = 0
            del self.columns[number][length:]
            row.push(row.forced.popleft())


def _ruled_out(tokenizer: LookupTokenizer, vocabulary: int) -> torch.Tensor:
    """Which tokens the grammar rules out in each state; bool, shape (states, vocabulary)."""
    entity, relation, ret, end = tokenizer.lookup_ids
    ends = [tokenizer.eos_id, tokenizer.start_id]
    ruled_out = torch.zeros((len(State), vocabulary), dtype=torch.bool)
    ruled_out[:, len(tokenizer) :] = True  # embeddings that no token has
    ruled_out[State.TEXT, [relation, ret, end, tokenizer.start_id]] = True
    ruled_out[State.TEXT, tokenizer.eos_id] = False  # it may be the start token as well
    ruled_out[State.ENTITY, [entity, ret, end, *ends]] = True
    ruled_out[State.RELATION, [entity, relation, end, *ends]] = True
    return ruled_out
