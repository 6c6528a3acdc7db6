"""From a row's tokens to clean prose with its citations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lamlam.generate.row import Finish, Outcome, Row
from lamlam.kb import Match
from lamlam.text import Span, find_mention


class Citation(NamedTuple):
    """Characters `start` to `end` of the text state the value of `match.fact`."""

    start: int
    end: int
    match: Match


class AnsweredCall(NamedTuple):
    """A call of a generation: what was asked, what came back, and before which character of the text it stands.

    `outcome`: "answered" by the base; "unknown", where the policy put its word in; "abstained", where the call was
    taken back. `span`: where the text then states the value, if it does.
    """

    at: int
    entity: str
    relation: str
    match: Match | None
    outcome: Outcome
    span: Span | None


@dataclass(frozen=True)
class Generation:
    """What came after a prompt: `text` is clean prose, `citations` ground spans of it, `calls` keep what was asked."""

    prompt: str
    text: str
    citations: list[Citation]
    calls: list[AnsweredCall]
    finish: Finish


def prose(row: Row, stop: int | None = None) -> str:
    """The row's new text before token `stop` (all of it if None), without calls and without the one space after each.

    The text between two calls is decoded as a whole, since one character may take several tokens.
    """
    if stop is None:
        stop = len(row.ids) if row.open_call is None else row.open_call
    parts: list[str] = []
    start = row.prompt_length
    after_call = False
    for record in row.calls:
        if record.length and record.position < stop:
            parts.append(_decode(row, start, record.position, after_call))
            start, after_call = record.position + record.length, True
    parts.append(_decode(row, start, stop, after_call))
    return "".join(parts)


def certain_text(row: Row) -> str:
    """As much of the row's prose as no later token changes.

    Half a character, and a space that goes if the call it announces is taken back, have to wait.
    """
    text = prose(row)
    return text if row.finish else text.rstrip(" \ufffd")


def generation(prompt: str, row: Row) -> Generation:
    """The row as a Generation."""
    text = prose(row)
    calls: list[AnsweredCall] = []
    for record in row.calls:
        at = len(prose(row, record.position))
        span = find_mention(text, at, record.match.fact.value) if record.match and record.length else None
        calls.append(AnsweredCall(at, record.asked.entity, record.asked.relation, record.match, record.outcome, span))
    citations = [Citation(*call.span, call.match) for call in calls if call.span and call.match]
    return Generation(prompt, text, citations, calls, row.finish or "length")


def _decode(row: Row, start: int, stop: int, after_call: bool) -> str:
    text = row.tokenizer.decode_piece(row.ids[start:stop])
    return text.removeprefix(" ") if after_call else text
