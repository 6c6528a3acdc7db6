r"""Token form: `… on <|db_entity|> Napoleon<|db_relationship|> Birth Date<|db_return|> August 15, 1769<|db_end|> …`.

One space follows each delimiter and none stands before the three that end a part. A delimiter that the source text
(or an argument) holds as plain characters gets a backslash, `<\|db_end|>`, and one more where it has some already.

This is a rendering for people and for files. Training and decoding never go through it: they work in token ids
(`lamlam.corpus.encode`), where a look-alike in the source is ordinary text.
"""

from __future__ import annotations

import re

from lamlam.errors import MalformedCall
from lamlam.text.document import Document, Lookup

ENTITY, RELATION, RETURN, END = "<|db_entity|>", "<|db_relationship|>", "<|db_return|>", "<|db_end|>"
SPECIAL_TOKENS = (ENTITY, RELATION, RETURN, END)
"""The four tokens, in the order in which they are appended to a vocabulary."""

_DELIMITER = re.compile("|".join(re.escape(token) for token in SPECIAL_TOKENS))
_LOOKALIKE = re.compile(r"<(\\*)\|db_(entity|relationship|return|end)\|>")
_ESCAPED_LOOKALIKE = re.compile(r"<\\(\\*)\|db_(entity|relationship|return|end)\|>")


def render_tokens(document: Document) -> str:
    """The document's text with its calls in token form."""
    parts: list[str] = []
    position = 0
    for call in document.calls:
        entity, relation, value = (_escape(part) for part in call.lookup)
        parts.append(_escape(document.text[position : call.at]))
        parts.append(f"{ENTITY} {entity}{RELATION} {relation}{RETURN} {value}{END} ")
        position = call.at
    parts.append(_escape(document.text[position:]))
    return "".join(parts)


def parse_tokens(tokens: str, id: str = "", source: str | None = None) -> Document:
    """The document that `render_tokens` renders as `tokens`. The space after a delimiter may be missing.

    Raises `MalformedCall` where the four delimiters do not follow one another in their order.
    """
    text: list[str] = []
    length = 0
    lookups: list[tuple[int, Lookup]] = []
    parts: list[str] = []  # of the call being read
    expected = 0  # which delimiter has to come next
    position = opened = 0
    for delimiter in _DELIMITER.finditer(tokens):
        if delimiter[0] != SPECIAL_TOKENS[expected]:
            reason = f"{delimiter[0]} where {SPECIAL_TOKENS[expected]} has to come"
            raise MalformedCall(reason, delimiter.start(), tokens[delimiter.start() :][:80], source)
        piece = _unescape(tokens[position : delimiter.start()])
        if expected == 0:
            text.append(piece)
            length += len(piece)
            opened = delimiter.start()
        else:
            parts.append(piece)
        if expected == 3:
            lookups.append((length, Lookup(*parts)))
            parts = []
        expected = (expected + 1) % 4
        position = delimiter.end()
        position += tokens.startswith(" ", position)
    if expected:
        reason = f"the call is not closed: no {SPECIAL_TOKENS[expected]}"
        raise MalformedCall(reason, opened, tokens[opened : opened + 80], source)
    text.append(_unescape(tokens[position:]))
    return Document.with_lookups(id, "".join(text), lookups)


def _escape(part: str) -> str:
    return _LOOKALIKE.sub(r"<\\\1|db_\2|>", part)


def _unescape(part: str) -> str:
    return _ESCAPED_LOOKALIKE.sub(r"<\1|db_\2|>", part)
