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
from lamlam.evaluate.perplexity import Perplexity, PerplexityResult, perplexities
from lamlam.evaluate.questions import read_questions
from lamlam.evaluate.scoring import Windowing, token_nlls, windowing

__all__ = [
    "Answer",
    "AnyQuestion",
    "CompletionResult",
    "Interval",
    "Perplexity",
    "PerplexityResult",
    "Question",
    "RelationScore",
    "Windowing",
    "complete",
    "is_right",
    "perplexities",
    "ratio_interval",
    "read_questions",
    "token_nlls",
    "windowing",
]
