"""One row of a batch as a state machine over token ids: text → entity → relation → the base's answer → text.

The row knows nothing of the model or of tensors, and serves any loop that can say the next token. It says which tokens
may come next, takes one at a time, reports when it asks, and is told the answer, which joins its ids at once. A call
without an answer can be taken back: its tokens leave the row, and no call is opened at that place again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Literal

from lamlam.errors import LamlamError
from lamlam.generate.clean_text import CleanText, Place
from lamlam.kb import Match
from lamlam.model import LookupTokenizer

MAX_QUERY_TOKENS = 64
"""A call whose query is longer is taken back: a model that never closes a call would otherwise fill its window."""

_SHORTEST_ANSWER = 3  # a token of the value, the closing token, and one of text
_SHORTEST_CALL = 5 + _SHORTEST_ANSWER  # one token of either name, and three lookup tokens

Outcome = Literal["answered", "unknown", "abstained", "retried"]
Finish = Literal["end", "length", "window", "stop", "failed"]
"""Why a row stopped: the model ended the text; `max_new_tokens` were written; the model's window is full; a stop string
was written; its base or its policy raised an error."""


class State(IntEnum):
    """What the row's next token belongs to. Each state has its own set of tokens that may come (`Row.allows`)."""

    TEXT = 0
    TEXT_ONLY = 1  # no call may be opened
    ENTITY_START = 2
    ENTITY = 3
    RELATION_START = 4
    RELATION = 5
    ASKING = 6  # nothing may come until the row is answered


def after(state: State, closes: bool = False) -> State:
    """The state after one more token that neither opens nor closes a call, nor ends the text; `closes`: it closes the
    name of an entity."""
    if closes:
        return State.RELATION_START
    return {State.ENTITY_START: State.ENTITY, State.RELATION_START: State.RELATION}.get(state, state)


_TO_CLOSE = {State.ENTITY_START: 4, State.ENTITY: 3, State.RELATION_START: 2, State.RELATION: 1, State.ASKING: 0}
"""How many tokens the query of an open call needs at least before it is asked."""
_LONGEST_TO_CLOSE = 4


@dataclass(frozen=True)
class Asked:
    """The row asks the base for (`entity`, `relation`); `tries`: how many queries of this call were refused before."""

    entity: str
    relation: str
    tries: int = 0


@dataclass(frozen=True)
class Retry:
    """What a policy says for: ask something else. `entity`: for another entity, else for another relation of this."""

    entity: bool = False


Verdict = Match | str | Retry | None
"""What a policy says: a fact or a word to put in, another try, or None to take the call back."""


@dataclass
class CallRecord:
    """A call that the row made.

    `position`: the index in `Row.ids` at which it stands, or stood before it was taken back; `length`: how many tokens
    it takes there, 0 if it was taken back; `at`: its place in the clean text; `time`: when the base was asked, None
    where the call was taken back before it asked.
    """

    asked: Asked
    match: Match | None
    outcome: Outcome
    position: int
    length: int
    at: Place
    time: datetime | None = None


@dataclass(eq=False)
class Row:
    """`ids`: all tokens in the model's view, start token and prompt included.

    `max_new_tokens` counts text tokens only: what a reader sees, neither the prompt nor calls. `max_lookups` counts
    calls, those taken back included. With `calls_banned` no call is opened; it may be switched whenever the row is
    looked at (`calm`). `stop`: strings before which the text ends. The prompt's ids may hold whole calls, and end
    within the query of one. LamlamError for a prompt with a broken call, or one that does not fit the window.
    """

    tokenizer: LookupTokenizer
    prompt: list[int]
    max_new_tokens: int
    max_lookups: int
    window: int
    calls_banned: bool = False
    stop: tuple[str, ...] = ()
    ids: list[int] = field(init=False)
    calls: list[CallRecord] = field(default_factory=list)
    asking: Asked | None = None
    finish: Finish | None = None
    cut: bool = False
    """Tokens that the model may have seen were taken out of `ids`; whoever runs the model sets it back to False."""
    prompt_length: int = field(init=False)
    """Tokens of the prompt, start token included; fewer where a call that the prompt opened was taken back."""

    def __post_init__(self) -> None:
        self.ids = [self.tokenizer.start_id, *self.prompt]
        self.prompt_length = len(self.ids)
        self.clean = CleanText(self.tokenizer)
        self.text_end: int | None = None  # where a stop string cut the text
        self._inside: State | None = None  # within a call
        self._call_start = self._call_limit = self._relation_start = self._tries = 0
        self._bans: dict[int, set[int]] = {}
        self._refused: set[tuple[str, str]] = set()
        self._after_call = -1  # the index after the last answered call
        if len(self.ids) >= self.window:
            over = len(self.ids) + 1 - self.window
            raise LamlamError(
                f"the prompt has {len(self.prompt)} tokens, the model's window {self.window}: shorten it by {over}"
            )
        self._read_prompt()
        if self.max_new_tokens < 1:
            self.finish = "length"

    @property
    def state(self) -> State:
        """What the next token belongs to."""
        if self._inside is not None:
            return self._inside
        room = self.window - len(self.ids)
        if self.calls_banned or len(self.calls) >= self.max_lookups or room < _SHORTEST_CALL:
            return State.TEXT_ONLY
        return State.TEXT

    @property
    def open_call(self) -> int | None:
        """The index of the token that opened the call being written; None in text."""
        return None if self._inside is None else self._call_start

    def banned(self) -> set[int]:
        """Token ids that may not come next, beyond those that `state` rules out for every row."""
        return self._bans.get(len(self.ids), _NONE) if self._bans else _NONE

    @property
    def restricted(self) -> bool:
        """Whether `banned` or `refused_here` may say anything of the next token."""
        return len(self.ids) in self._bans or (bool(self._refused) and self._inside is State.RELATION)

    def refused_here(self) -> bool:
        """Whether closing the query now would ask what was refused before in this row."""
        return self._inside is State.RELATION and self.refuses(())

    def refuses(self, more: Sequence[int]) -> bool:
        """Whether closing the query after more tokens would ask what was refused before in this row."""
        return bool(self._refused) and self._query([*self.ids[self._call_start + 1 :], *more]) in self._refused

    def may_close(self, state: State, more: int) -> bool:
        """Whether the open call can still be closed in time after so many more tokens, the next one being `state`'s."""
        return len(self.ids) + more + _TO_CLOSE[state] <= self._call_limit

    def text_ids(self) -> set[int]:
        """The token ids that the text has, the prompt's included, those of calls left out."""
        ids, (entity, *_, end) = set(), self.tokenizer.lookup_ids
        inside = False
        for token in self.ids[1:]:
            inside = inside or token == entity
            if not inside:
                ids.add(token)
            inside = inside and token != end
        return ids

    def calm(self) -> int:
        """How many ordinary tokens may come before the row wants a look: such as neither open nor close a call, nor end
        the text.

        `extend` takes so many together: none of them ends the row or its call, and what may come after each is what
        `after` says, no more and no less.
        """
        size = len(self.ids)
        if self.stop or size in self._bans:
            return 0
        if self._inside is None:
            room = min(self.max_new_tokens - self.clean.tokens, self.window - size) - 1
            if self.state is State.TEXT:
                room = min(room, self.window - size - _SHORTEST_CALL)
        elif self._refused:
            return 0  # each of them may lead to what `refused_here` speaks of
        else:
            room = self._call_limit - _LONGEST_TO_CLOSE - size
        return max(room, 0)

    def extend(self, tokens: list[int]) -> None:
        """Take several ordinary tokens, `calm()` of them at most, as `push` would one after the other."""
        if self._inside is None:
            self.clean.extend(tokens)
        elif self.tokenizer.relation_id in tokens:
            closing = tokens.index(self.tokenizer.relation_id)
            self._relation_start = len(self.ids) + closing + 1
            self._inside = State.RELATION_START if closing == len(tokens) - 1 else State.RELATION
        elif tokens:
            self._inside = after(self._inside)
        self.ids += tokens

    def push(self, token: int) -> None:
        """Take the next token, chosen among those that `state` and `banned` leave."""
        names, inside = self.tokenizer, self._inside
        if inside is None:
            if token == names.eos_id:
                self.finish = "end"
                return
            self.ids.append(token)
            if token == names.entity_id:
                self._inside, self._tries = State.ENTITY_START, 0
                self._open(len(self.ids) - 1)
                return
            self.clean.push(token)
            if self.stop or self.clean.tokens >= self.max_new_tokens or len(self.ids) >= self.window:
                self._check_end()
            return
        self.ids.append(token)
        if token == names.relation_id:
            self._inside, self._relation_start = State.RELATION_START, len(self.ids)
        elif token == names.return_id:
            self._ask()
            return
        else:
            self._inside = after(inside)
        if len(self.ids) > self._call_limit - _LONGEST_TO_CLOSE:
            self._check_call()

    def answer(self, match: Match | None, verdict: Verdict, time: datetime | None = None) -> None:
        """Answer the query in `asking`. `match`: what the base said, at `time`; `verdict`: what the policy made of it.

        What is put in joins `ids`; what does not fit the window, or is empty, takes the call back.
        """
        if self.asking is None:
            raise RuntimeError("the row has not asked anything")
        if isinstance(verdict, Retry):
            self._retry(self.asking, verdict, match, time)
            return
        if isinstance(verdict, Match):
            match, verdict = verdict, verdict.fact.value
        answer = self.tokenizer.encode_answer(verdict) if verdict else []
        if not answer or len(self.ids) + len(answer) >= self.window:
            self._refused.add((self.asking.entity, self.asking.relation))
            self._take_back("abstained", match, time)
            return
        self.ids += answer
        length = len(self.ids) - self._call_start
        self._record("answered" if match else "unknown", self._call_start, length, match, time)
        self.asking, self._inside, self._after_call = None, None, len(self.ids)
        self.clean.call()

    def give_up(self) -> None:
        """Take the open call back, because no token may come next."""
        self._take_back("abstained", None, None)

    def _read_prompt(self) -> None:
        """Find out where the prompt leaves off."""
        names = self.tokenizer
        if not any(token in names.lookup_ids for token in self.prompt):
            return
        where = State.TEXT
        expected = {State.TEXT: 0, State.ENTITY: 1, State.RELATION: 2, State.ASKING: 3}
        for index, token in enumerate(self.ids):
            if token not in names.lookup_ids:
                continue
            if token != names.lookup_ids[expected[where]]:
                raise LamlamError(f"the prompt's calls are broken: token {index} cannot come where it stands")
            if token == names.entity_id:
                where = State.ENTITY
                self._open(index)
            elif token == names.relation_id:
                where, self._relation_start = State.RELATION, index + 1
            else:
                where = State.ASKING if token == names.return_id else State.TEXT
        if where is State.TEXT:
            return
        if where is State.ASKING and self.ids[-1] != names.return_id:
            raise LamlamError("the prompt ends within the value of a call; end it before the value, or after its end")
        self._inside = State.RELATION if where is State.ASKING else where
        if self.calls_banned or self.max_lookups < 1:
            self._take_back(None, None, None)
        elif where is State.ASKING:
            self._ask()
        else:
            if self.ids[-1] in (names.entity_id, names.relation_id):
                self._inside = State(where - 1)  # the start of a name
            self._check_call()

    def _open(self, start: int) -> None:
        """A call opens at token `start`."""
        self._call_start = start
        self._call_limit = min(start + MAX_QUERY_TOKENS, self.window - _SHORTEST_ANSWER)

    def _ask(self) -> None:
        asked = Asked(*self._query(self.ids[self._call_start + 1 : -1]), self._tries)
        self._inside = State.ASKING
        if not asked.entity.strip() or not asked.relation.strip() or (asked.entity, asked.relation) in self._refused:
            self._take_back(None, None, None)
        else:
            self.asking = asked

    def _query(self, tokens: list[int]) -> tuple[str, str]:
        """Entity and relation of a query, or of what there is of it, without the tokens that open and close it."""
        relation = self.tokenizer.relation_id
        middle = tokens.index(relation) if relation in tokens else len(tokens)
        parts = tokens[:middle], tokens[middle + 1 :]
        entity, relation_ = (self.tokenizer.decode_piece(part).removeprefix(" ") for part in parts)
        return entity, relation_

    def _record(self, outcome: Outcome, position: int, length: int, match: Match | None, time: datetime | None) -> None:
        asked = self.asking or Asked(*self._query(self.ids[self._call_start + 1 :]), self._tries)
        self.calls.append(CallRecord(asked, match, outcome, position, length, self.clean.place(), time))

    def _take_back(self, outcome: Outcome | None, match: Match | None, time: datetime | None) -> None:
        """Remove the open call, and the lone space before it if the model wrote that too; keep what it asked unless
        `outcome` is None."""
        keep = self._call_start
        bans = {self.tokenizer.entity_id}
        written = keep > self.prompt_length and keep - 1 != self._after_call
        if written and self.tokenizer.is_lone_space(self.ids[keep - 1]):
            keep -= 1
            bans.add(self.ids[keep])
            self.clean.pop()
        if outcome is not None:
            self._record(outcome, keep, 0, match, time)
        self._cut(keep)
        self._bans.setdefault(keep, set()).update(bans)
        self.prompt_length = min(self.prompt_length, keep)
        self._inside = self.asking = None

    def _retry(self, asked: Asked, retry: Retry, match: Match | None, time: datetime | None) -> None:
        """Go back to where the relation, or the entity, begins, with its first token banned there."""
        self._refused.add((asked.entity, asked.relation))
        self._record("retried", self._call_start, 0, match, time)
        self.asking = None
        self._tries += 1
        back = self._call_start + 1 if retry.entity else self._relation_start
        first = self.ids[back]
        self._cut(back)
        self.prompt_length = min(self.prompt_length, back)
        self._bans.setdefault(back, set()).add(first)
        self._inside = State.ENTITY_START if retry.entity else State.RELATION_START
        if len(self.calls) >= self.max_lookups:
            self._take_back(None, None, None)

    def _cut(self, length: int) -> None:
        del self.ids[length:]
        self._bans = {place: banned for place, banned in self._bans.items() if place <= length}
        self.cut = True

    def _check_call(self) -> None:
        """Take the call back where it cannot end any more within the budget."""
        if not self.may_close(self.state, 0):
            self._take_back("abstained", None, None)

    def _check_end(self) -> None:
        if self.stop:
            text = self.clean.text()
            found = [place for stop in self.stop if (place := text.find(stop)) >= 0]
            if found:
                self.finish, self.text_end = "stop", min(found)
                return
        if self.clean.tokens >= self.max_new_tokens:
            self.finish = "length"
        elif len(self.ids) >= self.window:
            self.finish = "window"


_NONE: set[int] = set()
