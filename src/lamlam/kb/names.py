"""Names as they are written, and the forms under which two spellings are the same name.

`normalise` removes what never tells two names apart: case, diacritics, underscores, punctuation, a leading "the".
What is left to judge (typos, word order, initials) is `lamlam.kb.similarity`'s.
"""

from __future__ import annotations

import re
import unicodedata

from lamlam.errors import LamlamError

LONGEST_FUZZY = 200
"""Normalised names longer than this are found exactly or normalised only: a near miss of a paragraph is no typo."""

_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; other scripts' marks are letters
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŋ": "n"}
)
_APOSTROPHES = re.compile("['’‘ʼ`´]")
_ASCII_GAPS = {code: None if chr(code) in "'`" else " " for code in range(128) if not chr(code).isalnum()}
_PARENTHESIS = re.compile(r"\s*\([^()]*\)\s*$")
_TITLES = frozenset({
    "sir", "dame", "lord", "lady", "dr", "doctor", "prof", "professor", "mr", "mrs", "ms", "rev", "reverend", "saint",
    "st", "pope", "king", "queen", "prince", "princess", "emperor", "empress", "count", "countess", "duke", "duchess",
    "baron", "baroness", "president", "general", "marshal", "captain", "colonel", "major", "lieutenant", "admiral",
    "cardinal", "bishop", "archbishop", "rabbi", "sheikh", "senator", "judge",
})  # fmt: skip
"""What a name may begin with, or not, and still be the same person's."""
_SUFFIXES = frozenset({
    "jr", "sr", "inc", "incorporated", "ltd", "limited", "plc", "corp", "corporation", "company", "co", "gmbh", "ag",
    "llc", "llp", "spa", "phd", "md", "esq", "cbe", "obe",
})  # fmt: skip
"""What a name may end with, or not, and still be the same person's or the same company's."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def normalise(name: str) -> str:
    """The form under which spellings of one name are equal; never empty for a name with a visible character."""
    if name.isascii():  # nothing to fold but case, and most names are
        folded = name.lower()
    else:
        folded = unicodedata.normalize("NFKD", name).casefold()
        folded = _ACCENTS.sub("", unicodedata.normalize("NFKD", folded)).translate(_LETTERS)
        folded = unicodedata.normalize("NFC", folded)
    # Only \w survives below; a combining sign of, say, Devanagari is not \w, so marks are kept by hand.
    if folded.isascii():
        words = folded.translate(_ASCII_GAPS).split()
    else:
        kept = "".join(
            char if char.isalnum() or unicodedata.category(char)[0] == "M" else _gap(char) for char in folded
        )
        words = kept.split()
    if len(words) > 1 and words[0] == "the":
        del words[0]
    # "!!!" is a band, "C++" is not "C": a name whose difference is all punctuation keeps it.
    if not words or folded.rstrip().endswith(("+", "#")):
        # An accent that stands alone, as in "¨", is all there is of its name.
        return " ".join(folded.split()) or " ".join(unicodedata.normalize("NFC", name).casefold().split())
    return " ".join(words)


def without_accents(name: str) -> str:
    """A name without the accents of Latin, Greek and Cyrillic letters."""
    return name if name.isascii() else _ACCENTS.sub("", unicodedata.normalize("NFKD", name))


def without_parenthesis(name: str) -> str | None:
    """`Mercury (planet)` as `Mercury`; None where the name does not end in a parenthesis after something else."""
    bare = _PARENTHESIS.sub("", name)
    return bare if bare != name and bare.strip() else None


def without_title(words: list[str]) -> list[str] | None:
    """A normalised name's words without a title before two or more others; None where there is none."""
    return words[1:] if len(words) > 2 and words[0] in _TITLES else None


def without_suffix(words: list[str]) -> list[str] | None:
    """A normalised name's words without a "Jr." or "Inc." after others; None where there is none."""
    return words[:-1] if len(words) > 1 and words[-1] in _SUFFIXES else None


def deletions(word: str, depth: int) -> set[str]:
    """`word` with at most `depth` characters left out: two words within `depth` edits of each other share one."""
    found = level = {word}
    for _ in range(depth):
        level = {shorter[:i] + shorter[i + 1 :] for shorter in level for i in range(len(shorter))}
        found = found | level
    return found


def spellings(normalised: str) -> set[str]:
    """Keys that a name shares with everything the fuzzy stage would take for it.

    A tombstone keeps these (as digests), so that a misspelt query for a forgotten name is recognised and does not
    slide to a neighbour: all ways to leave out one or two characters, the words in sorted order, the first word or
    its initial with the last; and the same without a title, without a suffix, without "and".
    """
    words = normalised.split()
    forms = [words, without_title(words), without_suffix(words), [word for word in words if word != "and"]]
    return {key for form in forms if form for key in _spellings_of(form)}


def _spellings_of(words: list[str]) -> set[str]:
    close = "".join(words)
    # Deletions of two characters grow with the square of the length; long names get those of one, and names that the
    # fuzzy stage does not look at none.
    depth = 2 if len(close) <= 40 else 1 if len(close) <= LONGEST_FUZZY else 0
    keys = {"~" + key for key in deletions(close, depth)}
    keys.add("s " + "".join(sorted(words)))
    if len(words) > 1:
        keys |= {f"{one[0]}. {other}" for one, other in ((words[0], words[-1]), (words[-1], words[0]))}
    return keys


def checked(text: str, what: str) -> str:
    """`text` if it can be stored; raises `LamlamError` for what no store keeps: NUL, lone surrogates, nothing."""
    if not isinstance(text, str):
        raise LamlamError(f"the {what} of a fact must be text, not {type(text).__name__}: {text!r:.60}")
    if not text.strip():
        raise LamlamError(f"the {what} of a fact is empty; leave the fact out or give it a {what}")
    if (reason := unusable(text)) is not None:
        raise LamlamError(f"the {what} of a fact holds {reason}: {text[:60]!r}; remove it")
    return text


def unusable(text: str) -> str | None:
    """Why `text` cannot be stored, as a short phrase, or None where it can."""
    if not text.strip():
        return "nothing but white space"
    if "\0" in text:
        return "a NUL character"
    if _SURROGATE.search(text):
        return "a lone surrogate"
    return None


def _gap(char: str) -> str:
    return "" if _APOSTROPHES.match(char) else " "
