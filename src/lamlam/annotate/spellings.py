"""Other spellings of dates and numbers: how a text may say what a table of facts writes in its own way."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_ISO = re.compile(r"\+?(\d{4})-(\d\d)-(\d\d)(?:T00:00:00Z)?")
_DAY_FIRST = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({'|'.join(_MONTHS)}),? (\d{{4}})")
_MONTH_FIRST = re.compile(rf"({'|'.join(_MONTHS)}) (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})")
_DIGITS = re.compile(r"[+]?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?")


def other_spellings(value: str) -> list[str]:
    """Ways to write a date or a number other than `value` itself, the likeliest first; none for anything else."""
    if not any(char.isdigit() for char in value):
        word = value.lower()
        return [str(_NUMBER_WORDS.index(word))] if word in _NUMBER_WORDS[2:] else []
    for spelt in (_dates(value), _numbers(value)):
        if spelt:
            return [one for one in dict.fromkeys(spelt) if one != value]
    return []


def plain(value: str) -> str:
    """One spelling for all of a date or a number (`1815-12-10`, `12800`); anything else as it is."""
    spelt = [value, *other_spellings(value)]
    dates = [one for one in spelt if _ISO.fullmatch(one)]
    numbers = [one for one in spelt if one.isdigit()]
    return (dates or numbers or [value])[0]


def _dates(value: str) -> list[str]:
    if (found := _ISO.fullmatch(value)) is not None:
        year, month, day = (int(part) for part in found.groups())
        if month == 0 or day == 0:  # Wikidata's way to say that only the year, or only the month, is known
            named = f"{_MONTHS[month - 1]} {year}" if 1 <= month <= 12 else str(year)
            return [named]
        # The first of January is also how a bare year is written.
        alone = [str(year)] if (month, day) == (1, 1) else []
    elif (found := _DAY_FIRST.fullmatch(value)) is not None:
        day, month, year = int(found[1]), _MONTHS.index(found[2]) + 1, int(found[3])
        alone = []
    elif (found := _MONTH_FIRST.fullmatch(value)) is not None:
        month, day, year = _MONTHS.index(found[1]) + 1, int(found[2]), int(found[3])
        alone = []
    else:
        return []
    try:
        date(year, month, day)
    except ValueError:
        return []
    name = _MONTHS[month - 1]
    full = [f"{day} {name} {year}", f"{name} {day}, {year}", f"{day} {name}, {year}", f"{year:04}-{month:02}-{day:02}"]
    return full + alone


def _numbers(value: str) -> list[str]:
    found = _DIGITS.fullmatch(value)
    if found is None:
        return []
    digits, fraction = found[1].replace(",", ""), (found[2] or "").rstrip("0").rstrip(".")
    number = int(digits)
    # A year is never written with a comma, and four digits are most often a year.
    spelt = [digits + fraction] if len(digits) <= 4 else [f"{number:,}{fraction}", digits + fraction]
    if not fraction and len(digits) == 4 and "," in value:
        spelt.append(f"{number:,}")
    if not fraction and 2 <= number < len(_NUMBER_WORDS):
        spelt.append(_NUMBER_WORDS[number])
    for size, word in ((10**9, "billion"), (10**6, "million")):
        if number >= size and number % (size // 100) == 0:
            spelt.append(f"{number / size:g} {word}")
    return spelt
