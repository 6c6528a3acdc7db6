"""The knowledge base: facts with provenance, found by name, changed with a history, forgotten for good."""

from lamlam.kb.base import KnowledgeBase
from lamlam.kb.fact import Added, Candidate, Change, Fact, Forgotten, Match, OtherName, Resolution, Snapshot

__all__ = [
    "Added",
    "Candidate",
    "Change",
    "Fact",
    "Forgotten",
    "KnowledgeBase",
    "Match",
    "OtherName",
    "Resolution",
    "Snapshot",
]
