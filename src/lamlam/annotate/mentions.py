"""Where a text says a name or a value: whole words, anywhere in the text."""

from __future__ import annotations

from lamlam.text import Span, find_mention


def first_mention(text: str, value: str, start: int = 0) -> Span | None:
    """The first whole-word occurrence of `value` at or after `start`; None if there is none, or `value` is empty.

    Words are whole by the rule of `lamlam.text.find_mention`, which looks no further than the end of a line; here
    the search goes on. It takes time linear in the length of the text.
    """
    if not value:
        return None
    found = text.find(value, start)
    while found >= 0:
        if (span := find_mention(text, found, value)) is not None:
            return span
        # Nothing begins on this line: going on at its end, not at the next occurrence, keeps the search linear.
        line_end = text.find("\n", found)
        found = text.find(value, max(line_end, found + 1)) if line_end >= 0 else -1
    return None
