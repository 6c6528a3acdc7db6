"""How likely two different names of relations mean the same: "date of birth" and "Birth Date", "spouses" and "Spouse".

Synonyms are data: `relation_synonyms.json` comes with the package, in groups of names that mean the same.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from lamlam.kb.name_score import differences, score, spelling
from lamlam.kb.names import normalise

SAME_WORDS, TURNED_WORDS, SYNONYM = 0.95, 0.92, 0.9
"""Scores of relations with the same words but for plural s and words like "of", in order or not; of synonyms."""
THRESHOLD = 0.85
"""At or above, a relation is taken for the other. An entity has few, so a typo has to be a plain one."""
MARGIN = 0.02
"""Two relations of an entity nearer to each other than this cannot be told apart."""

_FUNCTION_WORDS = frozenset({"of", "the", "a", "an", "in", "at", "by", "to", "for", "on", "is", "was", "s"})
_TURNING = frozenset({"of", "by", "to", "for", "in", "from"})


def synonymous(one: str, other: str) -> bool:
    """Whether two names of relations stand in one group of synonyms."""
    groups = _groups()
    mine, others = groups.get(_folded(one)), groups.get(_folded(other))
    return mine is not None and others is not None and not mine.isdisjoint(others)


def relation_score(query: str, relation: str) -> float:
    """How likely two names of relations mean the same, 0 where they cannot."""
    wanted, there = _content(query), _content(relation)
    if sorted(wanted) == sorted(there):
        return SAME_WORDS if wanted == there else TURNED_WORDS
    if "".join(wanted) == "".join(there):  # "Home Town" and "hometown"
        return SAME_WORDS
    if len(wanted) != len(there):
        return 0.0
    return score(differences(spelling(" ".join(wanted)), spelling(" ".join(there)), lambda _: 0))


@lru_cache(maxsize=1)
def _groups() -> dict[str, frozenset[int]]:
    """The groups that a name of a relation stands in."""
    listed = json.loads(files("lamlam.kb").joinpath("relation_synonyms.json").read_text("utf-8"))["groups"]
    found: dict[str, frozenset[int]] = {}
    for number, group in enumerate(listed):
        for name in group:
            found[_folded(name)] = found.get(_folded(name), frozenset()) | {number}
    return found


@lru_cache(maxsize=4096)
def _folded(relation: str) -> str:
    return " ".join(_content(relation))


def _content(relation: str) -> list[str]:
    """The words of a relation that carry its meaning, without plural s."""
    words = normalise(relation).split()
    # A last "of", "by" or "to" turns a relation round: "capital" and "capital of", "influenced" and "influenced by".
    end = words[-1:] if words[-1:] and words[-1] in _TURNING else []
    words = [word for word in words if word not in _FUNCTION_WORDS] + end or words
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]
