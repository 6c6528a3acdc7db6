"""Choose from which cosine on a phrase is taken for a relation, and measure it on phrases kept apart.

    python benchmarks/relation_embeddings.py [--data ../shared/data]

Phrases are the middles of ParaRel's patterns ("is originally from" for place of birth). Each is asked of entities that
have its relation, among all relations of theirs, and of entities that do not. One half of the phrases chooses threshold
and margin, so that at most MOST_ABSENT of what entities do not have is answered, and fits the score that goes with a
cosine; the other half is reported, with the stages before (normalised, synonym, fuzzy) alone and with embeddings after
them, and with how often answers of a score were right.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from name_variants import held_out
from names_data import Subjects, subjects

from lamlam.kb.names import normalise
from lamlam.kb.relation_embeddings import RelationEmbeddings
from lamlam.kb.resolve import resolve_relation
from lamlam.kb.store import Named

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MOST_ABSENT = 0.02
ENTITIES = 20
"""Asked for each phrase, with its relation and without."""
_MIDDLE = re.compile(r"^\[X\],?\s+(?:who |which |that )?(?:is |was |are )?(.+?)\s*\[Y\]\s*\.?$")


class Asked(NamedTuple):
    """A phrase, the relations of an entity, and which of them is meant: none where the entity does not have it."""

    phrase: str
    own: tuple[str, ...]
    meant: str | None


class Own:
    """What the relation stage asks of a store, about one entity."""

    def __init__(self, relations: tuple[str, ...]) -> None:
        self._relations = [Named(number, name) for number, name in enumerate(relations)]

    def relations_of(self, entity: int) -> list[Named]:
        return self._relations

    def relations_called(self, normalised: str) -> list[Named]:
        return []

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        return False


def phrases(data: Path) -> list[tuple[str, str]]:
    """(phrase, relation) by ParaRel, relations written as in facts/wikidata.parquet; none that means two of them."""
    table = pq.read_table(data / "facts" / "wikidata.parquet", columns=["relation_id", "relation"]).to_pydict()
    labels = dict(zip(table["relation_id"], table["relation"], strict=True))
    meant: dict[str, set[str]] = defaultdict(set)
    for row in pq.read_table(data / "eval" / "pararel-patterns.parquet").to_pylist():
        middle = _MIDDLE.match(row["pattern"].strip())
        if middle and row["predicate_id"] in labels:
            meant[normalise(middle[1])].add(labels[row["predicate_id"]])
    return sorted((phrase, *of) for phrase, of in meant.items() if len(of) == 1)


def questions(of: list[tuple[str, str]], data: Subjects, rng: random.Random) -> list[Asked]:
    """Every phrase for entities that have its relation, preferring those with several, and for some that do not."""
    having: dict[str, list[str]] = defaultdict(list)
    for name in data.names:
        for relation in data.relations[name]:
            having[relation].append(name)
    asked = []
    for phrase, relation in of:
        owners = rng.sample(having[relation], min(200, len(having[relation])))
        owners.sort(key=lambda name: -len(data.relations[name]))
        asked += [Asked(phrase, tuple(data.relations[name]), relation) for name in owners[:ENTITIES]]
        others = [name for name in rng.sample(data.names, 4 * ENTITIES) if relation not in data.relations[name]]
        asked += [Asked(phrase, tuple(data.relations[name]), None) for name in others[:ENTITIES]]
    return asked


def rates(asked: list[Asked], cosines: list[list[float]], before: list[str | None], threshold: float, margin: float):
    """The share found of what entities have, and the share answered of what they do not."""
    found, absent = [], []
    for one, near, earlier in zip(asked, cosines, before, strict=True):
        order = np.argsort(near)[::-1]
        lead = near[order[0]] - near[order[1]] if len(near) > 1 else 1.0
        taken = earlier or (one.own[order[0]] if near[order[0]] >= threshold and lead >= margin else None)
        (absent if one.meant is None else found).append(taken == one.meant if one.meant else taken is not None)
    return float(np.mean(found)), float(np.mean(absent))


def nearest(half: tuple[list[Asked], list[list[float]], list[str | None]]) -> tuple[np.ndarray, np.ndarray]:
    """The cosine of the nearest relation where no stage before found one, and whether it is the one that is meant."""
    asked, cosines, before = half
    left = [(one, near) for one, near, earlier in zip(asked, cosines, before, strict=True) if earlier is None]
    return (
        np.array([max(near) for _, near in left]),
        np.array([one.own[int(np.argmax(near))] == one.meant for one, near in left]),
    )


def fitted(cosines: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Slope and shift of a logistic regression, by Newton's method."""
    columns, weights = np.stack([cosines, np.ones_like(cosines)], axis=1), np.zeros(2)
    for _ in range(50):
        said = 1 / (1 + np.exp(-columns @ weights))
        curvature = (columns * (said * (1 - said))[:, None]).T @ columns + 1e-6 * np.eye(2)
        weights += np.linalg.solve(curvature, columns.T @ (right - said))
    return weights


def main() -> None:
    """Choose, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    data, rng = subjects(arguments.data), random.Random(9)
    listed, embeddings = phrases(arguments.data), RelationEmbeddings()
    halves = []
    for test in (False, True):
        asked = questions([one for one in listed if held_out(one[0]) == test], data, rng)
        cosines = [embeddings.cosines(one.phrase, one.own) for one in asked]
        before = [resolve_relation(Own(one.own), Named(0, "x"), one.phrase).named for one in asked]
        halves.append((asked, cosines, [named and named.name for named in before]))
    grid = [(t, m) for t in np.arange(0.3, 1.0, 0.01) for m in (0.0, 0.02, 0.05, 0.1)]
    chosen = max(
        (setting for setting in grid if rates(*halves[0], *setting)[1] <= MOST_ABSENT),
        key=lambda setting: (rates(*halves[0], *setting)[0], setting[0]),
    )
    print(f"{len(listed)} phrases; chosen on the tuning half: threshold {chosen[0]:.2f}, margin {chosen[1]:.2f}")
    for what, half in zip(("tuning", "test"), halves, strict=True):
        for how, setting in (("synonyms and spelling alone", (9.0, 0.0)), ("then embeddings", chosen)):
            found, absent = rates(*half, *setting)
            print(f"{what} half, {len(half[0]):,} questions, {how}: {found:.3f} found, {absent:.3f} of absent answered")
    slope, shift = fitted(*nearest(halves[0]))
    print(f"score fitted on the tuning half: slope {slope:.2f}, shift {shift:.2f}")
    for what, half in zip(("tuning", "test"), halves, strict=True):
        near, right = nearest(half)
        said = 1 / (1 + np.exp(-(slope * near + shift)))
        for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.75), (0.75, 0.9), (0.9, 1.0)):
            within = (said >= low) & (said < high)
            print(f"{what} half, score {said[within].mean():.2f}: {right[within].mean():.2f} of {within.sum()} right")


if __name__ == "__main__":
    main()
