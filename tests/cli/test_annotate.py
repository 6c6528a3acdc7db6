from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from lamlam.cli.annotate import annotate, correct
from lamlam.errors import LamlamError
from lamlam.text import render
from lamlam.text.files import read_documents

ROWS = [
    {"title": "Ada", "text": "Ada was born in 1815."},
    {"title": "Bea", "text": ""},
    {"id": "3", "text": "Ada said <|db_end|> and [dblookup( in 1815."},
]


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(annotate)
    app.command()(correct)

    def invoke(*arguments: object):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "facts.csv").write_text("entity,relation,value\nAda,Born,1815\n")
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_raw_text_becomes_documents_and_bad_calls_go(tmp_path, run, raw):
    out, facts = tmp_path / "documents.parquet", tmp_path / "facts.csv"
    result = run("annotate", raw, out, "--with", "align", "--facts", facts)
    assert result.exit_code == 0, result.output
    assert "3 documents, 2 of them with calls" in result.output
    assert "2 calls in all" in result.output
    documents = list(read_documents(out))
    assert [document.text for document in documents] == [row["text"] for row in ROWS]
    assert render(documents[0]) == "Ada was born in [dblookup('Ada', 'Born') -> 1815] 1815."

    result = run("annotate", raw, out, "--with", "align", "--facts", facts, "--json")
    counts = {"documents": 3, "annotated": 2, "calls": 2}
    assert json.loads(result.output) == {
        "in": str(raw),
        "out": str(out),
        "with": ["align"],
        **counts,
    }

    result = run("correct", out, tmp_path / "corrected.jsonl")
    assert result.exit_code == 0, result.output
    assert "3 documents, 2 calls kept" in result.output
    assert "0 calls dropped" in result.output
    assert list(read_documents(tmp_path / "corrected.jsonl")) == documents


def test_what_is_dropped_is_shown_by_reason(tmp_path, run):
    written = "1815: Ada, [dblookup('Ada', 'Born') -> 1815] 1815"
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "d", "text": written, "form": "written"}) + "\n")
    result = run("correct", tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert "1: the text says the value before the call" in result.output
    assert "d: [dblookup('Ada', 'Born') -> 1815]" in result.output
    result = run("correct", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--json")
    reason = "the text says the value before the call"
    assert json.loads(result.output) == {
        "in": str(tmp_path / "in.jsonl"),
        "out": str(tmp_path / "out.jsonl"),
        "documents": 1,
        "left_out": 0,
        "kept": 0,
        "dropped": {reason: 1},
        "examples": {reason: ["d: [dblookup('Ada', 'Born') -> 1815]"]},
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--with", "llm"], "--with llm needs --endpoint URL and --llm NAME"),
        (["--with", "model"], "--with model needs --model: a folder that `lamlam train-annotator` wrote"),
        (["--with", "model", "--model", "nowhere"], "nowhere: no annotator that `lamlam train-annotator` wrote"),
        (["--with", "patterns", "--rules", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--with", "align"], "--with align needs --facts"),
        (["--with", "align", "--facts", "nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(tmp_path, run, raw, options, message):
    result = run("annotate", raw, tmp_path / "out.parquet", *options)
    assert isinstance(result.exception, LamlamError)
    assert message in str(result.exception)
    assert not (tmp_path / "out.parquet").exists()


def test_bad_input_leaves_nothing(tmp_path, run, raw):
    raw.write_text('{"text": "Ada, 1815"}\n{"text"\n')
    before = sorted(tmp_path.iterdir())
    for command in (["annotate", "--with", "align", "--facts", tmp_path / "facts.csv"], ["correct"]):
        result = run(*command, raw, tmp_path / "out.parquet")
        assert "raw.jsonl, line 2" in str(result.exception)
        result = run(*command, raw, tmp_path / "out.json")
        assert "give OUT that ending" in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["annotate", "correct"])
def test_help_shows_an_example(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: `lamlam {command}" in " ".join(result.output.split())
