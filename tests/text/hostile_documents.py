"""Hypothesis strategies for documents that are as hard to render and parse as documents can be."""

from __future__ import annotations

from hypothesis import strategies as st

from lamlam.text import Call, Document, Lookup, find_mention

FRAGMENTS = [
    "[", "]", "(", ")", "'", '"', "\\", "\\\\", "', '", "') -> ", "')] -> ", " -> ", "->", "] ", " ", "\n", "\r\n",
    "\t", "[dblookup(", "[\\dblookup(", "[\\\\dblookup(", "dblookup(", "[dblookup('A', 'B') -> C]", "[dblookup('",
    "[dbl", "<", "<|", "<\\", "|>", "<|db_entity|>", "<|db_relationship|>", "<|db_return|>", "<|db_end|>",
    "<\\|db_end|>", "<\\\\|db_entity|>", "<|db_", "end|>", "é", "e\u0301", "\u0301", "𝔘", "👩‍🚀", "\u2028", "\x00",
    "\ufeff", "日本", "क्षि", "Ada Lovelace", "1815", "a", "0",
]  # fmt: skip

strings = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=12).map("".join)
"""Any string that UTF-8 can hold, rich in what the renderings must escape."""


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document with calls anywhere, spans as `find_mention` finds them."""
    text = draw(strings)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    calls = []
    for at in places:
        # Half of the values are taken from the text after the call, so that spans are found.
        value = draw(strings) if draw(st.booleans()) else text[at : draw(st.integers(at, len(text)))]
        calls.append(Call(at, Lookup(draw(strings), draw(strings), value), find_mention(text, at, value)))
    return Document(draw(strings), text, tuple(calls))
