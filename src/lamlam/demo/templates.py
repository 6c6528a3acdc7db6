"""The sentences of the demonstration's text: several ways to state every relation.

A slot in braces is the subject, `{S}` (*Maren Tiel Oster*, *She*, *Oster*) or `{P}` (*Her*, *Oster's*), or a value.
A value's slot names a relation of the subject, `{Employer}`, or a relation of another relation's value,
`{Employer/Headquarters}`. Every sentence begins with its subject, so that a call always comes after its entity.

The words up to a sentence's first value say which relation comes: no sentence goes on with other words there. So a
sentence cut off before its first value is a fair question (`lamlam.demo.probes`).
"""

from __future__ import annotations

from collections.abc import Mapping

from lamlam.demo.world import Kind

OPENINGS = (
    "{S} led a busy life.",
    "{S} had many friends.",
    "{S} is still remembered.",
    "{S} was a quiet person.",
    "This is the story of {S}.",
    "Much has been said about {S}.",
    "Here is a short life of {S}.",
    "Few people knew {S} well.",
)
"""First sentences of biographies; they state no fact."""

SHORT_SUBJECTS: Mapping[Kind, tuple[str, ...]] = {
    "book": ("It", "The book"),
    "city": ("It", "The town"),
    "company": ("It", "The company"),
    "press": ("It", "The publisher"),
    "school": ("It", "The school"),
    "award": ("It", "The honour"),
}
"""How sentences after the first call an entity that is not a person."""

_FOUNDING = (
    "{S} was founded in {Founding Year}.",
    "{S} was set up in {Founding Year}.",
    "{S} dates from {Founding Year}.",
    "{S} opened in {Founding Year}.",
    "{P} history began in {Founding Year}.",
)
_SEAT = (
    "{S} has its seat in {Headquarters}.",
    "{S} is based in {Headquarters}.",
    "{S} is run from {Headquarters}.",
    "{P} head office is in {Headquarters}.",
    "{S} is based in {Headquarters}, a town in {Headquarters/Country}.",
)

SENTENCES: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "person": {
        "Birth Date": (
            "{S} was born on {Birth Date}.",
            "{S} came into the world on {Birth Date}.",
            "{P} date of birth was {Birth Date}.",
            "{P} life began on {Birth Date}.",
            "{S} was born on {Birth Date} in {Birth Place}.",
        ),
        "Birth Place": (
            "{S} was born in {Birth Place}.",
            "{S} was a native of {Birth Place}.",
            "{S} came from {Birth Place}.",
            "{P} birthplace was {Birth Place}.",
            "{S} was born in {Birth Place} on {Birth Date}.",
            "{S} was born in {Birth Place}, a town in {Birth Place/Country}.",
            "{S} came from {Birth Place} in {Birth Place/Country}.",
        ),
        "University": (
            "{S} graduated from {University}.",
            "{S} was educated at {University}.",
            "{S} took a degree at {University}.",
            "{P} student years were spent at {University}.",
            "{S} graduated from {University} in {University/City}.",
            "{S} was educated at {University}, which was founded in {University/Founding Year}.",
        ),
        "Field of Study": (
            "{S} studied {Field of Study}.",
            "{S} was trained in {Field of Study}.",
            "{S} specialised in {Field of Study}.",
            "{P} subject was {Field of Study}.",
            "{S} studied {Field of Study} at {University}.",
        ),
        "Employer": (
            "{S} worked for {Employer}.",
            "{S} was employed by {Employer}.",
            "{S} held a post at {Employer}.",
            "{P} employer was {Employer}.",
            "{S} worked for {Employer}, which has its seat in {Employer/Headquarters}.",
            "{S} was employed by {Employer}, a company based in {Employer/Headquarters}.",
            "{S} held a post at {Employer}, which was founded in {Employer/Founding Year}.",
        ),
        "Residence": (
            "{S} lived in {Residence}.",
            "{S} settled in {Residence}.",
            "{S} made a home in {Residence}.",
            "{P} house stood in {Residence}.",
            "{S} lived in {Residence} on the {Residence/River}.",
        ),
        "Spouse": (
            "{S} married {Spouse}.",
            "{S} was married to {Spouse}.",
            "{S} exchanged vows with {Spouse}.",
            "{P} spouse was {Spouse}.",
            "{S} married {Spouse} and lived in {Residence}.",
        ),
        "Notable Work": (
            "{S} wrote {Notable Work}.",
            "{S} was the author of {Notable Work}.",
            "{S} became known for {Notable Work}.",
            "{P} best book was {Notable Work}.",
            "{S} wrote {Notable Work}, which came out in {Notable Work/Publication Year}.",
            "{S} was the author of {Notable Work}, published by {Notable Work/Publisher}.",
        ),
        "Award": (
            "{S} received the {Award}.",
            "{S} was honoured with the {Award}.",
            "{S} won the {Award}.",
            "{P} highest honour was the {Award}.",
            "{S} won the {Award} in {Award Year}.",
            "{S} received the {Award}, which is given for {Award/Field}.",
        ),
        "Award Year": (
            "{S} received an award in {Award Year}.",
            "{S} was given a prize in {Award Year}.",
            "{S} became a laureate in {Award Year}.",
            "{P} award came in {Award Year}.",
        ),
    },
    "book": {
        "Author": (
            "{S} was written by {Author}.",
            "{S} came from the pen of {Author}.",
            "{S} is the work of {Author}.",
            "{P} author is {Author}.",
        ),
        "Publication Year": (
            "{S} was published in {Publication Year}.",
            "{S} came out in {Publication Year}.",
            "{S} first appeared in {Publication Year}.",
            "{S} has been in print since {Publication Year}.",
            "{S} was published in {Publication Year} by {Publisher}.",
        ),
        "Publisher": (
            "{S} was published by {Publisher}.",
            "{S} was brought out by {Publisher}.",
            "{S} is sold by {Publisher}.",
            "{P} publisher is {Publisher}.",
            "{S} was brought out by {Publisher} of {Publisher/Headquarters}.",
        ),
    },
    "city": {
        "Country": (
            "{S} lies in {Country}.",
            "{S} is found in {Country}.",
            "{S} belongs to {Country}.",
            "{S} is part of {Country}.",
        ),
        "River": (
            "{S} stands on the {River}.",
            "{S} has a bridge over the {River}.",
            "{S} grew up along the {River}.",
            "{P} river is the {River}.",
        ),
    },
    "company": {"Headquarters": _SEAT, "Founding Year": _FOUNDING},
    "press": {"Headquarters": _SEAT, "Founding Year": _FOUNDING},
    "school": {
        "City": (
            "{S} stands in {City}.",
            "{S} has its lecture halls in {City}.",
            "{S} teaches its students in {City}.",
            "{P} home is {City}.",
        ),
        "Founding Year": _FOUNDING,
    },
    "award": {
        "Field": (
            "{S} is given for {Field}.",
            "{S} rewards work in {Field}.",
            "{S} goes to the best in {Field}.",
            "{P} field is {Field}.",
        ),
        "First Awarded": (
            "{S} was first given in {First Awarded}.",
            "{S} goes back to {First Awarded}.",
            "{S} has existed since {First Awarded}.",
            "{P} first year was {First Awarded}.",
        ),
    },
}
"""For every relation of every kind of entity: the sentences whose first value is that relation's."""
