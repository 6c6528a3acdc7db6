"""What becomes of a query, most of all where nothing matches: `abstain`, `unknown`, `nearest`, `retry`, or your own.

A policy is a function of what was asked and of what the base said: it gives a fact to put in, a word to put in, a
`Retry`, or None, and then the call is taken back and not made again in this generation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, cast

from lamlam.errors import LamlamError
from lamlam.generate.row import Asked, Retry, Verdict
from lamlam.kb import Candidate, Fact, Match

UNKNOWN = "unknown"
"""What the policy `unknown` puts in where the base has no match (paper, "Inference")."""

RETRIES = 2
"""How many other queries the policy `retry` lets a call write."""

Policy = Callable[[Asked, Match | None], Verdict]
PolicyName = Literal["abstain", "unknown", "nearest", "retry"]


def abstain(asked: Asked, match: Match | None) -> Verdict:
    """Without a match, take the call back: the text goes on without it."""
    return match


def unknown(asked: Asked, match: Match | None) -> Verdict:
    """Without a match, put in the word "unknown"."""
    return match or UNKNOWN


def retry(times: int = RETRIES) -> Policy:
    """Without a match, have another query written, `times` at most, then abstain: first for another relation of the
    entity, then for another entity, in turns."""
    if times < 1:
        raise LamlamError(f"retry {times} times is not a policy: give 1 or more, or use abstain")

    def again(asked: Asked, match: Match | None) -> Verdict:
        if match is not None or asked.tries >= times:
            return match
        return Retry(entity=asked.tries % 2 == 1)

    return again


class NearBase(Protocol):
    """What the policy `nearest` needs of a base beyond lookups."""

    def candidates(self, entity: str, limit: int = 10) -> list[Candidate]:
        """The entities nearest to a name, best first, those too far to be taken included."""

    def facts(self, entity: str) -> list[Match]:
        """All facts of an entity."""


def nearest(base: NearBase) -> Policy:
    """Without a match, put in the fact of the nearest entity whose relation is the nearest, however far (the peer's
    way: its answers are often wrong, and its score says how far). A base that knows no name like it abstains."""
    from lamlam.kb.similarity import relation_score  # here: it loads rapidfuzz

    def near(asked: Asked, match: Match | None) -> Verdict:
        if match is not None:
            return match
        for candidate in base.candidates(asked.entity, 1):
            scored = [
                (relation_score(asked.relation, one.fact.relation), one.fact) for one in base.facts(candidate.name)
            ]
            if scored:
                score, fact = max(scored, key=_score_of)
                return Match(fact, round(candidate.score * score, 4), "nearest entity, nearest relation")
        return None

    return near


def named_policy(policy: PolicyName | Policy, base: object) -> Policy:
    """The policy of a name, for a base; a function is its own. LamlamError for what is neither."""
    if callable(policy):
        return policy
    if policy == "nearest":
        if not (hasattr(base, "candidates") and hasattr(base, "facts")):
            raise LamlamError("the policy nearest needs a base that tells its nearest names, such as a KnowledgeBase")
        return nearest(cast(NearBase, base))
    policies: dict[str, Policy] = {"abstain": abstain, "unknown": unknown, "retry": retry()}
    if policy not in policies:
        raise LamlamError(f"no policy {policy!r}: choose {', '.join(policies)}, nearest, or give a function")
    return policies[policy]


def _score_of(scored: tuple[float, Fact]) -> float:
    return scored[0]
