"""Calls of several annotators in one document: none twice, none that answers what the text has said already."""

from __future__ import annotations

from collections.abc import Iterable

from lamlam.annotate.mentions import first_mention
from lamlam.kb.names import normalise
from lamlam.text import Call, Document, Span


def with_calls(document: Document, calls: Iterable[Call]) -> Document:
    """The document with these calls added, in the order of the text; those that it had come first and stay.

    Left out is a call whose value is the entity or a part of it, whose value a call has or the text says before, whose
    mention overlaps another call's, or whose (entity, relation) has another value already.
    """
    taken = [call.span for call in document.calls if call.span is not None]
    values = {normalise(call.lookup.value) for call in document.calls}
    asked = {_asked(call) for call in document.calls}
    kept: list[Call] = []
    for call in calls:
        value, entity = normalise(call.lookup.value), normalise(call.lookup.entity)
        if not value or f" {value} " in f" {entity} " or value in values or _asked(call) in asked:
            continue
        if call.span is not None and (_overlaps(call.span, taken) or _said_before(document.text, call)):
            continue
        values.add(value)
        asked.add(_asked(call))
        if call.span is not None:
            taken.append(call.span)
        kept.append(call)
    if not kept:
        return document
    # Stable: of two calls at one place, the one that was there before comes first.
    merged = sorted([*document.calls, *kept], key=lambda call: call.at)
    return Document(document.id, document.text, tuple(merged), document.meta)


def _asked(call: Call) -> tuple[str, str]:
    return normalise(call.lookup.entity), normalise(call.lookup.relation)


def _overlaps(span: Span, taken: Iterable[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)


def _said_before(text: str, call: Call) -> bool:
    first = first_mention(text, call.lookup.value)
    return first is not None and first[1] <= call.at
