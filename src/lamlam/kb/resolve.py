"""From a name as asked to a name in the base, in two stages: the entity, then a relation among that entity's own.

Entity: exact, but for case, normalised, alias, fuzzy. Relation: exact, normalised, synonym (those of the base, then
those of the package), fuzzy, and embedding where the base was opened with a model. Each stage is tried only where the
one before found nothing, and where two names are left that cannot be told apart the answer is none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from lamlam.kb import relation_embeddings
from lamlam.kb.fact import Candidate
from lamlam.kb.name_score import ALIAS, CASE, NORMALISED, differences, fitted, log_odds, score, spelling
from lamlam.kb.names import LONGEST_FUZZY, normalise, unusable, without_accents
from lamlam.kb.relation_embeddings import Similar
from lamlam.kb.similarity import MARGIN, SYNONYM, THRESHOLD, relation_score, synonymous
from lamlam.kb.store import Named, Store
from lamlam.kb.tombstones import BY_ENTITY

Scored = tuple[float, Named]
NONE_NEAR, ALIKE = "none near enough", "several that cannot be told apart"
"""Why nothing is taken."""


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
    for how, score_of, named in (
        ("normalised", NORMALISED, store.entities_normalised),
        ("alias", ALIAS, store.entities_aliased),
    ):
        if there := named(normalised):
            return _told_apart(name, how, score_of, there)
    ranked = _one_of_equals(name, _near(store, name, normalised))
    why = _doubt(ranked, fitted().threshold, _too_near_names)
    return _best(ranked, why, lambda found: store.slides((normalised,), (normalise(found.name),)))


def resolve_relation(
    store: Store, entity: Named, relation: str, similar: Similar | None = None, asked: str | None = None
) -> Found:
    """The relation of `entity` that `relation` means, or none; `similar` is asked where spelling says nothing.

    `asked`: the misspelt name that `entity` was found by. It may mean another one, of which just this was forgotten.
    """
    found = _own_relation(store, entity, relation, similar)
    if found.named is None or asked is None:
        return found
    whose = normalise(entity.name)
    for key in {normalise(found.named.name), normalise(relation)}:
        if store.slides((BY_ENTITY, key, normalise(asked)), (whose, key)):
            return Found(None, 0.0, "", "forgotten")
    return found


def _own_relation(store: Store, entity: Named, relation: str, similar: Similar | None) -> Found:
    if unusable(relation) is not None:
        return Found(None, 0.0, "", "a relation that no base can hold")
    own = store.relations_of(entity.id)
    if exact := next((named for named in own if named.name == relation), None):
        return Found(exact, 1.0, "exact")
    normalised = normalise(relation)
    if same := [named for named in own if normalise(named.name) == normalised]:
        return _told_apart(relation, "normalised", NORMALISED, same)
    whose = normalise(entity.name)

    def slides(found: Named) -> bool:
        return store.slides((whose, normalised), (whose, normalise(found.name)))

    given = {normalise(named.name) for named in store.relations_called(normalised)}
    if called := [(ALIAS, named) for named in own if normalise(named.name) in given]:
        return _best(called, _doubt(called, THRESHOLD, _too_near_relations), slides, "synonym")
    ranked = sorted(((relation_score(relation, named.name), named) for named in own), key=_best_first)
    if not ranked or ranked[0][0] < SYNONYM:  # the same words in another order say more than a list
        synonyms = [(SYNONYM, named) for named in own if synonymous(relation, named.name)]
        if synonyms:
            return _best(synonyms, _doubt(synonyms, THRESHOLD, _too_near_relations), slides, "synonym")
    why = _doubt(ranked, THRESHOLD, _too_near_relations)
    if similar is None or why != NONE_NEAR or not own:
        return _best(ranked, why, slides)
    cosines = similar.cosines(relation, [named.name for named in own])
    ranked = sorted(zip(cosines, own, strict=True), key=_best_first)
    why = _doubt(ranked, relation_embeddings.THRESHOLD, _too_near_meanings)
    return _best([(relation_embeddings.likely(cosine), named) for cosine, named in ranked], why, slides, "embedding")


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
    for likely, named in _near(store, name, normalised):
        found.setdefault(named.name, Candidate(named.name, _shown(likely), "fuzzy"))
    return sorted(found.values(), key=lambda candidate: (-candidate.score, candidate.name))[:limit]


def _near(store: Store, name: str, normalised: str) -> list[Scored]:
    if len(normalised) > LONGEST_FUZZY:
        return []
    query = spelling(name)
    frequency = lru_cache(maxsize=None)(store.frequency)  # candidates share words
    scored = []
    for named in store.entities_near(normalised):
        likely = score(differences(query, spelling(named.name), frequency))
        if likely < NORMALISED:
            for alias in store.aliases_of(named.id):
                likely = max(likely, score(differences(query, spelling(alias), frequency)) * ALIAS)
        scored.append((likely, named))
    return sorted(scored, key=_best_first)


def _told_apart(name: str, how: str, likely: float, named: list[Named]) -> Found:
    """The only one, or the one that differs least as it is written."""
    if len(named) > 1:
        as_written = _as_written(name, named) if how == "normalised" else _but_for_case(name, named)
        if as_written is None:
            candidates = tuple(Candidate(one.name, likely, how) for one in named)
            return Found(None, likely, how, ALIKE, candidates)
        named = [as_written]
    same = how == "normalised" and named[0].name.casefold() == name.casefold()
    return Found(named[0], CASE if same else likely, how)


def _one_of_equals(name: str, ranked: list[Scored]) -> list[Scored]:
    """Without the others of the best one's normalised form: "Unforgivn" is nearer to "Unforgiven" than with "The"."""
    if len(ranked) < 2 or ranked[1][0] < ranked[0][0]:
        return ranked
    form = normalise(ranked[0][1].name)
    equal = [named for likely, named in ranked if likely == ranked[0][0] and normalise(named.name) == form]
    best = _as_written(name, equal) if len(equal) > 1 else None
    return ranked if best is None else [one for one in ranked if one[1] == best or one[1] not in equal]


def _as_written(name: str, named: list[Named]) -> Named | None:
    """Of several with one normalised form the one that is written most like `name`, None where there are two."""
    if (same := _but_for_case(name, named)) is not None:
        return same
    # A wrong accent says nothing about which is meant, and one case throughout nothing about which letters are large.
    fold = str.casefold if name in (name.lower(), name.upper()) else str
    written = fold(without_accents(name.replace("_", " ")))
    apart = [OSA.distance(written, fold(without_accents(one.name))) for one in named]
    return named[apart.index(min(apart))] if apart.count(min(apart)) == 1 else None


def _but_for_case(name: str, named: list[Named]) -> Named | None:
    written = name.replace("_", " ").casefold()
    same = [one for one in named if one.name.replace("_", " ").casefold() == written]
    return same[0] if len(same) == 1 else None


def _doubt(ranked: list[Scored], threshold: float, too_near: Callable[[float, float], bool]) -> str:
    """Why the best of several is not taken; empty where it is."""
    if not ranked or ranked[0][0] < threshold:
        return NONE_NEAR
    if len(ranked) > 1 and too_near(ranked[0][0], ranked[1][0]):
        return ALIKE
    return ""


def _best(ranked: list[Scored], why: str, slides: Callable[[Named], bool], how: str = "fuzzy") -> Found:
    """The first, if nothing speaks against it and it is not a neighbour of something forgotten."""
    candidates = tuple(Candidate(named.name, _shown(likely), how) for likely, named in ranked[:5])
    if why:
        near = ranked and why != NONE_NEAR
        return Found(None, _shown(ranked[0][0]) if near else 0.0, how if near else "", why, candidates)
    likely, named = ranked[0]
    if slides(named):
        return Found(None, 0.0, "", "forgotten")
    return Found(named, _shown(likely), how, "", candidates)


def _shown(likely: float) -> float:
    """A name that is not equal is never as sure as one that is."""
    return round(min(likely, ALIAS), 4)


def _too_near_names(best: float, second: float) -> bool:
    return log_odds(best) - log_odds(second) < fitted().margin


def _too_near_relations(best: float, second: float) -> bool:
    return second >= THRESHOLD and best - second < MARGIN


def _too_near_meanings(best: float, second: float) -> bool:
    return best - second < relation_embeddings.MARGIN


def _best_first(scored: Scored) -> tuple[float, str]:
    return -scored[0], scored[1].name
