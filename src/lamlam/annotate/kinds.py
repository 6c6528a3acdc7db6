"""What kind of thing a value is, as far as its form and a named-entity recogniser tell."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Doc
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


_NOT_FIRST = ("ADP", "CCONJ", "SCONJ", "AUX", "PRON", "PART")
_NOT_LAST = (*_NOT_FIRST, "DET")
_COUNTED = ("DATE", "TIME", "QUANTITY", "PERCENT", "MONEY", "CARDINAL")
"""Kinds of entities that hold a number and its noun: "seven years"."""

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
    "DATE": Kind.DATE,
}


def entities_of(doc: Doc) -> tuple[Tokens, ...]:
    """The named entities of a parse. spaCy looks through all tokens for them each time; this does it once."""
    if "entities" not in doc.user_data:
        doc.user_data["entities"] = doc.ents
    found: tuple[Tokens, ...] = doc.user_data["entities"]
    return found


def kind_of(tokens: Tokens) -> Kind:
    """The kind of the value that these tokens are."""
    text, root = tokens.text, tokens.root
    if YEAR.fullmatch(text):
        return Kind.YEAR
    if DATE.fullmatch(text):
        return Kind.DATE
    if NUMBER.fullmatch(text) or (text[:1].isdigit() and tokens[0].like_num and root.pos_ != "PROPN"):
        return Kind.NUMBER
    for entity in entities_of(tokens.doc):
        if entity.start <= root.i < entity.end:
            return _LABELS.get(entity.label_, Kind.OTHER)
    return Kind.OTHER


def is_whole(tokens: Tokens) -> bool:
    """Whether a value is a phrase of its own, not cut out of a name, a date or an amount, and not cut off.

    By the recogniser's entities (a leading "the" is no part of one), and by compounds of proper nouns.
    """
    first, last = tokens[0], tokens[-1]
    if first.pos_ in _NOT_FIRST or last.pos_ in _NOT_LAST or tokens.text.count("(") != tokens.text.count(")"):
        return False
    doc = tokens.doc
    for entity in entities_of(doc):
        start = entity.start + (doc[entity.start].lower_ in ("the", "a", "an"))
        if start < tokens.end and tokens.start < entity.end:
            cut_left = start < tokens.start < entity.end
            cut_right = tokens.start <= start < tokens.end < entity.end or (cut_left and tokens.end < entity.end)
            counted = first.like_num and entity.label_ in _COUNTED
            if (cut_left or cut_right) and not counted:
                return False
    after = doc[tokens.end] if tokens.end < len(doc) else None
    if after is not None and not last.whitespace_:
        hyphen = after.text in ("-", "–") and not after.whitespace_
        if hyphen or after.pos_ not in ("PUNCT", "PART", "SYM", "SPACE"):
            return False  # "Hold" of "Hold'em", "R&B" of "R&B-influenced"
    if after is not None and after.pos_ == "PROPN" and last.pos_ in ("NOUN", "PROPN") and after.text[0].isalpha():
        return False  # "head coach" of "head coach Mike Houston", "Val" of "Val d'Agri"
    if last.text.islower() and after is not None and after.lower_ == "the":
        return False  # "rock band" of "rock band the Doors"
    if last.dep_ == "compound" and last.head.i >= tokens.end and last.head.pos_ == "PROPN":
        return False
    before = doc[tokens.start - 1] if tokens.start else None
    return not (
        before is not None
        and before.dep_ == "compound"
        and before.pos_ == "PROPN"
        and first.pos_ == "PROPN"
        and tokens.start <= before.head.i < tokens.end
    )
