"""Ways in which people and programs write a name wrongly or otherwise, made at random from a seed.

Each way is a function from a name to another spelling, or to None where the name has nothing that it could change.
Typos fall on any letter, the first and the last included: inserted, left out, exchanged (for a letter beside it on the
keyboard or for any), or swapped with the next.
"""

from __future__ import annotations

import random
import re
import string
import unicodedata
from collections.abc import Callable
from hashlib import blake2b

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _KEYBOARD for at, letter in enumerate(row)
}
_ARTICLE = re.compile(r"^(the|a|an) ", re.IGNORECASE)
_PARTS = re.compile(r"^[^\W\d_][\w.'’-]*( [^\W\d_][\w.'’-]*){1,3}$")
"""What a person's name looks like: two to four words, no digits. Princes "of" somewhere have no last name."""
_PARTICLES = frozenset({"of", "the", "and", "de", "von", "van", "la", "le", "du", "di", "da", "in", "for", "on", "at"})
_NUMERAL = re.compile("[IVX]+|[JS]r[.]?")
_TITLE = re.compile(r"^(Sir|Dame|Lord|Lady|Dr\.?|Saint|St\.?|Pope|King|Queen|Prince|Princess|Count|Baron) (?=\w+ \w)")
_SUFFIX = re.compile(r",? (Jr\.?|Sr\.?|Inc\.?|Ltd\.?|Limited|plc|Corp\.?|Corporation|Company|Co\.|GmbH|AG|LLC)$")
_MIDDLES = (
    "Albert",
    "Ann",
    "Carl",
    "Elizabeth",
    "Francis",
    "Henry",
    "Jane",
    "Joseph",
    "Lee",
    "Maria",
    "Paul",
    "William",
)
ONLY_PEOPLE = frozenset({"comma", "middle_dropped", "middle_added", "middle_initialled", "first_initialled", "titled"})
PEOPLES_RELATIONS = frozenset(
    {
        "place of birth", "place of death", "occupation", "educated at", "child", "spouse", "native language",
        "date of birth", "date of death", "country of citizenship", "employer", "sibling", "mother", "father",
        "member of political party", "doctoral advisor", "doctoral student", "student of", "residence",
        "cause of death", "military rank", "noble title", "voice type", "unmarried partner", "religious order",
        "member of sports team", "place of burial", "field of work", "work location", "position held",
    }
)  # fmt: skip
"""Who has one of these is a person (or nearly always: some have an animal's or a band's name)."""

Way = Callable[[str, random.Random], str | None]


def held_out(name: str) -> bool:
    """Whether a name belongs to the half that figures are measured on; thresholds are chosen on the other half."""
    return blake2b(name.encode(), digest_size=2).digest()[0] % 2 == 1


def case(name: str, rng: random.Random) -> str | None:
    """All small, all capital, or every word with a capital."""
    return rng.choice([name.lower(), name.upper(), name.title()])


def diacritics(name: str, rng: random.Random) -> str | None:
    """Without accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))


def underscores(name: str, rng: random.Random) -> str | None:
    """With underscores for spaces."""
    return name.replace(" ", "_")


def punctuation(name: str, rng: random.Random) -> str | None:
    """Points, commas and apostrophes left out, hyphens made spaces."""
    return re.sub(r"\s+", " ", re.sub(r"[-–—/]", " ", re.sub(r"[.,'’!?:]", "", name))).strip()


def comma(name: str, rng: random.Random) -> str | None:
    """A person's last name first: "Paterson, Thomas"."""
    if not _person(name):
        return None
    first, _, last = name.rpartition(" ")
    return f"{last}, {first}"


def article(name: str, rng: random.Random) -> str | None:
    """The article left out, or put before two or more words."""
    if _ARTICLE.match(name):
        return _ARTICLE.sub("", name)
    return f"The {name}" if " " in name else None


def parenthesis(name: str, rng: random.Random) -> str | None:
    """What stands in parentheses at the end left out."""
    return re.sub(r"\s*\([^()]*\)$", "", name)


def middle_dropped(name: str, rng: random.Random) -> str | None:
    """A person's middle names left out."""
    words = name.split()
    return f"{words[0]} {words[-1]}" if _person(name) and len(words) > 2 else None


def middle_added(name: str, rng: random.Random) -> str | None:
    """A person's name in full, with a middle name that the base does not have."""
    words = name.split()
    return f"{words[0]} {rng.choice(_MIDDLES)} {words[1]}" if _person(name) and len(words) == 2 else None


def titled(name: str, rng: random.Random) -> str | None:
    """A person's name behind a title, or without the one it has."""
    if _TITLE.match(name):
        return _TITLE.sub("", name)
    return f"{rng.choice(['Sir', 'Dr.', 'Professor', 'President', 'General'])} {name}" if _person(name) else None


def suffix(name: str, rng: random.Random) -> str | None:
    """Without the legal form of a company, or the Jr. of a person."""
    return _SUFFIX.sub("", name)


def ampersand(name: str, rng: random.Random) -> str | None:
    """With & for and, or and for &."""
    return name.replace(" & ", " and ") if " & " in name else name.replace(" and ", " & ")


def middle_initialled(name: str, rng: random.Random) -> str | None:
    """A person's middle names as initials."""
    words = name.split()
    if not _person(name) or len(words) < 3:
        return None
    return " ".join([words[0], *(f"{word[0]}." for word in words[1:-1]), words[-1]])


def first_initialled(name: str, rng: random.Random) -> str | None:
    """A person's first name as an initial."""
    words = name.split()
    return f"{words[0][0]}. {' '.join(words[1:])}" if _person(name) and len(words[0]) > 2 else None


def typo(name: str, rng: random.Random) -> str | None:
    """One slip anywhere; no name of fewer than five letters."""
    return _slip(name, rng) if sum(char.isalpha() for char in name) >= 5 else None


def two_typos(name: str, rng: random.Random) -> str | None:
    """Two slips anywhere; no name of fewer than twelve letters."""
    return _slip(_slip(name, rng), rng) if sum(char.isalpha() for char in name) >= 12 else None


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        case,
        diacritics,
        underscores,
        punctuation,
        comma,
        article,
        parenthesis,
        middle_dropped,
        middle_added,
        middle_initialled,
        first_initialled,
        titled,
        suffix,
        ampersand,
        typo,
        two_typos,
    )
}


FURTHER = frozenset({"middle_added", "titled", "suffix", "ampersand"})
"""Ways in which more changes than the spelling; they are measured apart."""


def variant(name: str, person: bool, rng: random.Random, further: bool = False) -> tuple[str, str] | None:
    """Another spelling and the way it was made, any way that changes the name being as likely as another.

    With `further`, one of those ways.
    """
    ways = [way for way in WAYS if (way in FURTHER) == further and (person or way not in ONLY_PEOPLE)]
    for way in rng.sample(ways, len(ways)):
        spelled = WAYS[way](name, rng)
        if spelled and spelled != name:
            return spelled, way
    return None


def _person(name: str) -> bool:
    words = name.split()
    return (
        _PARTS.match(name) is not None
        and all(word[0].isupper() and word.lower() not in _PARTICLES for word in words)
        and len(words[-1]) > 2
        and not _NUMERAL.fullmatch(words[-1])
    )


def _slip(name: str, rng: random.Random) -> str:
    letters = [at for at, char in enumerate(name) if char.isalpha()]
    at = rng.choice(letters)
    char = name[at]
    kind = rng.choice(("insert", "leave out", "exchange", "swap"))
    near = rng.choice(_BESIDE.get(char.lower()) or string.ascii_lowercase)
    other = near if rng.random() < 0.7 else rng.choice(string.ascii_lowercase)
    if kind == "insert":
        return name[:at] + rng.choice([char.lower(), other]) + name[at:] if at else name[:1] + other + name[1:]
    if kind == "leave out":
        return name[:at] + name[at + 1 :]
    if kind == "swap" and at + 1 in letters and name[at + 1].lower() != char.lower():
        return name[:at] + name[at + 1] + char + name[at + 2 :]
    exchanged = other if other != char.lower() else "e" if char.lower() != "e" else "a"
    return name[:at] + (exchanged.upper() if char.isupper() else exchanged) + name[at + 1 :]


def undecidable(asked: list[tuple[tuple[str, str], str]], base: list[str]) -> set[tuple[str, str]]:
    """Those of (variant and way, name) that are the same way's variant of another name of the base just as well.

    "J. Smith" is John's and Jane's, "Mercury" the planet's and the element's: there the right answer is none.
    """
    rng = random.Random(0)
    unsure = ("first_initialled", "middle_initialled", "middle_dropped", "parenthesis", "suffix")
    wanted = {(way, spelled.casefold()): set() for (spelled, way), _ in asked if way in unsure}
    for name in base:
        for way in unsure:
            spelled = WAYS[way](name, rng)
            if spelled and (owners := wanted.get((way, spelled.casefold()))) is not None:
                owners.add(name)
    return {(spelled, name) for (spelled, way), name in asked if len(wanted.get((way, spelled.casefold()), ())) > 1}
