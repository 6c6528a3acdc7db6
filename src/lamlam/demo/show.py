"""The end of the demonstration: one biography with its citations, one edit, one forgetting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lamlam.demo.biography import biography_prompt
from lamlam.demo.world import Person, World
from lamlam.generate import Generation, LookupModel
from lamlam.kb import KnowledgeBase

_RELATION = "Birth Date"
"""The relation that the biography's opening asks for, and that is then edited and forgotten."""


class Scene(NamedTuple):
    """What was done to the base, and what the model then wrote."""

    title: str
    generation: Generation


def scenes(world: World, lm: LookupModel, kb: KnowledgeBase) -> Iterator[Scene]:
    """A person who is only in the base: as the base has it, after an edit, after forgetting.

    Taken is the first unseen person whose birth date the model states.
    """
    person = next((one for one in world.unseen if _states_birth_date(lm, kb, one)), world.unseen[0])
    yield Scene(f"{person.name} is in the base only: no training text ever named this person", _tell(lm, person))

    new = world.another_value(_RELATION, world.value(person.name, _RELATION), seed=1)
    kb.set(person.name, _RELATION, new, author="lamlam demo", reason="to show an edit")
    yield Scene(f'kb.set("{person.name}", "{_RELATION}", "{new}")', _tell(lm, person))

    kb.forget(person.name, _RELATION)
    yield Scene(f'kb.forget("{person.name}", "{_RELATION}")', _tell(lm, person))


def _tell(lm: LookupModel, person: Person) -> Generation:
    return lm.generate([biography_prompt(person.name)], max_new_tokens=60)[0]


def _states_birth_date(lm: LookupModel, kb: KnowledgeBase, person: Person) -> bool:
    match = kb.lookup(person.name, _RELATION)
    return match is not None and any(citation.match == match for citation in _tell(lm, person).citations)
