from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from lamlam.cli.convert import convert
from lamlam.errors import LamlamError
from lamlam.text import Call, Document, Lookup
from lamlam.text.files import read_documents, write_documents

ADA = Document("ada", "born in 1815", (Call(8, Lookup("Ada", "Born", "1815"), (8, 12)),), {"title": "Ada"})
PEER = {
    "examples": [
        {"annotated_text": "born in [dblookup('Ada', 'Born') -> 1815] 1815", "text": "born in 1815"},
        {"annotated_text": "[dblookup('Ada') -> x] x [dblookup('O'Ada', 'Born') -> 1815] 1815", "text": "x 1816"},
    ]
}


@pytest.fixture
def run():
    import typer

    app = typer.Typer()
    app.command()(convert)

    def invoke(*arguments: object):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def test_forms_convert_into_one_another_and_back(tmp_path, run):
    write_documents([ADA], tmp_path / "0.parquet")
    steps = [
        ("dblookup", "1.jsonl"),
        ("tokens", "2.jsonl"),
        ("peer", "3.json"),
        ("documents", "4.jsonl"),
        ("documents", "5.parquet"),
    ]
    source = tmp_path / "0.parquet"
    for to, name in steps:
        result = run(source, tmp_path / name, "--to", to)
        assert result.exit_code == 0, result.output
        assert "1 documents with 1 calls" in result.output
        assert list(read_documents(tmp_path / name)) == [ADA]
        source = tmp_path / name
    assert (tmp_path / "5.parquet").read_bytes() == (tmp_path / "0.parquet").read_bytes()
    lines = [json.loads((tmp_path / name).read_text())["text"] for name in ("1.jsonl", "2.jsonl")]
    assert lines == [
        "born in [dblookup('Ada', 'Born') -> 1815] 1815",
        "born in <|db_entity|> Ada<|db_relationship|> Born<|db_return|> 1815<|db_end|> 1815",
    ]
    assert run(source, tmp_path / "plain.jsonl", "--to", "plain").exit_code == 0
    assert list(read_documents(tmp_path / "plain.jsonl")) == [Document("ada", ADA.text, (), ADA.meta)]


def test_the_peers_calls_are_counted_by_reason(tmp_path, run):
    (tmp_path / "peer.json").write_text(json.dumps(PEER))
    result = run(tmp_path / "peer.json", tmp_path / "d.parquet")
    assert result.exit_code == 0
    assert "2 documents with 2 calls" in result.output
    assert "of the peer's 3 calls, 2 parsed, 1 not" in result.output
    assert "1 left out: one argument, an entity without a relation" in result.output

    result = run(tmp_path / "peer.json", tmp_path / "d.jsonl", "--json")
    assert json.loads(result.output) == {
        "in": str(tmp_path / "peer.json"),
        "out": str(tmp_path / "d.jsonl"),
        "to": "documents",
        "documents": 2,
        "calls": 2,
        "peer": {
            "documents": 2,
            "calls": 3,
            "parsed": 2,
            "rejected": {"one argument, an entity without a relation": 1},
            "equal_to_source": 1,
            "verbatim_values": 2,
        },
    }


@pytest.mark.parametrize(("to", "name"), [("documents", "d.json"), ("tokens", "d.parquet"), ("peer", "d.jsonl")])
def test_the_ending_has_to_suit_the_form(tmp_path, run, to, name):
    write_documents([ADA], tmp_path / "0.parquet")
    result = run(tmp_path / "0.parquet", tmp_path / name, "--to", to)
    assert isinstance(result.exception, LamlamError)
    assert f"--to {to} writes" in str(result.exception)
    assert not (tmp_path / name).exists()


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, run):
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text"\n')
    result = run(tmp_path / "in.jsonl", tmp_path / "out.parquet")
    assert isinstance(result.exception, LamlamError)
    assert "in.jsonl, line 2" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_help_shows_an_example(run):
    result = run("--help")
    assert result.exit_code == 0
    assert "lamlam convert annotated.json documents.parquet" in " ".join(result.output.split())


def test_as_users_run_it(tmp_path, monkeypatch, capsys):
    from lamlam.cli import main

    monkeypatch.setattr(
        sys, "argv", ["lamlam", "convert", str(tmp_path / "missing.jsonl"), str(tmp_path / "o.parquet")]
    )
    with pytest.raises(SystemExit) as stop:
        main.main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "missing.jsonl: cannot be read: No such file or directory" in error
