"""What the judge is told of a call: its features (`call_features`, `stated_facts`); nothing where it is doubted."""

from __future__ import annotations

from collections.abc import Mapping

from lamlam.annotate.call_features import features_of
from lamlam.annotate.clause_doubts import doubt
from lamlam.annotate.clauses import say
from lamlam.annotate.coreference import Names
from lamlam.annotate.parse import Place
from lamlam.annotate.stated_facts import FACT, fact_doubt, features_of_fact
from lamlam.text import Lookup


def evidence(
    place: Place, lookup: Lookup, rule: str, names: Names, chance: float, words: Mapping[str, int]
) -> dict[str, float]:
    """The features of a call about the value at `place`; none where it shows a sign of being wrong.

    `chance` is the tagger's; `words` says how often examples use a word in the name of a relation.
    """
    why = fact_doubt(*place, lookup) if rule == FACT else doubt(*place, lookup, rule, names)
    if why is not None:
        return {}
    found = features_of(*place, lookup.entity, lookup.relation, rule, names, chance, words)
    if rule == FACT:
        found |= features_of_fact(*place, lookup, say(*place, names))
    return found
