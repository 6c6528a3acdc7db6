"""What a document is about: its title, and the other names and pronouns by which its text speaks of it."""

from __future__ import annotations

import re

from lamlam.kb.names import without_parenthesis
from lamlam.text import Document

LONGEST_TITLE = 120
"""Characters. A first line longer than this is a sentence, not a heading."""

_HEADING = re.compile(r"[^\n]{1,120}(?=\n\s*\n)")
_PREFIX = re.compile(r"[A-Z0-9][^\s:]{0,118}(?=: )")


def title_of(document: Document) -> str | None:
    """The document's title; None where nothing tells it.

    `meta["title"]`, or the first line if an empty one follows (as whole Wikipedia articles are often written), or a
    first word before a colon, underscores for blanks (as SQuAD's paragraphs are: `Arsenal_F.C.: Arsenal began …`).
    """
    title = document.meta.get("title")
    if isinstance(title, str) and title.strip():
        return title.strip()
    for pattern in (_HEADING, _PREFIX):
        if (found := pattern.match(document.text)) is not None:
            return found.group().replace("_", " ").strip() or None
    return None


def heading_end(text: str) -> int:
    """Where the text proper starts: after a heading or a prefix that `title_of` reads as a title."""
    if (found := _HEADING.match(text)) is not None:
        return found.end()
    found = _PREFIX.match(text)
    return 0 if found is None else found.end() + 1


def bare_title(title: str) -> str:
    """`Mercury (planet)` as `Mercury`, `Springfield, Illinois` as it is."""
    return without_parenthesis(title) or title
