"""How likely two different spellings are the same name: a probability, fitted on spellings of real names.

The words of the two are laid side by side, and every difference is counted by what it is worth as a sign of *another*
name: slips of the hand (a doubled letter, two swapped) against what tells names apart in life (the first or last letter
of a word, a letter of a short word, a misspelling that is itself a well-known word: Mario and Maria). A logistic
regression weighs the counts; its constants lie in `name_score.json`, written by `benchmarks/fit_name_score.py`.
Other numbers are other names, whatever else is equal: Apollo 11 and Apollo 12, Louis XIV and Louis XVI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from math import exp, log, log1p
from typing import NamedTuple

from rapidfuzz.distance import OSA

from lamlam.kb.names import normalise, without_parenthesis, without_suffix, without_title

NORMALISED, CASE, ALIAS = 0.97, 0.99, 0.96
"""Scores of what is found before the fuzzy stage: equal after `normalise`, equal but for case, equal to an alias."""

DIFFERENCES = (
    "any", "swapped", "doubled", "inserted", "exchanged", "first letter", "last letter",
    "two in a word", "two in a word, at its edge", "three in a word", "in several words",
    "known word", "shortness", "shortness alone", "alone",
    "letters that agree", "common words agree", "comma", "order", "initial", "initial in the base",
    "middle initial missing", "middle name missing", "middle name too many", "article", "parenthesis", "spacing",
    "title", "suffix", "ampersand",
)  # fmt: skip
"""What is counted, in the order of the vectors that `differences` gives."""

_AT = {what: place for place, what in enumerate(DIFFERENCES)}
_ARTICLE = re.compile(r"(the|an?)[\s_]", re.IGNORECASE)  # "A. Smith" begins with an initial
_ROMAN = re.compile(r"(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")
_WORD = re.compile(r"\w+")
_LISTED = 20
"""A word of the list that comes with the package counts as one of so many names."""

Frequency = Callable[[str], int]
"""Tells how many names of the base have a word."""


class Spelling(NamedTuple):
    """A name as its words, and as they would stand without its comma, its parenthesis, a title or a suffix."""

    words: list[str]
    turned: list[str] | None
    bare: list[str] | None
    article: bool
    untitled: list[str] | None
    unsuffixed: list[str] | None
    ampersand: bool


class _Fitted(NamedTuple):
    weights: tuple[float, ...]
    threshold: float
    margin: float


def spelling(name: str) -> Spelling:
    """A name prepared for `differences`."""
    bare = without_parenthesis(name) if "(" in name else None
    article = _ARTICLE.match(name) is not None
    words = normalise(name).split()
    return Spelling(
        words,
        _turned(name),
        normalise(bare).split() if bare else None,
        article,
        without_title(words),
        without_suffix(words),
        "&" in name,
    )


def name_score(query: str, name: str, frequency: Frequency) -> float:
    """How likely `query` is meant to be `name`, 0 where it cannot be."""
    return score(differences(spelling(query), spelling(name), frequency))


def score(counted: list[float] | None) -> float:
    """The probability that belongs to some differences."""
    if counted is None:
        return 0.0
    return 1 / (1 + exp(-sum(weight * count for weight, count in zip(fitted().weights, counted, strict=True))))


def log_odds(probability: float) -> float:
    """What margins are measured in: equal steps are equal evidence."""
    return log(probability / (1 - probability)) if 0 < probability < 1 else 99.0 if probability else -99.0


@lru_cache(maxsize=1)
def fitted() -> _Fitted:
    """The constants of the package."""
    constants = json.loads(files("lamlam.kb").joinpath("name_score.json").read_text("utf-8"))
    weights = tuple(constants["weights"].get(what, 0.0) for what in DIFFERENCES)
    return _Fitted(weights, constants["threshold"], constants["margin"])


def differences(query: Spelling, name: Spelling, frequency: Frequency) -> list[float] | None:
    """The least unlikely differences between two names; None where they are certainly two."""
    pairs: list[tuple[list[str], list[str], str | None]] = [(query.words, name.words, None)]
    # "The" is left out by `normalise`, "a" is not: it may be a word of another language.
    if query.article != name.article:
        pairs.append((_without_article(query), _without_article(name), "article"))
    if query.turned is not None:
        pairs.append((query.turned, name.words, "comma"))
    if name.turned is not None:
        pairs.append((query.words, name.turned, "comma"))
    if name.bare is not None and query.bare is None:
        # Not the other way round: whoever adds "(politician)" to a query says that the bare name is someone else.
        pairs.append((query.words, name.bare, "parenthesis"))
    if (query.untitled is None) != (name.untitled is None):
        pairs.append((query.untitled or query.words, name.untitled or name.words, "title"))
    if (query.unsuffixed is None) != (name.unsuffixed is None):
        pairs.append((query.unsuffixed or query.words, name.unsuffixed or name.words, "suffix"))
    if query.ampersand != name.ampersand:
        pairs.append((_without_and(query), _without_and(name), "ampersand"))
    best: list[float] | None = None
    least = 99.0
    for wanted, there, how in pairs:
        counted = _aligned(wanted, there, frequency)
        if counted is None:
            continue
        if how is not None:
            counted[_AT[how]] = 1.0
        cost = sum(abs(count) for count in counted) - counted[_AT["letters that agree"]]
        if cost < least:
            best, least = counted, cost
    return best


def one_slip(one: str, other: str) -> bool:
    """Whether two names are one slip of the hand apart: a space, or in one word of four letters or more, "the" or "and"
    two letters swapped, one doubled, or one left out or put in that is not its first or last. Numbers and given names
    are meant."""
    words, others = (_WORD.findall(name.casefold()) for name in (one, other))
    if "".join(words) == "".join(others):
        return words != others
    apart = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
    if len(words) != len(others) or len(apart) != 1:
        return False
    if min(map(len, apart[0])) < 4 and not {"the", "and"} & set(apart[0]):
        return False
    if all(word in _given_names() for word in apart[0]):
        return False
    slips = _slips(*apart[0])
    return slips is not None and (slips[0] in ("swapped", "doubled") or slips == ("inserted",))


def _without_article(name: Spelling) -> list[str]:
    return name.words[1:] if name.article and name.words[0] in ("a", "an") else name.words


def _without_and(name: Spelling) -> list[str]:
    return [word for word in name.words if word != "and"]


def _aligned(wanted: list[str], there: list[str], frequency: Frequency) -> list[float] | None:
    """Word by word; middle names or their initials may be missing or too many, and the words may be turned."""
    counted = [0.0] * len(DIFFERENCES)
    counted[0] = 1.0
    if wanted != there and "".join(wanted) == "".join(there):
        counted[_AT["spacing"]] = 1.0
        counted[_AT["letters that agree"]] = log1p(sum(map(len, there)))
        return counted
    if len(wanted) != len(there):
        without = _without_middle(wanted, there)
        if without is None:
            return None
        wanted, there, what = without
        counted[_AT[what]] = 1.0
    elif sorted(wanted) == sorted(there) and wanted != there:
        counted[_AT["order"]] = 1.0
        there = wanted
    return counted if _count_words(wanted, there, frequency, counted) else None


def _without_middle(wanted: list[str], there: list[str]) -> tuple[list[str], list[str], str] | None:
    """Both with as many words, where only middle initials or middle names of one of them are too many."""
    longer, shorter = (wanted, there) if len(wanted) > len(there) else (there, wanted)
    if len(shorter) < 2:
        return None
    kept = [longer[0], *(word for word in longer[1:-1] if len(word) > 1), longer[-1]]
    if len(kept) == len(shorter) and len(longer) > len(kept):
        return (kept, there, "middle initial missing") if longer is wanted else (wanted, kept, "middle initial missing")
    # "John Kennedy" may be John Fitzgerald Kennedy, but the National League is not the National Football League.
    if len(shorter) == 2 and len(longer) <= 4 and longer[0] in _given_names():
        ends = [longer[0], longer[-1]]
        return (wanted, ends, "middle name missing") if longer is there else (ends, there, "middle name too many")
    return None


def _count_words(wanted: list[str], there: list[str], frequency: Frequency, counted: list[float]) -> bool:
    """Add the differences between words of equal places; False where two of them are certainly other words."""
    agree = misspelt = initials = 0
    shortness = 0.0
    rarest: int | None = None
    for place, (one, other) in enumerate(zip(wanted, there, strict=True)):
        if one == other:
            agree += len(one)
            rarest = frequency(one) if rarest is None else min(rarest, frequency(one))
        elif min(len(one), len(other)) == 1 and one[0] == other[0] and place < len(wanted) - 1:
            counted[_AT["initial" if len(one) == 1 else "initial in the base"]] += 1
            initials += 1
        else:
            slips = _slips(one, other)
            if slips is None or (one in _given_names() and other in _given_names()):
                return False  # Maria is no misspelt Mario
            for what in slips:
                counted[_AT[what]] += 1
            shortness += 4 / min(len(one), len(other))
            known = max(frequency(one), _LISTED if one in _known_words() else 0)
            counted[_AT["known word"]] = max(counted[_AT["known word"]], log1p(known))
            misspelt += 1
    if misspelt > 2 or (initials and (misspelt or len(wanted[-1]) < 3)):
        # Initials stand for given names, so the rest has to be there in full and to be right.
        return False
    if initials and counted[_AT["initial in the base"]] == 1 and counted[_AT["initial"]] == 0 and len(there) == 2:
        return False  # one initial in the base stands for too many: "A. Long" is not any Ashley Long
    alone = agree == 0
    if alone and misspelt and max(map(len, there)) < 4:
        return False
    counted[_AT["shortness alone" if alone else "shortness"]] = shortness
    counted[_AT["in several words"]] = float(misspelt > 1)
    counted[_AT["alone"]] = float(alone and misspelt > 0)
    counted[_AT["letters that agree"]] = log1p(agree)
    counted[_AT["common words agree"]] = log1p(rarest or 0)
    return True


@lru_cache(maxsize=65536)
def _slips(one: str, other: str) -> tuple[str, ...] | None:
    """The slips that make one word of another; None for different words."""
    short, long = sorted((len(one), len(other)))
    if long < 3 or long - short > 2 or _ROMAN.fullmatch(one) or _ROMAN.fullmatch(other):
        return None
    if any(map(str.isdigit, one + other)):
        return None
    most = 1 if long < 5 else 2 if long < 9 else 3
    edits = OSA.distance(one, other, score_cutoff=most)
    if edits > most:
        return None
    if edits > 1:
        inside = one[0] == other[0] and one[-1] == other[-1]
        return ("three in a word",) if edits == 3 else ("two in a word" if inside else "two in a word, at its edge",)
    start = 0
    while start < short and one[start] == other[start]:
        start += 1
    if len(one) == len(other):
        if one[start] == other[start + 1 : start + 2] and other[start] == one[start + 1 : start + 2]:
            return ("swapped",) if start else ("swapped", "first letter")
        edge = "first letter" if start == 0 else "last letter" if start == len(one) - 1 else None
        return ("exchanged", edge) if edge else ("exchanged",)
    longer = one if len(one) > len(other) else other
    if start and longer[start - 1] == longer[start]:
        return ("doubled",)
    edge = "first letter" if start == 0 else "last letter" if start == len(longer) - 1 else None
    return ("inserted", edge) if edge else ("inserted",)


def _turned(name: str) -> list[str] | None:
    """The words of "Macdonald-Paterson, Thomas" as "thomas macdonald paterson"; None where no single comma is."""
    last, comma, first = name.partition(",")
    return normalise(f"{first} {last}").split() if comma and first.strip() and "," not in first else None


@lru_cache(maxsize=1)
def _known_words() -> frozenset[str]:
    return frozenset(files("lamlam.kb").joinpath("words.txt").read_text("utf-8").split())


@lru_cache(maxsize=1)
def _given_names() -> frozenset[str]:
    return frozenset(files("lamlam.kb").joinpath("given_names.txt").read_text("utf-8").split())
