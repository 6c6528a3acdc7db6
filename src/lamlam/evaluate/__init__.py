"""Measuring models: what they complete, how well they predict text, each figure with what it was made with."""

from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.evaluate.completion import (
    Answer,
    AnyQuestion,
    CompletionResult,
    Question,
    RelationScore,
    complete,
    is_right,
)

__all__ = [
    "Answer",
    "AnyQuestion",
    "CompletionResult",
    "Interval",
    "Question",
    "RelationScore",
    "complete",
    "is_right",
    "ratio_interval",
]
