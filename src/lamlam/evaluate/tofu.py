"""TOFU's files, and its two figures for one model (Maini et al. 2024): truth ratios, and model utility.

The *truth ratio* of a question is the mean over wrong answers of p(wrong)^(1/tokens), divided by the same of the right
answer in other words: small where the model knows, about 1 where it does not. *Forget quality* is the p-value of a
two-sample Kolmogorov-Smirnov test between the truth ratios, on the forget set, of the unlearned model and of one that
never saw that set. *Utility* is the harmonic mean of nine numbers: probability, ROUGE-L recall, and max(0, 1 − truth
ratio), each on the retain set, on real authors, and on world facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from lamlam.errors import LamlamError
from lamlam.evaluate.probability import answer_scores
from lamlam.evaluate.questions import read_rows
from lamlam.generate import LookupModel
from lamlam.text import Document

Split = Literal["01", "05", "10"]
"""How many in a hundred authors are to be forgotten."""

_RETAIN = {"01": "retain99", "05": "retain95", "10": "retain90"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer, the answer in other words (or itself), and wrong ones."""

    question: str
    answer: str
    paraphrase: str
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tofu:
    """One split: the documents to tune on (question and answer, their ids the rows of `full`), and the four sets."""

    split: Split
    forget_documents: list[Document]
    retain_documents: list[Document]
    forget: list[Asked]
    utility: Mapping[str, list[Asked]] = field(default_factory=dict)


def read_tofu(
    folder: Path, split: Split, documents: Sequence[Document] | None = None, limit: int | None = None, seed: int = 0
) -> Tofu:
    """TOFU's folder, Parquet or JSONL; `limit`: questions of each set that are scored, drawn by `seed`.

    `documents`: the rows of `full` with their calls, each document's text the question, a space and the answer.
    LamlamError where a file or an answer is missing, or the documents are not those of the rows.
    """
    if not folder.is_dir():
        raise LamlamError(f"{folder}: no such folder; give TOFU's")
    full = [(row["question"], row["answer"]) for _, row in read_rows(_file(folder, "full"), ("question", "answer"))]
    retained = {
        (row["question"], row["answer"]) for _, row in read_rows(_file(folder, _RETAIN[split]), ("question", "answer"))
    }
    plain = [Document(str(number), f"{question.rstrip()} {answer}") for number, (question, answer) in enumerate(full)]
    if documents is not None:
        plain = _marked(plain, documents)
    forget_documents = [document for pair, document in zip(full, plain, strict=True) if pair not in retained]
    retain_documents = [document for pair, document in zip(full, plain, strict=True) if pair in retained]
    if not forget_documents or not retain_documents:
        raise LamlamError(f"{folder}: full and {_RETAIN[split]} leave nothing to forget, or nothing to keep")

    def asked(name: str) -> list[Asked]:
        rows = [_asked(row, where) for where, row in read_rows(_file(folder, name), ("question", "answer"))]
        return Random(f"tofu {seed}").sample(rows, limit) if limit is not None and limit < len(rows) else rows

    utility = {
        "retain": asked("retain_perturbed"),
        "real authors": asked("real_authors_perturbed"),
        "world facts": asked("world_facts_perturbed"),
    }
    return Tofu(split, forget_documents, retain_documents, asked(f"forget{split}_perturbed"), utility)


def truth_ratios(lm: LookupModel, questions: Sequence[Asked]) -> list[float]:
    """The truth ratio of each question; an answer that cannot be has ratio infinity."""
    return [_ratio(wrong, right) for right, wrong in _probabilities(lm, questions)]


@dataclass(frozen=True, slots=True)
class Utility:
    """`value` is the harmonic mean of `parts`, by set and measure."""

    value: float
    parts: Mapping[str, float]


def utility(lm: LookupModel, tofu: Tofu) -> Utility:
    """The nine numbers, and their harmonic mean: 0 where one of them is."""
    parts: dict[str, float] = {}
    for name, questions in tofu.utility.items():
        scored = _probabilities(lm, questions)
        if name == "retain":
            own = answer_scores(lm, [(one.question, one.answer) for one in questions])
            parts[f"{name}: probability"] = _mean([score.probability for score in own])
        else:
            parts[f"{name}: probability"] = _mean([right / (right + sum(wrong) or 1.0) for right, wrong in scored])
        parts[f"{name}: ROUGE-L recall"] = _mean(_rouge(lm, questions))
        parts[f"{name}: truth"] = _mean([max(0.0, 1 - _ratio(wrong, right)) for right, wrong in scored])
    low = min(parts.values())
    return Utility(len(parts) / sum(1 / part for part in parts.values()) if low > 0 else 0.0, parts)


def forget_quality(ratios: Sequence[float], never_saw: Sequence[float]) -> tuple[float, float]:
    """The two-sample KS test's p-value, and its statistic: the greatest distance between the two distributions."""
    from scipy.stats import ks_2samp

    test = ks_2samp(ratios, never_saw)
    return float(test.pvalue), float(test.statistic)


def rouge_l_recall(said: str, wanted: str) -> float:
    """The longest common subsequence of words, case aside, as a share of the wanted words."""
    one, other = wanted.casefold().split(), said.casefold().split()
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for place, also in enumerate(other, start=1):
            above = row[place]
            row[place] = diagonal + 1 if word == also else max(above, row[place - 1])
            diagonal = above
    return row[-1] / len(one) if one else 0.0


def _probabilities(lm: LookupModel, questions: Sequence[Asked]) -> list[tuple[float, list[float]]]:
    """Per question p(right)^(1/tokens), the right answer in other words, and the same of each wrong one."""
    pairs = [(one.question, answer) for one in questions for answer in (one.paraphrase, *one.wrong)]
    scores = iter(answer_scores(lm, pairs))
    return [(next(scores).probability, [next(scores).probability for _ in one.wrong]) for one in questions]


def _ratio(wrong: Sequence[float], right: float) -> float:
    return _mean(wrong) / right if right > 0 else float("inf")


def _rouge(lm: LookupModel, questions: Sequence[Asked]) -> list[float]:
    longest = max(len(lm.tokenizer.encode_text(f" {one.answer}", first=False)) for one in questions)
    said = lm.generate([one.question for one in questions], max_new_tokens=min(longest, 96), max_lookups=8)
    found = []
    for one, generation in zip(questions, said, strict=True):
        # As many words as the answer has: a model that goes on talking is neither better nor worse for it.
        words = generation.text.split()[: len(one.answer.split())]
        found.append(rouge_l_recall(" ".join(words), one.answer))
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _file(folder: Path, name: str) -> Path:
    for suffix in (".parquet", ".jsonl"):
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise LamlamError(f"{folder}: no {name}.parquet or {name}.jsonl in it; TOFU's files have these names")


def _asked(row: Mapping[str, Any], where: str) -> Asked:
    wrong = row.get("perturbed_answer") or ()
    wrong = (wrong,) if isinstance(wrong, str) else tuple(wrong)
    if not row["answer"].strip() or not wrong:
        raise LamlamError(f"{where}: a question without an answer, or without perturbed ones; mend or drop the row")
    return Asked(row["question"], row["answer"], row.get("paraphrased_answer") or row["answer"], wrong)


def _marked(plain: Sequence[Document], documents: Sequence[Document]) -> list[Document]:
    by_id = {document.id: document for document in documents}
    found = []
    for document in plain:
        marked = by_id.get(document.id)
        if marked is None or marked.text != document.text:
            raise LamlamError(
                f"the documents with calls are not TOFU's: number {document.id} should read {document.text[:60]!r}; "
                "mark up the question, a space and the answer of each row of full, its number the id"
            )
        found.append(marked)
    return found
