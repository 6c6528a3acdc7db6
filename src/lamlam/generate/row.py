"""One row of a batch as a state machine over token ids: text → entity → relation → value → text.

The row knows nothing of the model or of tensors. It says which tokens may come next, takes a token at a time (sampled,
or forced where a value flows in), reports when it asks, and is told the answer. A call without an answer can be taken
back: its tokens leave the row, and the row will not open a call at that place again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from lamlam.kb import Match
from lamlam.model import LookupTokenizer

MAX_QUERY_TOKENS = 64
"""A call whose query is longer is taken back: a model that never closes a call would otherwise fill its window."""

Outcome = Literal["answered", "unknown", "abstained"]
Finish = Literal["end", "length", "window"]
"""Why a row stopped: the model ended the text; `max_new_tokens` were written; the model's window is full."""


class State(IntEnum):
    """What the row's next token belongs to."""

    TEXT = 0
    ENTITY = 1
    RELATION = 2
    VALUE = 3


@dataclass
class Asked:
    """The row asks the base for (`entity`, `relation`)."""

    entity: str
    relation: str


@dataclass
class CallRecord:
    """A call that the row made. `position`: the index in `Row.ids` at which it stands, or stood before it was taken
    back; `length`: how many tokens it takes there, 0 if it was taken back."""

    asked: Asked
    match: Match | None
    outcome: Outcome
    position: int
    length: int


@dataclass
class Row:
    """`ids`: all tokens in the model's view, start token and prompt included; the last `len(forced)` are yet to come.

    `max_new_tokens` counts text tokens only: what a reader sees, neither the prompt nor calls.
    """

    tokenizer: LookupTokenizer
    prompt: list[int]
    max_new_tokens: int
    max_lookups: int
    window: int
    ids: list[int] = field(init=False)
    state: State = State.TEXT
    forced: deque[int] = field(default_factory=deque)
    calls: list[CallRecord] = field(default_factory=list)
    asking: Asked | None = None
    finish: Finish | None = None
    _call_start: int = 0
    _relation_start: int = 0
    _bans: dict[int, set[int]] = field(default_factory=dict)
    _taken_back: int | None = None
    _replaying: bool = False

    def __post_init__(self) -> None:
        self.ids = [self.tokenizer.start_id, *self.prompt]
        if self.max_new_tokens < 1:
            self.finish = "length"

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt, start token included."""
        return len(self.prompt) + 1

    @property
    def open_call(self) -> int | None:
        """The index of the token that opened the call being written; None in text."""
        return None if self.state is State.TEXT else self._call_start

    def banned(self) -> set[int]:
        """Token ids that may not come next, beyond those that `State` rules out for every row."""
        banned = self._bans.get(len(self.ids), set())
        if self.state is State.TEXT and len(self.calls) >= self.max_lookups:
            banned = banned | {self.tokenizer.entity_id}
        return banned

    def push(self, token: int) -> None:
        """Take the next token, sampled under `banned` and the state's grammar, or popped from `forced`."""
        self.ids.append(token)
        names = self.tokenizer
        if self._replaying:
            self._replaying = False
        elif self.state is State.TEXT:
            if token == names.eos_id:
                self.ids.pop()
                self.finish = "end"
            elif token == names.entity_id:
                self.state, self._call_start = State.ENTITY, len(self.ids) - 1
        elif self.state is State.ENTITY and token == names.relation_id:
            self.state, self._relation_start = State.RELATION, len(self.ids)
        elif self.state is State.RELATION and token == names.return_id:
            self.state, self.asking = State.VALUE, self._query()
        elif self.state is State.VALUE and token == names.end_id:
            self.state = State.TEXT
            self.calls[-1].length = len(self.ids) - self._call_start
        if self.state in (State.ENTITY, State.RELATION) and len(self.ids) - self._call_start > MAX_QUERY_TOKENS:
            self._take_back(None)
        self._check_room()

    def answer(self, match: Match | None, value: str | None) -> None:
        """Answer the query in `asking`: `value` flows in as forced tokens; with None the call is taken back.

        `match` is the base's answer; a value without one is what the policy says for "no match".
        """
        if self.asking is None:
            raise RuntimeError("the row has not asked anything")
        answer = self.tokenizer.encode_answer(value) if value is not None else []
        if not answer or len(self.ids) + len(answer) >= self.window:
            self._take_back(match)
        else:
            outcome: Outcome = "answered" if match else "unknown"
            self.calls.append(CallRecord(self.asking, match, outcome, self._call_start, 0))
            self.forced.extend(answer)
        self.asking = None

    def take_back_request(self) -> int | None:
        """After a call was taken back: the length to which the model's view of the row must be cut; else None.

        The token after the cut is forced, so that the model says again what follows it, this time without a call.
        """
        length, self._taken_back = self._taken_back, None
        return length

    def text_tokens(self) -> int:
        """How many tokens of new text the row has written."""
        in_calls = sum(record.length for record in self.calls)
        stop = len(self.ids) if self.open_call is None else self.open_call
        return stop - self.prompt_length - in_calls

    def _query(self) -> Asked:
        """What the open call has asked so far."""
        end = self._relation_start - 1 if self.state is not State.ENTITY else len(self.ids)
        entity = self.ids[self._call_start + 1 : end]
        relation = self.ids[end + 1 :] if self.ids[-1] != self.tokenizer.return_id else self.ids[end + 1 : -1]
        return Asked(*(self.tokenizer.decode_piece(part).removeprefix(" ") for part in (entity, relation)))

    def _take_back(self, match: Match | None) -> None:
        """Remove the open call, and the lone space before it if the model wrote that too."""
        asked = self.asking or self._query()
        keep = self._call_start
        self._bans.setdefault(keep, set()).add(self.tokenizer.entity_id)
        follows_call = any(record.length and record.position + record.length == keep - 1 for record in self.calls)
        if keep > self.prompt_length and not follows_call and self.tokenizer.is_lone_space(self.ids[keep - 1]):
            keep -= 1
            self._bans.setdefault(keep, set()).update((self.ids[keep], self.tokenizer.entity_id))
        self.calls.append(CallRecord(asked, match, "abstained", keep, 0))
        self.forced.append(self.ids[keep - 1])
        del self.ids[keep - 1 :]
        self._taken_back, self._replaying = keep - 1, True
        self.state = State.TEXT

    def _check_room(self) -> None:
        if self.asking is not None:
            return  # the answer decides: what does not fit is taken back, which makes room
        if self.finish is None and len(self.ids) >= self.window:
            if self.state is not State.TEXT:
                del self.ids[self._call_start :]
                self.state = State.TEXT
            self.finish = "window"
        elif self.finish is None and self.state is State.TEXT and self.text_tokens() >= self.max_new_tokens:
            self.finish = "length"
