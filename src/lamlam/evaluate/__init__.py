"""Measuring models: every figure with its definition, its base, its split, its policy and its seed."""

from lamlam.evaluate.benchmarks import Benchmark, oracle_facts, pararel, read_benchmark
from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.evaluate.completion import Answer, CompletionResult, complete, measure_completion
from lamlam.evaluate.consistency import measure_consistency
from lamlam.evaluate.oracle import temporary_base
from lamlam.evaluate.own_calls import with_own_calls
from lamlam.evaluate.perplexity import Dynamic, Perplexity, PerplexityResult, measure_perplexity, perplexities
from lamlam.evaluate.questions import AnyQuestion, Question, read_questions
from lamlam.evaluate.report import by_task, cell, metric_names, write_report
from lamlam.evaluate.scoring import Windowing, token_nlls, windowing
from lamlam.evaluate.task import Definition, Metric, Result, read_results, write_result

__all__ = [
    "Answer",
    "AnyQuestion",
    "Benchmark",
    "CompletionResult",
    "Definition",
    "Dynamic",
    "Interval",
    "Metric",
    "Perplexity",
    "PerplexityResult",
    "Question",
    "Result",
    "Windowing",
    "by_task",
    "cell",
    "complete",
    "measure_completion",
    "measure_consistency",
    "measure_perplexity",
    "metric_names",
    "oracle_facts",
    "pararel",
    "perplexities",
    "ratio_interval",
    "read_benchmark",
    "read_questions",
    "read_results",
    "temporary_base",
    "token_nlls",
    "windowing",
    "with_own_calls",
    "write_report",
    "write_result",
]
