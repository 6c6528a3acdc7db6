"""The demonstration's world as a suite: all of it runs on models of three steps, and what fails leaves the rest."""

from __future__ import annotations

import json
from itertools import chain

import pytest
import yaml

from lamlam.demo.experiment import KINDS, Demonstration, Scale
from lamlam.errors import LamlamError
from lamlam.evaluate import own_calls, read_questions
from lamlam.evaluate.suite import items, read_suite
from lamlam.generate import LookupModel
from lamlam.kb import KnowledgeBase
from lamlam.text.files import read_documents

SCALE = Scale(people=60, unseen=8, vocabulary=300, steps=3, batch=2, context=32, questions=6)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with two models and a suite about them, its slow parts made small."""
    folder = tmp_path_factory.mktemp("suite")
    demonstration = Demonstration(folder, SCALE)
    demonstration.prepare()
    for kind in KINDS:
        demonstration.train(kind, lambda *_: None)
    suite = yaml.safe_load((folder / "suite.yaml").read_text())
    suite |= {"infusion_sizes": ["1x32"], "infusion_repeats": [1, 2], "infusion_documents": 44}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    # Facts to be read a hundred times are what takes long.
    rows = [json.loads(line) for line in (folder / "eval" / "memory.jsonl").read_text().splitlines()]
    text = "\n".join(json.dumps({**row, "seen": number % 2}) for number, row in enumerate(rows))
    (folder / "eval" / "memory.jsonl").write_text(text)
    return folder


def test_the_held_out_documents_are_in_one_base_and_not_in_the_other(run):
    called = [call.lookup for document in read_documents(run / "eval" / "documents.parquet") for call in document.calls]
    people = {question.entity for question in read_questions(run / "eval" / "questions.jsonl")}
    own = [(lookup.entity, lookup.relation) for lookup in called if lookup.entity in people]
    assert own
    with (
        KnowledgeBase.open(run / "eval" / "facts.db") as full,
        KnowledgeBase.open(run / "eval" / "without.db") as without,
    ):
        assert [match.fact.value for match in full.lookup_many(own)] == [
            lookup.value for lookup in called if lookup.entity in people
        ]
        assert not any(match.score == 1 for match in without.lookup_many(own) if match)


SLOW = {"audit", "unlearning"}
"""Where untrained models, which ask without end, take long; each has its own tests with models that do not."""


@pytest.mark.parametrize("which", ["quick", pytest.param("all", marks=pytest.mark.slow)])
def test_every_measurement_runs(run, which, monkeypatch):
    monkeypatch.setattr(own_calls, "_MOST_CALLS", 2)
    monkeypatch.setattr(own_calls, "_MOST_QUERY_TOKENS", 8)
    every = items(read_suite(run), lambda path: LookupModel.from_pretrained(path, None, "cpu"), 1)
    chosen = [item for item in every if which == "all" or item.name.partition(",")[0] not in SLOW]
    results = list(chain.from_iterable(item.results() for item in chosen))
    tasks = {result.definition.task for result in results}
    quick = {"perplexity", "completion", "biography", "memory", "editing", "infusion"}
    assert tasks == quick | (SLOW if which == "all" else set())
    of_lmlm = [(result.definition.task, result.base) for result in results if result.model == "LmLm"]
    assert {("completion", base) for base in ("full", "oracle", "none")} <= set(of_lmlm)
    assert len({result.name for result in results}) == len(results)


def test_what_fails_is_told_and_the_rest_is_kept(run, tmp_path):
    from typer.testing import CliRunner

    from lamlam.cli.evaluate import app

    suite = yaml.safe_load((run / "suite.yaml").read_text())
    few = {key: suite[key] for key in ("version", "models", "base", "without", "documents", "context")}
    few["questions"] = "eval/missing.jsonl"
    few["models"] = {"Standard": suite["models"]["Standard"]}
    (run / "few.yaml").write_text(yaml.safe_dump(few))
    ran = CliRunner().invoke(
        app, ["all", str(run / "few.yaml"), "--limit", "4", "--out", str(tmp_path / "out"), "--json"]
    )
    assert ran.exit_code == 1
    made = json.loads(ran.stdout.splitlines()[-1])
    assert [result["definition"]["task"] for result in made["results"]] == ["perplexity"]
    [[name, why]] = made["failures"]
    assert (name, "missing.jsonl: no such file" in why) == ("completion, Standard", True)
    assert "missing.jsonl: no such file" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("- 1", "is not a suite"),
        ("version: 1\nmodels: {}\nbase: x\nwithout: y", "models: Dictionary should have at least 1"),
        ("models: {a: {path: x, kind: other}}\nbase: x\nwithout: y", "models.a.kind"),
        ("models: {a: {path: x, kind: lmlm}}\nbase: x\nwithout: y\nquestoins: z", "questoins: Extra inputs"),
    ],
)
def test_bad_suites(tmp_path, content, says):
    (tmp_path / "suite.yaml").write_text(content)
    with pytest.raises(LamlamError, match=says) as error:
        read_suite(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(LamlamError, match="no such file"):
        read_suite(tmp_path / "none.yaml")
