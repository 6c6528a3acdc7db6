"""Which documents to train on: difference sampling by a larger and a smaller model."""

from lamlam.select.choose import above_threshold, sampled, top_share
from lamlam.select.score import Scores, score_documents
from lamlam.select.write import copies_in_rounds, write_selection

__all__ = [
    "Scores",
    "above_threshold",
    "copies_in_rounds",
    "sampled",
    "score_documents",
    "top_share",
    "write_selection",
]
