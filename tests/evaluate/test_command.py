"""`lamlam eval` on a real checkpoint and a real base, and what it says of input that is no good."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from lamlam.cli.evaluate import app
from lamlam.errors import LamlamError
from lamlam.evaluate import Question, read_questions
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import new_model, save_model
from lamlam.text import Document, Lookup
from lamlam.text.files import write_documents

ROWS = [
    {"prompt": "Ada was born on", "value": "1815", "entity": "Ada", "relation": "Birth Date", "source": "mine"},
    {"prompt": "The engine is", "value": "analytical"},
]


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval")
    save_model(new_model("tiny", tokenizer), tokenizer, folder / "model")
    with KnowledgeBase.open(folder / "facts.db", create=True) as kb:
        kb.add([Fact("Ada", "Birth Date", "1815")])
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    call = (16, Lookup("Ada", "Birth Date", "1815"))
    documents = [Document.with_lookups("1", "Ada was born on 1815.", [call]), Document("2", "An engine.")]
    write_documents(documents, folder / "documents.parquet")
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_completion(folder):
    asked = ("completion", folder / "model", folder / "questions.jsonl")
    made = json.loads(run(*asked, "--kb", folder / "facts.db", "--policy", "unknown", "--json"))
    assert (made["questions"], made["policy"], made["base"]) == (2, "unknown", str(folder / "facts.db"))
    text = run(*asked, "--limit", 1)
    for part in ("of 1 completed", "base none", "first 1", "policy abstain", "seed 0"):
        assert part in text


def test_perplexity(folder):
    asked = ("perplexity", folder / "model", folder / "documents.parquet", "--context", 16)
    made = json.loads(run(*asked, "--json"))
    assert (made["documents"], made["calls"], made["context"], made["base"]) == (2, 1, 16, "gold calls")
    assert made["static"]["value"] < made["normalized"]["value"]
    assert made["standard"]["interval"][0] <= made["standard"]["value"] <= made["standard"]["interval"][1]
    text = run(*asked)
    for part in ("standard", "static", "normalized", "base gold calls", "policy none", "context 16, stride 8"):
        assert part in text


def test_questions_from_parquet_are_those_from_jsonl(folder, tmp_path):
    table = pyarrow.Table.from_pylist(ROWS)
    pyarrow.parquet.write_table(table, tmp_path / "questions.parquet")
    questions = read_questions(tmp_path / "questions.parquet")
    assert questions == read_questions(folder / "questions.jsonl")
    assert questions[1] == Question("The engine is", "analytical")
    assert read_questions(tmp_path / "questions.parquet", limit=1) == questions[:1]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("q.csv", b"", "unknown ending"),
        ("q.jsonl", b"", "no questions in it"),
        ("q.jsonl", b"\n[1]\n", "line 2: not an object"),
        ("q.jsonl", b"{", "line 1: broken JSON"),
        ("q.jsonl", b'{"prompt": "x", "value": " "}', "line 1: 'value' is ' '"),
        ("q.jsonl", b'{"prompt": "x"}', "line 1: 'value' is None"),
        ("q.jsonl", b'{"prompt": 3, "value": "x"}', "line 1: 'prompt' is 3"),
        ("q.jsonl", b'{"prompt": "x", "value": "x", "entity": 3}', "line 1: 'entity' is 3"),
        ("q.parquet", b"PAR1", "not a whole Parquet file"),
    ],
)
def test_bad_questions(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LamlamError, match=says) as error:
        read_questions(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files(folder):
    with pytest.raises(LamlamError, match=r"none\.jsonl: no such file"):
        run("completion", folder / "model", folder / "none.jsonl")
    with pytest.raises(LamlamError, match=r"none: no such file or folder"):
        run("perplexity", folder / "model", folder / "none")
    with pytest.raises(LamlamError, match="not a checkpoint"):
        run("perplexity", folder, folder / "documents.parquet")
