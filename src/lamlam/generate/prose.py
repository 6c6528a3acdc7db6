"""From a finished row to clean prose with its citations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from lamlam.generate.row import Finish, Outcome, Row
from lamlam.kb import Match
from lamlam.text import Span, find_mention


class Citation(NamedTuple):
    """Characters `start` to `end` of the text state the value of `match.fact`, as the base had it at `time`."""

    start: int
    end: int
    match: Match
    time: datetime | None


class AnsweredCall(NamedTuple):
    """A call of a generation: what was asked, what came back, and before which character of the text it stands.

    `outcome`: "answered" by the base; "unknown", where the policy put a word of its own in; "abstained", where the call
    was taken back; "retried", where another query was written in its place. `span`: where the text then states the
    value, if it does. `time`: when the base was asked, None where the call was taken back before it asked.
    """

    at: int
    entity: str
    relation: str
    match: Match | None
    outcome: Outcome
    span: Span | None
    time: datetime | None


@dataclass(frozen=True)
class Generation:
    """What came after a prompt: `text` is clean prose, `citations` ground spans of it, `calls` keep what was asked."""

    prompt: str
    text: str
    citations: list[Citation]
    calls: list[AnsweredCall]
    finish: Finish


def written(row: Row) -> str:
    """The row's new text, without calls and without the one space after each, up to a stop string."""
    return row.clean.text()[: row.text_end]


def certain_text(row: Row) -> str:
    """As much of the row's text as no later token changes."""
    return written(row) if row.finish else row.clean.certain(row.stop)


def generation(prompt: str, row: Row) -> Generation:
    """The row as a Generation."""
    text = written(row)
    calls: list[AnsweredCall] = []
    for record in row.calls:
        at = min(row.clean.characters(record.at), len(text))
        span = find_mention(text, at, record.match.fact.value) if record.match and record.length else None
        asked = record.asked
        calls.append(AnsweredCall(at, asked.entity, asked.relation, record.match, record.outcome, span, record.time))
    citations = [Citation(*call.span, call.match, call.time) for call in calls if call.span and call.match]
    return Generation(prompt, text, citations, calls, row.finish or "length")
