"""Whether a text states a table's fact where it says its value, or says the value for another reason.

"Winning manufacturer: Chevrolet" is true of a driver whose text says "Chevrolet" for a dealership. Where calls had
better be true, what shows a plain sign of this is left out (`fact_doubt`), and the judge is asked about the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamlam.annotate.kinds import kind_of
from lamlam.annotate.said import Said
from lamlam.kb.names import normalise
from lamlam.text import Lookup, Span

if TYPE_CHECKING:
    from spacy.tokens import Doc

FACT = "fact"
"""The rule of calls that a table of facts made."""
NEAR, STEM = 8, 5
"""Words on either side of a value where a fact's relation is looked for, and the letters by which two are the same."""

UNSURE = "the relation may be true of its row only"
NAMED_ONLY = "the value is part of a name, or of another value"
TRANSLATED = "the value only says whose word follows"

_TELLING = frozenset(
    {
        *("director", "directed by", "director s", "author", "author s", "writer", "composer", "lyrics by"),
        *("librettist", "screenwriter", "creator", "producer", "producer s", "cast member", "starring"),
        *("publisher", "developer", "platform", "platform s", "album", "label", "record label"),
        *("other labels", "performer", "language", "language s", "original title", "russian title"),
        *("french title", "capital", "shares border with", "country", "nation", "continent", "location"),
        *("province", "region", "district", "municipality", "prefecture", "autonomous community"),
        *("mountain range", "range", "located in the administrative territorial entity", "headquarters"),
        *("headquarters location", "stadium", "arena", "venue", "ballpark", "league", "sport"),
        *("home team s", "owner", "owned by", "operator", "format", "branding", "iata", "icao", "tc lid"),
        *("reporting marks", "capacity", "architect", "spouse", "child", "mother", "father", "educated at"),
        *("college", "member of sports team", "member of", "position played on team speciality"),
        *("place of birth", "occupation", "party", "nickname", "notable works", "characters"),
        *("present in work", "original network", "place served by transport hub", "founded by"),
        *("year founded", "scientific name", "highest point", "runner up", "part of", "allegiance"),
        *("ambassador to", "unit", "manager", "ceo", "sports discipline competed in", "participating team"),
        *("participant", "has subsidiary", "location of formation", "nationality", "city", "city town"),
        *(
            "city or town",
            "lga",
            "branch",
            "elevation",
            "elevation m",
            "form of creative work",
            "host",
            "book",
            "television series",
        ),
    }
)
"""Relations, normalised, of which a text about the entity that says the value most often tells. They were chosen with
290 facts at hand that had been read: of 177 with these, 161 are true; of the others, half."""


_NAME_BEFORE = re.compile(
    r"(?:University of|[A-Z]\w+ de|[A-Z]\w+ (?:Court|District) of|\d[-–/]|[A-Z]\w*[-–]|\w\.\w+) ?$"
)
"""Before "North Carolina", "Gijón"; before "4,285" in "4,181-4,285", "Conservative" in "Liberal-…"."""


def fact_doubt(doc: Doc, span: Span, lookup: Lookup) -> str | None:
    """Why the text may not state the fact at `span` (characters of `doc`); None where it may well."""
    if normalise(lookup.relation) not in _TELLING:
        return UNSURE
    before, behind = doc.text[max(0, span[0] - 30) : span[0]], doc.text[span[1] : span[1] + 2]
    if behind.startswith(":"):
        return TRANSLATED  # "(French: Baisers volés)"
    if _NAME_BEFORE.search(before):
        return NAMED_ONLY
    if re.match(r"[-–][A-Z\d]", behind):
        return NAMED_ONLY
    return None


def features_of_fact(doc: Doc, span: Span, lookup: Lookup, said: Said | None) -> dict[str, float]:
    """What the judge is told of a fact beside what it is told of every call (`call_features`).

    `said` is what the grammar says about the value.
    """
    tokens = doc.char_span(*span, alignment_mode="expand")
    if tokens is None or not len(tokens):
        return {}
    words = [word for word in normalise(lookup.relation).split() if len(word) > 2]
    near = {normalise(token.text)[:STEM] for token in doc[max(0, tokens.start - NEAR) : tokens.end + NEAR]}
    asked = {word[:STEM] for word in words}
    found = [f"fact: {word}" for word in words]
    found += [f"fact: {' '.join(words)}", f"fact: {kind_of(tokens).value}"]
    found.append("fact: its words stand near" if asked & near else "fact: its words stand elsewhere")
    if lookup.relation.islower():
        found.append("fact: of Wikidata")
    if said is None:
        return dict.fromkeys([*found, "fact: the grammar says nothing"], 1.0)
    same = asked & {normalise(word)[:STEM] for word in said.relation.split()}
    found.append("fact: the grammar says the same" if same else "fact: the grammar says something else")
    found += [f"fact: said by {said.rule}", f"fact: said of {'it' if said.entity == lookup.entity else 'another'}"]
    return dict.fromkeys(found, 1.0)
