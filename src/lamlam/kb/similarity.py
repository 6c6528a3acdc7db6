"""How likely two different spellings are the same name: a score from 0 to 1, made to err on the side of no.

Someone else's fact is worse than no fact, so the score starts at 1 and every difference costs what it is worth as a
sign of *another* name. Slips of the hand (a doubled letter, two swapped) are cheap; what tells names apart in life is
dear: another number, the first or last letter of a word (Harry and Barry, Christina and Christine), any letter of a
short word (John and Joan), a word more or less (National League and National Football League).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from rapidfuzz.distance import OSA

from lamlam.kb.names import normalise, without_parenthesis

THRESHOLD = 0.85
"""At or above, a name is taken for the other. Set by eye so that one slip in a word of five letters passes, and one
exchanged letter only in a word of eight or more."""

MARGIN = 0.04
"""Two candidates nearer to each other than this cannot be told apart."""

NORMALISED, CASE, ALIAS = 0.97, 0.99, 0.96
"""Scores of what is found before the fuzzy stage: equal after `normalise`, equal but for case, equal to an alias."""

_SWAPPED, _DOUBLED, _INSIDE, _EXCHANGED, _EDGE = 0.055, 0.04, 0.065, 0.12, 0.18
_TWO_INSIDE, _ALONE = 0.14, 1.5
_KNOWN_WORD = 0.08  # the misspelt word is itself a word of the base's names, so perhaps no typo at all
_COMMA, _ORDER, _SPACING = 0.02, 0.06, 0.03
_INITIAL, _MIDDLE_INITIAL, _PARENTHESIS, _ARTICLE = 0.05, 0.06, 0.06, 0.04
_ARTICLES = frozenset({"a", "an", "the"})
_ROMAN = re.compile(r"(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")
_DIGITS = re.compile(r"\d+")
_FUNCTION_WORDS = frozenset({"of", "the", "a", "an", "in", "at", "by", "to", "for", "on", "is", "was", "s"})
_TURNING = frozenset({"of", "by", "to", "for"})

IsWord = Callable[[str], bool]


def name_score(query: str, name: str, is_word: IsWord) -> float:
    """How likely `query` is meant to be `name`; `is_word` tells whether a word occurs in the names of the base."""
    wanted, there = _words(query), _words(name)
    if _DIGITS.findall(" ".join(wanted)) != _DIGITS.findall(" ".join(there)):
        # Other numbers are other things: Apollo 11 and Apollo 12. A parenthesis may still be left out below.
        score = 0.0
    else:
        score = _words_score(wanted, there, query, name, is_word)
    if score < THRESHOLD and without_parenthesis(query) is None and (bare := without_parenthesis(name)) is not None:
        # Not the other way round: whoever adds "(politician)" to a query says that the bare name is someone else.
        score = max(score, name_score(query, bare, is_word) - _PARENTHESIS)
    return max(0.0, score)


def relation_score(query: str, relation: str) -> float:
    """How likely two names of relations mean the same: "date of birth" and "Birth Date", "spouses" and "Spouse"."""
    wanted, there = _content(query), _content(relation)
    if sorted(wanted) == sorted(there):
        return 0.95 if wanted == there else 0.92
    return max(0.0, _words_score(_words(query), _words(relation), query, relation, lambda _: False))


def _words_score(wanted: list[str], there: list[str], query: str, name: str, is_word: IsWord) -> float:
    if wanted == there:
        return NORMALISED
    if "".join(wanted) == "".join(there):
        return 1 - _SPACING
    for one, other in ((wanted, there), (there, wanted)):
        if len(one) > 1 and one[0] in _ARTICLES and one[1:] == other:
            return 1 - _ARTICLE
    best = _aligned(wanted, there, is_word)
    if len(wanted) == len(there) > 1:
        for order, written in ((_turned(wanted, query), query), (_turned(there, name), name)):
            if order is not None:
                pair = (order, there) if written is query else (wanted, order)
                best = max(best, _aligned(*pair, is_word) - _COMMA)
        if best < 1 - _ORDER and sorted(wanted) == sorted(there):
            best = max(best, 1 - _ORDER - _COMMA)
    return best


def _aligned(wanted: list[str], there: list[str], is_word: IsWord) -> float:
    """Word by word, in order; middle initials may be missing."""
    if len(wanted) != len(there):
        longer, shorter = (wanted, there) if len(wanted) > len(there) else (there, wanted)
        middle = longer[1:-1]
        kept = [longer[0], *(word for word in middle if len(word) > 1), longer[-1]]
        if len(shorter) < 2 or len(kept) != len(shorter):
            return 0.0
        cost = _MIDDLE_INITIAL
        wanted, there = (kept, there) if longer is wanted else (wanted, kept)
    else:
        cost = 0.0
    edits = initials = 0
    for one, other in zip(wanted, there, strict=True):
        if one == other:
            continue
        if min(len(one), len(other)) == 1 and max(len(one), len(other)) > 1 and one[0] == other[0]:
            initials += 1
            continue
        word_cost, word_edits = _word_cost(one, other)
        edits += word_edits
        # A word that stands alone has no other to vouch for it: Gwazi is not Gazi.
        cost += word_cost * (_ALONE if len(there) == 1 else 1) + (_KNOWN_WORD if is_word(one) else 0.0)
        if edits > 2 or cost > 1:
            return 0.0
    if initials:
        # Initials stand for given names, so the last word has to be there in full and to be right. One initial in
        # the base stands for too many: "A. Long" is not any Ashley Long.
        written_out = sum(len(one) > 1 and len(other) == 1 for one, other in zip(wanted, there, strict=True))
        if edits or cost or written_out == 1 or len(wanted[-1]) < 3 or wanted[-1] != there[-1]:
            return 0.0
        cost += _INITIAL + 0.02 * initials
    return 1 - cost


@lru_cache(maxsize=65536)
def _word_cost(one: str, other: str) -> tuple[float, int]:
    """What the differences between two words cost, and how many edits they are; (2, 9) for different words."""
    short, long = sorted((len(one), len(other)))
    if short < 4 or long - short > 2 or _ROMAN.fullmatch(one) or _ROMAN.fullmatch(other):
        return 2.0, 9
    if any(char.isdigit() for char in one + other):
        return 2.0, 9
    edits = OSA.distance(one, other, score_cutoff=2)
    if edits > 2 or (edits == 2 and short < 8):
        return 2.0, 9
    scale = min(2.0, max(0.75, 8 / long))
    if edits == 2:
        return (_TWO_INSIDE * scale if _inner(one, other) else 2.0), edits
    cost = _edit_cost(one, other)
    return cost * (max(1.0, scale) if cost == _EDGE else scale), edits


def _edit_cost(one: str, other: str) -> float:
    """The cost of the single edit between two words."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    if len(one) == len(other):
        if one[start] == other[start + 1 : start + 2] and other[start] == one[start + 1 : start + 2]:
            return _SWAPPED if start else _SWAPPED + 0.02
        return _EDGE if start in (0, len(one) - 1) else _EXCHANGED
    longer = one if len(one) > len(other) else other
    extra = longer[start]
    if start and longer[start - 1] == extra:
        return _DOUBLED if start < len(longer) - 1 else _INSIDE
    return _EDGE if start in (0, len(longer) - 1) else _INSIDE


def _inner(one: str, other: str) -> bool:
    """Whether two words begin and end alike, so that their edits lie inside."""
    return one[:2] == other[:2] and one[-2:] == other[-2:]


def _turned(words: list[str], written: str) -> list[str] | None:
    """The words of "Macdonald-Paterson, Thomas" as "thomas macdonald paterson"; None where no single comma is."""
    last, comma, first = written.partition(",")
    if not comma or "," in first:
        return None
    turned = normalise(f"{first} {last}").split()
    return turned if len(turned) == len(words) else None


def _words(name: str) -> list[str]:
    return normalise(name).split()


def _content(relation: str) -> list[str]:
    """The words of a relation that carry its meaning, without plural s."""
    words = _words(relation)
    # A last "of", "by" or "to" turns a relation round: "capital" and "capital of", "influenced" and "influenced by".
    end = words[-1:] if words[-1:] and words[-1] in _TURNING else []
    words = [word for word in words if word not in _FUNCTION_WORDS] + end or words
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]
