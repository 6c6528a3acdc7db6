"""The public completion benchmarks as questions: LAMA T-REx, ParaRel, PopQA, EntityQuestions.

All are asked as statements cut off before the value, which is what a model of this kind reads in training. Every
question names its subject and its relation (Wikidata's label), so that an *oracle* base can be made of the benchmark
itself. Rows that cannot be asked that way are counted in `Benchmark.skipped`, by reason.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from lamlam.errors import LamlamError
from lamlam.evaluate.questions import Question, read_questions, read_rows
from lamlam.kb import Fact

RELATIONS: Mapping[str, str] = {
    "P17": "country", "P19": "place of birth", "P20": "place of death", "P26": "spouse",
    "P27": "country of citizenship", "P30": "continent",
    "P31": "instance of", "P36": "capital", "P37": "official language", "P39": "position held",
    "P40": "child", "P47": "shares border with", "P50": "author", "P69": "educated at", "P101": "field of work",
    "P103": "native language", "P106": "occupation", "P108": "employer", "P112": "founded by", "P127": "owned by",
    "P131": "located in", "P136": "genre", "P138": "named after", "P140": "religion", "P159": "headquarters location",
    "P170": "creator", "P175": "performer", "P176": "manufacturer", "P178": "developer", "P190": "twin town",
    "P264": "record label", "P276": "location", "P279": "subclass of", "P361": "part of", "P364": "original language",
    "P407": "language", "P413": "position played", "P449": "original network", "P463": "member of",
    "P495": "country of origin", "P527": "has part", "P530": "diplomatic relation", "P740": "location of formation",
    "P800": "notable work", "P937": "work location", "P1001": "applies to jurisdiction", "P1303": "instrument",
    "P1376": "capital of", "P1412": "languages spoken",
}  # fmt: skip
"""Wikidata's properties that the benchmarks use, with their labels (shortened where Wikidata's is a definition)."""

_ENTITY_QUESTIONS: Mapping[str, tuple[str, str]] = {
    "P17": ("Which country is (.+) located in", "{S} is located in the country of"),
    "P19": ("Where was (.+) born", "{S} was born in"),
    "P20": ("Where did (.+) die", "{S} died in"),
    "P26": ("Who is (.+) married to", "{S} is married to"),
    "P36": ("What is the capital of (.+)", "The capital of {S} is"),
    "P40": ("Who is (.+)'s child", "{S} is the parent of"),
    "P50": ("Who is the author of (.+)", "{S} was written by"),
    "P69": ("Where was (.+) educated", "{S} was educated at"),
    "P106": ("What kind of work does (.+) do", "{S} works as a"),
    "P112": ("Who founded (.+)", "{S} was founded by"),
    "P127": ("Who owns (.+)", "{S} is owned by"),
    "P131": ("Where is (.+) located", "{S} is located in"),
    "P136": ("What type of music does (.+) play", "The genre of {S} is"),
    "P159": ("Where is the headquarter of (.+)", "{S} is headquartered in"),
    "P170": ("Who was (.+) created by", "{S} was created by"),
    "P175": ("Who performed (.+)", "{S} was performed by"),
    "P176": ("Which company is (.+) produced by", "{S} is produced by"),
    "P264": ("What music label is (.+) represented by", "{S} is signed to the record label"),
    "P276": ("Where is (.+) located", "{S} is located in"),
    "P407": ("Which language was (.+) written in", "{S} was written in"),
    "P413": ("What position does (.+) play", "{S} plays in the position of"),
    "P495": ("Which country was (.+) created in", "{S} was created in the country of"),
    "P740": ("Where was (.+) founded", "{S} was founded in"),
    "P800": ("What is (.+) famous for", "{S} is famous for"),
}
"""The question's form, and the statement it becomes."""

_POPQA: Mapping[str, str] = {
    "author": "{S} was written by",
    "capital": "The capital of {S} is",
    "capital of": "{S} is the capital of",
    "color": "The color of {S} is",
    "composer": "The music of {S} was composed by",
    "country": "{S} is located in the country of",
    "director": "{S} was directed by",
    "father": "The father of {S} is",
    "genre": "The genre of {S} is",
    "mother": "The mother of {S} is",
    "occupation": "{S} works as a",
    "place of birth": "{S} was born in",
    "producer": "{S} was produced by",
    "religion": "The religion of {S} is",
    "screenwriter": "The screenplay of {S} was written by",
    "sport": "The sport that {S} plays is",
}

_POPULARITY = ((100, "under 100"), (1_000, "100 to 1,000"), (10_000, "1,000 to 10,000"))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Some questions, how their prompts were made, and how many rows could not be asked, by reason."""

    name: str
    prompt: str
    questions: list[Question]
    skipped: Counter[str] = field(default_factory=Counter)

    def facts(self) -> list[Fact]:
        """What an oracle base holds: the benchmark's own answers, nothing else."""
        return [
            Fact(question.entity, question.relation, question.value, source=self.name)
            for question in self.questions
            if question.entity and question.relation
        ]


def read_benchmark(path: Path, limit: int | None = None, seed: int = 0) -> Benchmark:
    """Questions from a file of ours, or of a public benchmark, told by its columns. `limit`: so many, drawn by `seed`.

    A file of ours keeps its order. LamlamError where the file is missing or broken, or a row has no answer.
    """
    columns = _columns(path)
    if {"masked_sentence", "obj_surface"} <= columns or {"evidences", "sub_label"} <= columns:
        name, prompt, maker = "LAMA T-REx", "the masked sentence up to the mask", _trex
    elif {"s_pop", "prop"} <= columns:
        name, prompt, maker = "PopQA", "a statement for each of its 16 relations", _popqa
    elif {"question", "answers", "predicate_id"} <= columns:
        name, prompt, maker = "EntityQuestions", "a statement for each of its 24 relations", _entity_question
    else:
        return Benchmark(path.stem, "as in the file", read_questions(path, limit))
    needed = {"PopQA": ("subj", "prop", "obj"), "EntityQuestions": ("question", "answers")}.get(name, ("sub_label",))
    rows = list(read_rows(path, needed))
    Random(f"{name} {seed}").shuffle(rows)
    found = Benchmark(name, prompt, [])
    for where, row in rows:
        if limit is not None and len(found.questions) == limit:
            break
        made = maker(row, where)
        if isinstance(made, str):
            found.skipped[made] += 1
        else:
            found.questions.append(made)
    if not found.questions:
        raise LamlamError(f"{path}: no row of it can be asked ({dict(found.skipped)})")
    return found


def _columns(path: Path) -> set[str]:
    """The names of a file's columns, from its first row."""
    return {name for _, row in islice(read_rows(path, ()), 1) for name in row} if path.suffix != ".csv" else set()


def _trex(row: Mapping[str, Any], where: str) -> Question | str:
    evidences = [row] if "masked_sentence" in row else row.get("evidences") or []
    for evidence in evidences:
        if not evidence.get("obj_surface"):
            raise LamlamError(f"{where}: an evidence without its answer (obj_surface); mend or drop the row")
        before, mask, _ = evidence["masked_sentence"].partition("[MASK]")
        names = {row["sub_label"], evidence.get("sub_surface") or row["sub_label"]}
        if mask and any(name in before for name in names):
            answers = (row["obj_label"],) if row.get("obj_label") else ()
            relation = RELATIONS.get(row["predicate_id"], row["predicate_id"])
            value = evidence["obj_surface"]
            return Question(before.rstrip(), value, row["sub_label"], relation, answers, f"{relation}")
    return "no sentence names the subject before the mask"


def _popqa(row: Mapping[str, Any], where: str) -> Question | str:
    if row["prop"] not in _POPQA:
        return f"no statement for {row['prop']!r}"
    answers = row.get("possible_answers") or "[]"
    try:
        others = tuple(json.loads(answers) if isinstance(answers, str) else answers)
    except ValueError as error:
        raise LamlamError(f"{where}: possible_answers is no JSON list ({error}); mend or drop the row") from error
    popularity = int(row["s_pop"])
    group = next((name for most, name in _POPULARITY if popularity < most), "10,000 and more")
    prompt = _POPQA[row["prop"]].format(S=row["subj"])
    return Question(prompt, row["obj"], row["subj"], row["prop"], others, group)


def _entity_question(row: Mapping[str, Any], where: str) -> Question | str:
    answers = [answer for answer in row["answers"] if answer.strip()]
    if not answers:
        raise LamlamError(f"{where}: a question without an answer; mend or drop the row")
    question, statement = _ENTITY_QUESTIONS.get(row["predicate_id"], ("", ""))
    named = re.fullmatch(rf"{question}\?*", row["question"].strip()) if question else None
    if named is None:
        return f"no statement for {row['predicate_id']}"
    relation = RELATIONS[row["predicate_id"]]
    prompt = statement.format(S=named[1])
    return Question(prompt, answers[0], named[1], relation, tuple(answers[1:]), relation)


def read_patterns(path: Path) -> dict[str, list[str]]:
    """ParaRel's patterns by relation: those that end in the object, so that the rest can be a prompt."""
    patterns: dict[str, list[str]] = {}
    for _, row in read_rows(path, ("predicate_id", "pattern")):
        before, _, after = row["pattern"].partition("[Y]")
        if "[X]" in before and not after.strip(" .") and not before.rstrip().endswith((" a", " an")):
            patterns.setdefault(row["predicate_id"], []).append(before.strip())
    if not patterns:
        raise LamlamError(f"{path}: no pattern in it has [X] before and [Y] at its end")
    return patterns


def pararel(facts: Path, patterns: Path, limit: int | None = None, seed: int = 0) -> list[list[Question]]:
    """T-REx's facts, each asked in every pattern of its relation, at least two; `limit` facts, drawn by `seed`."""
    known = read_patterns(patterns)
    rows = [row for _, row in read_rows(facts, ("predicate_id", "sub_label", "obj_label"))]
    Random(f"ParaRel {seed}").shuffle(rows)
    asked = [
        [
            Question(
                pattern.replace("[X]", row["sub_label"]), row["obj_label"], row["sub_label"],
                RELATIONS.get(row["predicate_id"], row["predicate_id"]),
            )
            for pattern in known[row["predicate_id"]]
        ]
        for row in rows
        if len(known.get(row["predicate_id"], ())) > 1
    ]  # fmt: skip
    if not asked:
        raise LamlamError(f"{patterns}: its relations are none of those in {facts}")
    return asked[:limit]


def oracle_facts(paraphrases: Iterable[Iterable[Question]]) -> list[Fact]:
    """The facts of questions in paraphrases, once each."""
    keys = {(q.entity, q.relation, q.value) for questions in paraphrases for q in questions}
    return [Fact(e, r, v, source="ParaRel") for e, r, v in sorted(keys, key=str) if e and r]
