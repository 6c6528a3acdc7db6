"""Measuring models: every figure with its definition, its base, its split, its policy and its seed.

Suites (`lamlam.evaluate.suite`) and speed are modules of their own, so that measuring needs no more than it uses.
"""

from lamlam.evaluate.audit import audit
from lamlam.evaluate.benchmarks import Benchmark, oracle_facts, pararel, read_benchmark
from lamlam.evaluate.biography import biographies, measure_biographies, read_names, read_table
from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.evaluate.completion import Answer, CompletionResult, complete, measure_completion
from lamlam.evaluate.consistency import measure_consistency
from lamlam.evaluate.editing import Edit, edit_base, edit_weights, read_edits
from lamlam.evaluate.finetune import Tuning, finetuned, unlearned
from lamlam.evaluate.infusion import infuse, read_infusion, small_models
from lamlam.evaluate.judge import Judge, factscore
from lamlam.evaluate.memory import measure_memory, tuned_on
from lamlam.evaluate.oracle import temporary_base
from lamlam.evaluate.own_calls import with_own_calls
from lamlam.evaluate.perplexity import Dynamic, Perplexity, PerplexityResult, measure_perplexity, perplexities
from lamlam.evaluate.probability import answer_scores
from lamlam.evaluate.questions import AnyQuestion, Question, read_questions
from lamlam.evaluate.report import by_task, cell, metric_names, write_report
from lamlam.evaluate.scoring import Windowing, token_nlls, windowing
from lamlam.evaluate.speed import speed_result
from lamlam.evaluate.task import Definition, Metric, Result, read_results, write_result
from lamlam.evaluate.tofu import read_tofu
from lamlam.evaluate.unlearning import unlearn_base, unlearn_weights

__all__ = [
    "Answer",
    "AnyQuestion",
    "Benchmark",
    "CompletionResult",
    "Definition",
    "Dynamic",
    "Edit",
    "Interval",
    "Judge",
    "Metric",
    "Perplexity",
    "PerplexityResult",
    "Question",
    "Result",
    "Tuning",
    "Windowing",
    "answer_scores",
    "audit",
    "biographies",
    "by_task",
    "cell",
    "complete",
    "edit_base",
    "edit_weights",
    "factscore",
    "finetuned",
    "infuse",
    "measure_biographies",
    "measure_completion",
    "measure_consistency",
    "measure_memory",
    "measure_perplexity",
    "metric_names",
    "oracle_facts",
    "pararel",
    "perplexities",
    "ratio_interval",
    "read_benchmark",
    "read_edits",
    "read_infusion",
    "read_names",
    "read_questions",
    "read_results",
    "read_table",
    "read_tofu",
    "small_models",
    "speed_result",
    "temporary_base",
    "token_nlls",
    "tuned_on",
    "unlearn_base",
    "unlearn_weights",
    "unlearned",
    "windowing",
    "with_own_calls",
    "write_report",
    "write_result",
]
