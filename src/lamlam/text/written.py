r"""Written form: `… born on [dblookup('Napoleon', 'Birth Date') -> August 15, 1769] August 15, 1769 …`.

A call is `[dblookup('entity', 'relation') -> value]` and one space, put before character `Call.at`. What would be
read as something else is escaped with a backslash, so that `parse_written(render_written(document))` gives the same
document back:

- in an argument, `\` and `'` become `\\` and `\'`;
- in a value, `\`, `[` and `]` become `\\`, `\[` and `\]`;
- where the source text itself holds `[dblookup(`, it becomes `[\dblookup(` (and `[\dblookup(` gets one backslash more).

The format is the peer's (github: kilian-group/LMLM); its own files, which do not escape, are read by
`lamlam.text.peer`.
"""

from __future__ import annotations

import re

from lamlam.errors import MalformedCall
from lamlam.text.document import Document, Lookup

OPEN = "[dblookup("
_CALL = re.compile(
    r"\[dblookup\('(?P<entity>(?:[^'\\]|\\['\\])*)', '(?P<relation>(?:[^'\\]|\\['\\])*)'\)"
    r" -> (?P<value>(?:[^\[\]\\]|\\[\[\]\\])*)\] ?"
)
_LOOKALIKE = re.compile(r"\[(\\*)dblookup\(")
_ESCAPED_LOOKALIKE = re.compile(r"\[\\(\\*)dblookup\(")
_ESCAPED_CHARACTER = re.compile(r"\\(.)", re.DOTALL)


def render_call(lookup: Lookup) -> str:
    """One call in written form, without the space that follows it."""
    entity, relation = _escape(lookup.entity, "'"), _escape(lookup.relation, "'")
    return f"{OPEN}'{entity}', '{relation}') -> {_escape(lookup.value, '[]')}]"


def render_written(document: Document) -> str:
    """The document's text with its calls in written form."""
    parts: list[str] = []
    position = 0
    for call in document.calls:
        parts += [_escape_text(document.text[position : call.at]), render_call(call.lookup), " "]
        position = call.at
    parts.append(_escape_text(document.text[position:]))
    return "".join(parts)


def parse_written(written: str, id: str = "", source: str | None = None) -> Document:
    """The document that `render_written` renders as `written`. The space after a call may be missing.

    Raises `MalformedCall` at the first call that cannot be read; `source` names the file in its message.
    """
    text: list[str] = []
    length = 0
    lookups: list[tuple[int, Lookup]] = []
    position = 0
    while True:
        start = written.find(OPEN, position)
        plain = unescape_text(written[position : start if start >= 0 else len(written)])
        text.append(plain)
        length += len(plain)
        if start < 0:
            return Document.with_lookups(id, "".join(text), lookups)
        call = match_call(written, start)
        if call is None:
            raise MalformedCall(explain(written, start), start, written[start : start + 80], source)
        lookup, position = call
        lookups.append((length, lookup))


def match_call(written: str, start: int) -> tuple[Lookup, int] | None:
    """The call in written form that opens at `start` and where the text goes on after it; None if it is malformed."""
    match = _CALL.match(written, start)
    if match is None:
        return None
    entity, relation, value = (_unescape(match[part]) for part in ("entity", "relation", "value"))
    return Lookup(entity, relation, value), match.end()


def explain(written: str, start: int) -> str:
    """Why the call that opens at `start` is not in written form: a short phrase to show and to count."""
    line = written[start:].partition("\n")[0]
    line = OPEN + line[len(OPEN) :].partition(OPEN)[0]  # the arrow of the next call is not this one's
    if " -> " not in line:
        return "no ' -> ' and value after the arguments"
    arguments, _, rest = line.partition(" -> ")
    if not arguments.endswith(")"):
        return "the arguments are not closed by ')' before ' -> '"
    if "]" not in rest:
        return "no ']' closes the call"
    inner = arguments[len(OPEN) : -1]
    if len(inner) < 2 or not (inner.startswith("'") and inner.endswith("'")):
        return "the arguments are not in single quotes"
    if inner.count("', '") != 1:
        return "not exactly two arguments"
    if re.search(r"(?<!\\)'", inner.replace("', '", "")[1:-1]):
        return "an unescaped quote inside an argument"
    return "an unescaped bracket or a stray backslash inside the call"


def _escape(part: str, specials: str) -> str:
    for char in "\\" + specials:
        part = part.replace(char, "\\" + char)
    return part


def _unescape(part: str) -> str:
    return _ESCAPED_CHARACTER.sub(r"\1", part)


def _escape_text(text: str) -> str:
    return _LOOKALIKE.sub(r"[\\\1dblookup(", text)


def unescape_text(text: str) -> str:
    """Text between calls, its escaped look-alikes of an opening as the source has them."""
    return _ESCAPED_LOOKALIKE.sub(r"[\1dblookup(", text)
