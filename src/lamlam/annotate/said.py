"""What a sentence says of a value: the answer of the rules of grammar."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """What a sentence says about a value: who or what it is about, what is said, and which rule of grammar told it."""

    entity: str
    relation: str
    rule: str
    key: str
    """Verb or noun, preposition and kind of value: by it, examples may call the relation by another name."""
