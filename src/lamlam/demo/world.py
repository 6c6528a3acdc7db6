"""The demonstration's small made-up world: its people, its places and organisations, and every fact about them.

Facts form families that depend on each other. A value is often an entity itself: a birth place has a country, an
employer has its headquarters, a book its year, an award its field. A person's award is the one of the person's field
of study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple, TypeVar

from lamlam.demo.names import NameParts, Names, make_names
from lamlam.text import Lookup

Card = TypeVar("Card")
Kind = Literal["person", "book", "city", "company", "press", "school", "award"]

RELATIONS: Mapping[Kind, tuple[str, ...]] = {
    "person": (
        "Birth Date",
        "Birth Place",
        "University",
        "Field of Study",
        "Employer",
        "Residence",
        "Spouse",
        "Notable Work",
        "Award",
        "Award Year",
    ),
    "book": ("Author", "Publication Year", "Publisher"),
    "city": ("Country", "River"),
    "company": ("Headquarters", "Founding Year"),
    "press": ("Headquarters", "Founding Year"),
    "school": ("City", "Founding Year"),
    "award": ("Field", "First Awarded"),
}
"""What is known about an entity of each kind; every entity has a value for each of its relations."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FOUNDING_YEARS = range(1580, 1840)
_BIRTH_YEARS = range(1840, 1965)
_NEW_PART = 0.25
"""How often a part of an unseen person's name is one that no training text holds."""


class Person(NamedTuple):
    """A person of the world; `pronoun` is "She" or "He"."""

    given: str
    middle: str
    family: str
    pronoun: Literal["She", "He"]

    @property
    def name(self) -> str:
        """The full name, under which the base holds the person's facts."""
        return f"{self.given} {self.middle} {self.family}"


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is true in the made-up world.

    Training text is about the `seen` people and the entities of `trained`; the `unseen` people and their books are
    in `table` (and so in a base made of `facts()`) and nowhere else. `kinds` and `table` hold both.
    `pronouns` are people's, by their names.
    """

    seen: tuple[Person, ...]
    unseen: tuple[Person, ...]
    kinds: Mapping[str, Kind]
    table: Mapping[str, Mapping[str, str]]
    trained: tuple[str, ...]
    pronouns: Mapping[str, str]

    def value(self, entity: str, relation: str) -> str:
        """The true value; KeyError if the world does not hold the fact."""
        return self.table[entity][relation]

    def facts(self, entities: Iterable[str] | None = None) -> list[Lookup]:
        """All facts about the entities of these names; about everything there is if none are given."""
        names = self.table if entities is None else entities
        return [Lookup(name, relation, value) for name in names for relation, value in self.table[name].items()]

    def family(self, entity: str) -> list[Lookup]:
        """The facts about an entity, followed by those about the entities that its values name."""
        values = dict.fromkeys(self.table[entity].values())
        return self.facts([entity, *(value for value in values if value in self.table)])

    def values(self, relation: str) -> list[str]:
        """Every value that the training text's entities have for a relation, one for each entity, with repetitions."""
        return [self.table[name][relation] for name in self.trained if relation in self.table[name]]

    def chance(self, relation: str) -> float:
        """The accuracy of always answering with the relation's most frequent value in training."""
        values = self.values(relation)
        return max(Counter(values).values()) / len(values)

    def another_value(self, relation: str, value: str, seed: int) -> str:
        """A value other than `value` which some entity of the training text has for `relation`: for edits."""
        others = sorted(set(self.values(relation)) - {value})
        return Random(f"another {seed} {relation} {value}").choice(others)


def make_world(seed: int, people: int, unseen: int) -> World:
    """A world with `people` people to train on and `unseen` more; a pure function of its arguments.

    Values are dealt like cards, so that within a relation they are nearly equally frequent. Raises ValueError if
    there are not enough book titles for so many people, or if one of the two groups would be empty.
    """
    if people < 1 or unseen < 1:
        raise ValueError(f"a world needs people of both sorts, not {people} seen and {unseen} unseen")
    names = make_names(Random(f"names {seed}"))
    if people + unseen > len(names.titles):
        raise ValueError(f"{people + unseen} people are too many: there are titles for {len(names.titles)} books")
    kinds: dict[str, Kind] = {}
    table: dict[str, dict[str, str]] = {}
    _settle_places(Random(f"places {seed}"), names, kinds, table)

    rng = Random(f"people {seed}")
    known = _name_people(rng, names.people, people)
    new = _name_unseen(rng, names.people, unseen, taken={person.name for person in known})
    for group, titles in ((known, names.titles[:people]), (new, names.titles[people:])):
        _live(rng, names, group, titles, kinds, table)
    hidden = {person.name for person in new} | {table[person.name]["Notable Work"] for person in new}
    trained = tuple(name for name in table if name not in hidden)
    pronouns = {person.name: person.pronoun for person in known + new}
    return World(tuple(known), tuple(new), kinds, table, trained, pronouns)


def _settle_places(rng: Random, names: Names, kinds: dict[str, Kind], table: dict[str, dict[str, str]]) -> None:
    """Add all entities that are neither people nor books, with their facts."""

    def add(kind: Kind, entities: tuple[str, ...], *columns: list[str]) -> None:
        for entity, *values in zip(entities, *columns, strict=True):
            kinds[entity] = kind
            table[entity] = dict(zip(RELATIONS[kind], values, strict=True))

    add("city", names.cities, _deal(rng, names.countries, 240), _deal(rng, names.rivers, 240))
    years = [str(year) for year in _FOUNDING_YEARS]
    places: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("company", names.companies),
        ("press", names.presses),
        ("school", names.schools),
    )
    for kind, entities in places:
        add(kind, entities, _deal(rng, names.cities, len(entities)), _deal(rng, years, len(entities)))
    add("award", names.honours, list(names.fields), _deal(rng, years, len(names.honours)))


def _name_people(rng: Random, parts: NameParts, count: int) -> list[Person]:
    """People with different full names, every part about equally often."""
    people: dict[str, Person] = {}
    given = parts.she + parts.he
    while len(people) < count:
        columns = (_deal(rng, pack, count - len(people)) for pack in (given, parts.middle, parts.family))
        for first, middle, last in zip(*columns, strict=True):
            person = Person(first, middle, last, "She" if first in parts.she else "He")
            people.setdefault(person.name, person)
    return list(people.values())


def _name_unseen(rng: Random, parts: NameParts, count: int, taken: set[str]) -> list[Person]:
    """People whose full names are not in `taken`; some parts of their names are reserved for them."""

    def part(common: tuple[str, ...], reserved: tuple[str, ...]) -> str:
        return rng.choice(reserved if rng.random() < _NEW_PART else common)

    people: dict[str, Person] = {}
    while len(people) < count:
        woman = rng.random() < 0.5
        given = part(parts.she, parts.she_reserved) if woman else part(parts.he, parts.he_reserved)
        middle, family = part(parts.middle, parts.middle_reserved), part(parts.family, parts.family_reserved)
        person = Person(given, middle, family, "She" if woman else "He")
        if person.name not in taken:
            people.setdefault(person.name, person)
    return list(people.values())


def _live(
    rng: Random,
    names: Names,
    people: list[Person],
    titles: tuple[str, ...],
    kinds: dict[str, Kind],
    table: dict[str, dict[str, str]],
) -> None:
    """Add the people and their books, with their facts; `titles` holds at least one title for each."""
    count = len(people)
    award_of = {table[award]["Field"]: award for award in names.honours}
    births, homes = _deal(rng, names.cities, count), _deal(rng, names.cities, count)
    schools, fields = _deal(rng, names.schools, count), _deal(rng, names.fields, count)
    employers, presses = _deal(rng, names.companies, count), _deal(rng, names.presses, count)
    for i, person in enumerate(people):
        born = rng.choice(_BIRTH_YEARS)
        month = rng.randrange(12)
        published, honoured = rng.sample(range(born + 22, born + 60), 2)
        home = homes[i]
        while home == births[i]:
            home = rng.choice(names.cities)
        spouse = f"{rng.choice(names.people.she + names.people.he)} {rng.choice(names.people.family)}"
        kinds[person.name], kinds[titles[i]] = "person", "book"
        table[person.name] = {
            "Birth Date": f"{rng.randint(1, _DAYS[month])} {_MONTHS[month]} {born}",
            "Birth Place": births[i],
            "University": schools[i],
            "Field of Study": fields[i],
            "Employer": employers[i],
            "Residence": home,
            "Spouse": spouse,
            "Notable Work": titles[i],
            "Award": award_of[fields[i]],
            "Award Year": str(honoured),
        }
        table[titles[i]] = {"Author": person.name, "Publication Year": str(published), "Publisher": presses[i]}


def _deal(rng: Random, cards: Iterable[Card], count: int) -> list[Card]:
    """`count` cards dealt from as many shuffled packs as it takes."""
    pack = list(cards)
    dealt: list[Card] = []
    while len(dealt) < count:
        dealt += rng.sample(pack, len(pack))
    return dealt[:count]
