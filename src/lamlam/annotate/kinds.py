"""What kind of thing a value is, as far as its form and a named-entity recogniser tell."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Span as Tokens

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DATE = re.compile(rf"(?:\d{{1,2}} )?{_MONTH}(?: \d{{1,2}})?(?:,? \d{{4}})?|\d{{4}}-\d\d-\d\d")
YEAR = re.compile(r"(?:c\. ?|circa )?(?:1[0-9]\d\d|20\d\d|\d{3,4} (?:BC|BCE|AD|CE))s?(?:[–-]\d{2,4})?")
NUMBER = re.compile(
    r"[$€£]?\d[\d,.]*(?:%| ?(?:percent|million|billion|thousand|km2?|m|ft|feet|acres|hectares|miles"
    r"|square \w+|kilometres|kg)\b)*"
    r"|(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand)"
)


class Kind(Enum):
    """Kinds of values, as the names of relations tell them apart."""

    DATE = "date"
    YEAR = "year"
    NUMBER = "number"
    NATIONALITY = "nationality"
    PERSON = "person"
    PLACE = "place"
    ORGANISATION = "organisation"
    WORK = "work"
    OTHER = "other"

    @property
    def is_time(self) -> bool:
        """Whether it says when."""
        return self in (Kind.DATE, Kind.YEAR)


_LABELS = {
    "PERSON": Kind.PERSON,
    "GPE": Kind.PLACE,
    "LOC": Kind.PLACE,
    "FAC": Kind.PLACE,
    "ORG": Kind.ORGANISATION,
    "NORP": Kind.NATIONALITY,
    "LANGUAGE": Kind.NATIONALITY,
    "WORK_OF_ART": Kind.WORK,
    "EVENT": Kind.WORK,
    "PRODUCT": Kind.WORK,
}


def kind_of(tokens: Tokens) -> Kind:
    """The kind of the value that these tokens are."""
    text = tokens.text
    if YEAR.fullmatch(text):
        return Kind.YEAR
    if DATE.fullmatch(text):
        return Kind.DATE
    if NUMBER.fullmatch(text) or (text[:1].isdigit() and tokens[0].like_num):
        return Kind.NUMBER
    root = tokens.root
    for entity in tokens.doc.ents:
        if entity.start <= root.i < entity.end:
            return _LABELS.get(entity.label_, Kind.OTHER)
    return Kind.OTHER
