"""From a name as asked to a name in the base, in two stages: the entity, then a relation among that entity's own.

Entity: exact, but for case, normalised, alias, fuzzy. Relation: exact, normalised, fuzzy. Each stage is tried only
where the one before found nothing, and where two names are left that cannot be told apart the answer is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamlam.kb.fact import Candidate
from lamlam.kb.names import LONGEST_FUZZY, normalise, unusable
from lamlam.kb.similarity import ALIAS, CASE, MARGIN, NORMALISED, THRESHOLD, name_score, relation_score
from lamlam.kb.store import Named, Store


class Found(NamedTuple):
    """What a name was resolved to: `named` is None with `why` saying why not."""

    named: Named | None
    score: float
    how: str
    why: str = ""
    candidates: tuple[Candidate, ...] = ()


def resolve_entity(store: Store, name: str) -> Found:
    """The entity that `name` means, or none."""
    if unusable(name) is not None:
        return Found(None, 0.0, "", "a name that no base can hold")
    if exact := store.entity(name):
        return Found(exact, 1.0, "exact")
    normalised = normalise(name)
    for how, score, named in (
        ("normalised", NORMALISED, store.entities_normalised(normalised)),
        ("alias", ALIAS, store.entities_aliased(normalised)),
    ):
        if named:
            return _told_apart(name, how, score, named)
    ranked = _near(store, name, normalised)
    return _best(ranked, lambda found: store.slides((normalised,), (normalise(found.name),)))


def resolve_relation(store: Store, entity: Named, relation: str) -> Found:
    """The relation of `entity` that `relation` means, or none."""
    if unusable(relation) is not None:
        return Found(None, 0.0, "", "a relation that no base can hold")
    own = store.relations_of(entity.id)
    if exact := next((named for named in own if named.name == relation), None):
        return Found(exact, 1.0, "exact")
    normalised = normalise(relation)
    if same := [named for named in own if normalise(named.name) == normalised]:
        return _told_apart(relation, "normalised", NORMALISED, same)
    ranked = sorted(((relation_score(relation, named.name), named) for named in own), key=_best_first)
    whose = normalise(entity.name)
    return _best(ranked, lambda found: store.slides((whose, normalised), (whose, normalise(found.name))))


def near_entities(store: Store, name: str, limit: int) -> list[Candidate]:
    """The entities nearest to a name, best first, with those below the threshold."""
    if unusable(name) is not None:
        return []
    normalised = normalise(name)
    found: dict[str, Candidate] = {}
    if exact := store.entity(name):
        found[exact.name] = Candidate(exact.name, 1.0, "exact")
    for named in store.entities_normalised(normalised):
        same_case = named.name.casefold() == name.casefold()
        found.setdefault(named.name, Candidate(named.name, CASE if same_case else NORMALISED, "normalised"))
    for named in store.entities_aliased(normalised):
        found.setdefault(named.name, Candidate(named.name, ALIAS, "alias"))
    for score, named in _near(store, name, normalised):
        found.setdefault(named.name, Candidate(named.name, score, "fuzzy"))
    return sorted(found.values(), key=lambda candidate: (-candidate.score, candidate.name))[:limit]


def _near(store: Store, name: str, normalised: str) -> list[tuple[float, Named]]:
    if len(normalised) > LONGEST_FUZZY:
        return []
    scored = []
    for named in store.entities_near(normalised):
        score = name_score(name, named.name, store.is_word)
        for alias in store.aliases_of(named.id):
            score = max(score, name_score(name, alias, store.is_word) * ALIAS)
        scored.append((round(score, 4), named))
    return sorted(scored, key=_best_first)


def _told_apart(name: str, how: str, score: float, named: list[Named]) -> Found:
    """The only one, or the only one that differs in nothing but case."""
    if len(named) > 1:
        same_case = [one for one in named if one.name.casefold() == name.casefold()]
        if len(same_case) != 1:
            candidates = tuple(Candidate(one.name, score, how) for one in named)
            return Found(None, score, how, "several that cannot be told apart", candidates)
        named = same_case
    same = how == "normalised" and named[0].name.casefold() == name.casefold()
    return Found(named[0], CASE if same else score, how)


def _best(ranked: list[tuple[float, Named]], slides: Callable[[Named], bool]) -> Found:
    """The first if it is good enough, better than the second, and not a neighbour of something forgotten."""
    candidates = tuple(Candidate(named.name, score, "fuzzy") for score, named in ranked[:5])
    if not ranked or ranked[0][0] < THRESHOLD:
        return Found(None, 0.0, "", "none near enough", candidates)
    score, named = ranked[0]
    if len(ranked) > 1 and ranked[1][0] >= THRESHOLD and score - ranked[1][0] < MARGIN:
        return Found(None, score, "fuzzy", "several that cannot be told apart", candidates)
    if slides(named):
        return Found(None, 0.0, "", "forgotten")
    return Found(named, score, "fuzzy", "", candidates)


def _best_first(scored: tuple[float, Named]) -> tuple[float, str]:
    return -scored[0], scored[1].name
