"""Editing single facts: whether an edit takes, holds in other words, and leaves everything else alone (CounterFact).

An LmLm is edited by `kb.set`, all edits together in one copy of the base; a Standard model by fine-tuning on the edit,
each alone, its weights put back after it.

- efficacy: the prompt is completed with the new value, strictly, of all edits, and of those whose old value was given
  before; paraphrase: so is the rephrased prompt;
- prefers the new value: it is likelier than the old one (the measure of the paper that made CounterFact);
- locality: what is said to a prompt about something else is, up to the end of its sentence, what was said before;
- fluency: the mean of the entropies of words taken by twos and by threes, in bits (Meng et al. 2022);
- seconds an edit.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lamlam.errors import LamlamError
from lamlam.evaluate.completion import first_calls
from lamlam.evaluate.finetune import Tuning, finetuned
from lamlam.evaluate.matching import first_answer, strict
from lamlam.evaluate.oracle import temporary_base
from lamlam.evaluate.probability import answer_scores
from lamlam.evaluate.questions import read_rows
from lamlam.evaluate.task import Definition, Example, Metric, Result, right_and_wrong, share
from lamlam.generate import LookupModel
from lamlam.kb import KnowledgeBase
from lamlam.text import Document

VERSION = 2

EDIT_STEPS = Tuning(epochs=20, lr=5e-4, batch=1)
"""Of the fine-tuning of one edit."""

_WORDS = 48
_ROOM = 6


@dataclass(frozen=True, slots=True)
class Edit:
    """A fact to be changed from `old` to `new`, and what is asked about it; `relation` None where that is not known."""

    prompt: str
    subject: str
    relation: str | None
    old: str
    new: str
    paraphrase: str
    elsewhere: str


def read_edits(path: Path, limit: int | None = None, seed: int = 0) -> list[Edit]:
    """CounterFact's rows, with `relation` where it is known; `limit` of them, drawn by `seed`.

    LamlamError where the file is missing or broken, or a row lacks one of the texts.
    """
    columns = ("prompt", "subject", "ground_truth", "target_new", "rephrase_prompt", "locality_prompt")
    edits = []
    for where, row in read_rows(path, columns):
        texts = [row[name] for name in columns]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise LamlamError(f"{where}: one of {', '.join(columns)} is empty or no text; mend or drop the edit")
        prompt, subject, old, new, paraphrase, elsewhere = texts
        edits.append(Edit(prompt, subject, row.get("relation"), old, new, paraphrase, elsewhere))
    if not edits:
        raise LamlamError(f"{path}: there are no edits in it")
    return Random(f"edits {seed}").sample(edits, min(limit or len(edits), len(edits)))


@dataclass(slots=True)
class _Measured:
    """One edit, as it came out."""

    edit: Edit
    known: bool
    took: bool
    rephrased: bool
    prefers: bool
    local: bool
    said: str
    fluency: float
    seconds: float
    key: str


def edit_base(
    lm: LookupModel,
    kb: KnowledgeBase,
    edits: Sequence[Edit],
    *,
    data: str,
    model: str,
    seed: int = 0,
    limit: int | None = None,
) -> Result:
    """Edit a copy of the base. An edit that names no relation is set at the key that the model asks for at its prompt;
    one at whose prompt it asks nothing cannot be made, and counts as not taken."""
    began = time.monotonic()
    with temporary_base(copy_of=kb) as base:
        edited = LookupModel(lm.model, lm.tokenizer, base)
        keys = _keys(edited, edits)
        before = _before(edited, edits)
        started = time.perf_counter()
        for edit, key in zip(edits, keys, strict=True):
            if key is not None:
                base.set(*key, edit.new, author="lamlam eval editing")
        each = (time.perf_counter() - started) / len(edits)
        measured = _measure(edited, edits, before, [str(key or "not asked, not edited") for key in keys], each)
    note = f"{sum(key is not None for key in keys):,} of {len(edits):,} edits had a key to be made at."
    return _result(measured, data, model, "full", "kb.set, all edits together", note, seed, limit, began)


def edit_weights(
    lm: LookupModel, edits: Sequence[Edit], *, data: str, model: str, seed: int = 0, limit: int | None = None
) -> Result:
    """Fine-tune a copy of the model on each edit alone."""
    began = time.monotonic()
    plain = LookupModel(lm.model, lm.tokenizer, None)
    before = _before(plain, edits)
    measured = []
    for edit, said in zip(edits, before, strict=True):
        started = time.perf_counter()
        document = Document("edit", f"{edit.prompt} {edit.new}.")
        changed = finetuned(plain, [document], "standard", EDIT_STEPS)
        each = time.perf_counter() - started
        measured += _measure(changed, [edit], [said], [""], each)
    note = f"{EDIT_STEPS.epochs} steps of AdamW at {EDIT_STEPS.lr} an edit."
    return _result(measured, data, model, "none", "fine-tuning, each edit alone", note, seed, limit, began)


def fluency(text: str) -> float:
    """The mean of the entropies, in bits, of the text's words by twos and by threes; 0 for a text of one word."""
    words = text.split()
    entropies = []
    for size in (2, 3):
        counts = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        total = sum(counts.values())
        entropies.append(-sum(n / total * math.log2(n / total) for n in counts.values()) if total else 0.0)
    return sum(entropies) / len(entropies)


def _keys(lm: LookupModel, edits: Sequence[Edit]) -> list[tuple[str, str] | None]:
    unnamed = [edit for edit in edits if edit.relation is None]
    texts = iter(lm.generate([edit.prompt for edit in unnamed], max_new_tokens=4, max_lookups=1) if unnamed else [])
    keys: list[tuple[str, str] | None] = []
    for edit in edits:
        if edit.relation is not None:
            keys.append((edit.subject, edit.relation))
        else:
            calls = first_calls(next(texts))
            usable = calls and calls[0].entity.strip() and calls[0].relation.strip()
            keys.append((calls[0].entity, calls[0].relation) if usable else None)
    return keys


def _room(lm: LookupModel, edits: Sequence[Edit]) -> int:
    return max(len(lm.tokenizer.encode_text(f" {v}", first=False)) for e in edits for v in (e.old, e.new)) + _ROOM


def _first_answers(lm: LookupModel, prompts: Sequence[str], edits: Sequence[Edit]) -> list[str]:
    return [first_answer(one.text) for one in lm.generate(prompts, max_new_tokens=_room(lm, edits), max_lookups=4)]


def _before(lm: LookupModel, edits: Sequence[Edit]) -> list[tuple[bool, str]]:
    """Whether each old value is given before the edits, and what is said elsewhere."""
    said = _first_answers(lm, [*(edit.prompt for edit in edits), *(edit.elsewhere for edit in edits)], edits)
    known = [strict(text, [edit.old]) for text, edit in zip(said, edits, strict=False)]
    return list(zip(known, said[len(edits) :], strict=True))


def _measure(
    lm: LookupModel, edits: Sequence[Edit], before: Sequence[tuple[bool, str]], keys: Sequence[str], seconds: float
) -> list[_Measured]:
    count = len(edits)
    prompts = [*(edit.prompt for edit in edits), *(edit.paraphrase for edit in edits)]
    texts = [one.text for one in lm.generate(prompts, max_new_tokens=_room(lm, edits), max_lookups=4)]
    longer = [one.text for one in lm.generate(prompts[:count], max_new_tokens=_WORDS, max_lookups=16)]
    after = _first_answers(lm, [edit.elsewhere for edit in edits], edits)
    scores = answer_scores(lm, [(edit.prompt, value) for edit in edits for value in (edit.new, edit.old)])
    return [
        _Measured(
            edit,
            before[i][0],
            strict(texts[i], [edit.new]),
            strict(texts[count + i], [edit.new]),
            scores[2 * i].probability > scores[2 * i + 1].probability,
            after[i] == before[i][1],
            texts[i],
            fluency(longer[i]),
            seconds,
            keys[i],
        )
        for i, edit in enumerate(edits)
    ]


def _result(
    measured: Sequence[_Measured], data: str, model: str, base: str, way: str, note: str, seed: int, limit: int | None,
    began: float,
) -> Result:  # fmt: skip
    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    known = [one.took for one in measured if one.known]
    return Result(
        Definition(
            "editing", VERSION, data, "edits, paraphrases, prompts about something else", "as in the file",
            "efficacy, paraphrase: completed with the new value, strictly; prefers: the new value is likelier; "
            "locality: the first sentence elsewhere is unchanged; fluency: entropy of pairs and triples of words, bits",
            way, seed, limit,
        ),
        model, base, "abstain",
        {
            "efficacy": share([one.took for one in measured], seed),
            **({"efficacy, of what was known": share(known, seed)} if known else {}),
            "paraphrase": share([one.rephrased for one in measured], seed),
            "prefers the new value": share([one.prefers for one in measured], seed),
            "locality": share([one.local for one in measured], seed),
            "fluency": Metric(mean([one.fluency for one in measured]), n=len(measured), unit="number"),
            "an edit takes": Metric(mean([one.seconds for one in measured]), n=len(measured), unit="seconds"),
        },
        time.monotonic() - began,
        examples=right_and_wrong((Example(m.took, m.edit.prompt, m.edit.new, m.said, m.key) for m in measured), seed),
        notes=[note],
    )  # fmt: skip
