"""The public benchmarks' rows as questions."""

import json

import pytest

from lamlam.errors import LamlamError
from lamlam.evaluate import Question, pararel, read_benchmark
from lamlam.evaluate.benchmarks import oracle_facts


def write(path, *rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


TREX = {
    "uuid": "1", "predicate_id": "P19", "sub_label": "Ada Lovelace", "obj_label": "London",
    "evidences": [
        {"masked_sentence": "In [MASK] Ada lived.", "obj_surface": "London", "sub_surface": "Ada"},
        {"masked_sentence": "Ada was born in [MASK] and", "obj_surface": "Greater London", "sub_surface": "Ada"},
    ],
}  # fmt: skip
POPQA = {
    "question": "Who was the director of Rope?", "subj": "Rope", "prop": "director", "obj": "Hitchcock",
    "s_pop": 150, "possible_answers": '["Hitchcock", "Alfred Hitchcock"]',
}  # fmt: skip
ENTITY = {"predicate_id": "P19", "question": "Where was Ada Lovelace born?", "answers": ["London", "Town"]}


def test_trex(tmp_path):
    hidden = {**TREX, "evidences": TREX["evidences"][:1]}
    found = read_benchmark(write(tmp_path / "t.jsonl", TREX, hidden))
    assert found.questions == [
        Question("Ada was born in", "Greater London", "Ada Lovelace", "place of birth", ("London",), "place of birth")
    ]
    assert dict(found.skipped) == {"no sentence names the subject before the mask": 1}
    assert [fact[:3] for fact in found.facts()] == [("Ada Lovelace", "place of birth", "Greater London")]


def test_popqa(tmp_path):
    found = read_benchmark(write(tmp_path / "p.jsonl", POPQA, {**POPQA, "prop": "taste"}))
    answers = ("Hitchcock", "Alfred Hitchcock")
    assert found.questions == [
        Question("Rope was directed by", "Hitchcock", "Rope", "director", answers, "100 to 1,000")
    ]
    assert dict(found.skipped) == {"no statement for 'taste'": 1}


def test_entity_questions(tmp_path):
    found = read_benchmark(write(tmp_path / "e.jsonl", ENTITY, {**ENTITY, "question": "Why?"}))
    assert found.questions == [
        Question("Ada Lovelace was born in", "London", "Ada Lovelace", "place of birth", ("Town",), "place of birth")
    ]
    assert dict(found.skipped) == {"no statement for P19": 1}


def test_limit_draws_by_seed(tmp_path):
    rows = [{**ENTITY, "question": f"Where was Person {number} born?"} for number in range(50)]
    path = write(tmp_path / "e.jsonl", *rows)
    first, again, other = (read_benchmark(path, 5, seed).questions for seed in (0, 0, 1))
    assert len(first) == 5
    assert first == again != other


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**TREX, "evidences": [{"masked_sentence": "Ada [MASK]", "obj_surface": ""}]}, "line 1: .*without its answer"),
        ({**POPQA, "obj": None}, "line 1: no obj"),
        ({**POPQA, "possible_answers": "["}, "line 1: possible_answers is no JSON"),
        ({**ENTITY, "answers": [" "]}, "line 1: a question without an answer"),
        ({**ENTITY, "predicate_id": "P0"}, "no row of it can be asked"),
    ],
)
def test_bad_rows(tmp_path, row, says):
    with pytest.raises(LamlamError, match=says):
        read_benchmark(write(tmp_path / "x.jsonl", row))


def test_pararel(tmp_path):
    patterns = write(
        tmp_path / "patterns.jsonl",
        *({"predicate_id": "P19", "pattern": p} for p in ("[X] was born in [Y] .", "[Y] bore [X].", "[X] is from [Y]")),
        {"predicate_id": "P20", "pattern": "[X] died in [Y]"},
    )
    other = {**TREX, "predicate_id": "P20"}
    [questions] = pararel(write(tmp_path / "t.jsonl", TREX, other), patterns)
    assert [question.prompt for question in questions] == ["Ada Lovelace was born in", "Ada Lovelace is from"]
    [fact] = oracle_facts([questions])
    assert (fact.entity, fact.relation, fact.value) == ("Ada Lovelace", "place of birth", "London")
    with pytest.raises(LamlamError, match="none of those in"):
        pararel(write(tmp_path / "t.jsonl", other), patterns)
    backwards = write(tmp_path / "backwards.jsonl", {"predicate_id": "P19", "pattern": "[Y] bore [X]."})
    with pytest.raises(LamlamError, match=r"no pattern in it has \[X\] before and \[Y\] at its end"):
        pararel(tmp_path / "t.jsonl", backwards)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "asked"), [("trex.parquet", 0.4), ("popqa.parquet", 1), ("entityquestions-dev.parquet", 1)]
)
def test_real_rows_can_be_asked(name, asked, shared_data):
    found = read_benchmark(shared_data / "eval" / name)
    total = len(found.questions) + sum(found.skipped.values())
    assert len(found.questions) >= asked * total, dict(found.skipped)


@pytest.mark.data
def test_real_paraphrases(shared_data):
    folder = shared_data / "eval"
    asked = pararel(folder / "trex.parquet", folder / "pararel-patterns.parquet", limit=500)
    assert len(asked) == 500
    assert all(len(questions) > 1 for questions in asked)
