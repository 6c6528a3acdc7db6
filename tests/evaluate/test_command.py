"""`lamlam eval` on a real checkpoint and a real base, and what it says of input that is no good."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from lamlam.cli.evaluate import app
from lamlam.errors import LamlamError
from lamlam.evaluate import Question, read_questions, read_results
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


def test_completion(folder, tmp_path):
    asked = ("completion", folder / "model", folder / "questions.jsonl")
    more = ("--kb", folder / "facts.db", "--policy", "unknown", "--base", "full", "--base", "oracle", "--base", "none")
    made = json.loads(run(*asked, *more, "--json", "--out", tmp_path / "out", "--name", "small"))["results"]
    assert [result["base"] for result in made] == ["full", "oracle", "none"]
    assert {(result["metrics"]["strict"]["n"], result["policy"], result["model"]) for result in made} == {
        (2, "unknown", "small")
    }
    assert len(read_results([tmp_path / "out"])) == 3
    text = run(*asked, "--limit", 1)
    for part in ("strict", "n = 1", "base none", "limit 1", "policy abstain", "seed 0"):
        assert part in text


def test_perplexity(folder, tmp_path):
    asked = ("perplexity", folder / "model", folder / "documents.parquet", "--context", 16)
    [made] = json.loads(run(*asked, "--json", "--kb", folder / "facts.db", "--oracle"))["results"]
    assert [made["details"][name] for name in ("documents", "calls", "context")] == [2, 1, 16]
    metrics = {name: metric["value"] for name, metric in made["metrics"].items()}
    assert metrics["static"] < metrics["normalized"]
    assert set(metrics) >= {"dynamic, oracle", "dynamic, full", "queries that hit, oracle", "queries that hit, full"}
    text = run(*asked)
    for part in ("standard", "static", "normalized", "base gold calls", "context 16, stride 8"):
        assert part in text
    assert "dynamic, " not in text


def test_consistency(folder, tmp_path):
    facts = [{"predicate_id": "P19", "sub_label": "Ada", "obj_label": "London"}]
    patterns = [{"predicate_id": "P19", "pattern": f"[X] {verb} in [Y] ."} for verb in ("was born", "came into life")]
    (tmp_path / "trex.jsonl").write_text("\n".join(map(json.dumps, facts)))
    (tmp_path / "patterns.jsonl").write_text("\n".join(map(json.dumps, patterns)))
    asked = ("consistency", folder / "model", tmp_path / "trex.jsonl", tmp_path / "patterns.jsonl", "--base", "oracle")
    [made] = json.loads(run(*asked, "--json"))["results"]
    assert set(made["metrics"]) == {"consistency", "accuracy", "consistent and right"}


def test_a_full_base_has_to_be_named(folder):
    with pytest.raises(LamlamError, match="name it with --kb"):
        run("completion", folder / "model", folder / "questions.jsonl", "--base", "full")


def test_report(folder, tmp_path):
    for name in ("one", "other"):
        run(
            "completion", folder / "model", folder / "questions.jsonl", "--base", "oracle", "--name", name, "--out",
            tmp_path / name,
        )  # fmt: skip
    text = run("report", tmp_path / "one", tmp_path / "other", "--out", tmp_path / "page.html")
    assert text.index("one") < text.index("other")
    page = (tmp_path / "page.html").read_text()
    assert page.count("The engine is") == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(LamlamError, match="no results in it"):
        run("report", tmp_path / "empty")
    with pytest.raises(LamlamError, match="no such folder"):
        run("report", tmp_path / "none")


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
        (
            "q.jsonl",
            b'{"prompt": "x", "value": "x", "answers": [""]}',
            r"line 1: 'answers' is \[''\], which is no list",
        ),
        ("q.jsonl", b'{"prompt": "x", "value": "x", "seen": -1}', "line 1: 'seen' is -1, which is no number of times"),
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


def test_a_model_without_lookup_tokens(folder, tmp_path):
    """Every command that measures a model says so in one line, whichever it is."""
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=2, **size)).save_pretrained(tmp_path / "plain")
    words = Tokenizer(models.WordLevel({"Ada": 0, "?": 1}, unk_token="?"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?").save_pretrained(tmp_path / "plain")
    for command in (
        ("completion", tmp_path / "plain", folder / "questions.jsonl"),
        ("perplexity", tmp_path / "plain", folder / "documents.parquet"),
        ("audit", tmp_path / "plain", folder / "questions.jsonl", "--kb", folder / "facts.db"),
    ):
        with pytest.raises(LamlamError, match="has no lookup tokens") as error:
            run(*command)
        assert "\n" not in str(error.value)


def test_a_base_that_lacks_the_entities(folder, tmp_path):
    """It is said how much of what is asked the base holds, and the questions are asked all the same."""
    with KnowledgeBase.open(tmp_path / "other.db", create=True) as kb:
        kb.add([Fact("Charles Babbage", "Birth Date", "1791")])
    asked = ("completion", folder / "model", folder / "questions.jsonl", "--json")
    for base, holds in ((tmp_path / "other.db", 0), (folder / "facts.db", 1)):
        [made] = json.loads(run(*asked, "--kb", base))["results"]
        assert made["notes"] == [f"The base holds {holds} of the 1 facts that questions ask for by name."]


def test_what_was_measured_before_a_failure_is_kept(folder, tmp_path, monkeypatch):
    from lamlam import evaluate

    def fails(*_, **__):
        raise LamlamError("the base went away")

    monkeypatch.setattr(evaluate, "temporary_base", fails)  # of the oracle base, which comes second
    asked = ("completion", folder / "model", folder / "questions.jsonl", "--kb", folder / "facts.db")
    with pytest.raises(LamlamError, match="went away"):
        run(*asked, "--base", "full", "--base", "oracle", "--out", tmp_path / "out")
    assert [result.base for result in read_results([tmp_path / "out"])] == ["full"]
    assert "full" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((), "give a table with --facts, or a judge with --judge"),
        (("--judge", "http://127.0.0.1:9/v1"), "give documents with --passages"),
        (("--facts", "documents.parquet", "--prompt", "Who?"), "names nobody"),
    ],
)
def test_biographies_held_against_nothing(folder, more, says):
    (folder / "people.txt").write_text("Ada\n")
    more = [folder / part if part.endswith(".parquet") else part for part in more]
    with pytest.raises(LamlamError, match=says):
        run("biography", folder / "model", folder / "people.txt", *more)
