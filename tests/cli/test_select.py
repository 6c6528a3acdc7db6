"""`lamlam select`: its three rules, what it keeps to go on from, and one line for what is wrong."""

from __future__ import annotations

import json

import pytest

from lamlam.corpus import read_info
from lamlam.model import LookupTokenizer, new_llama, save_model
from tests.cli.conftest import write_recipe


@pytest.fixture(scope="module")
def models(line, tmp_path_factory):
    """The options that name two models: the one of the line, and a smaller one of random weights."""
    larger = line.folder / "run" / "model"
    tokenizer = LookupTokenizer.load(larger)
    reference = tmp_path_factory.mktemp("reference")
    save_model(new_llama(tokenizer, 1, hidden=16, layers=1, heads=2, feed_forward=24), tokenizer, reference)
    return ["--larger", larger, "--reference", reference]


@pytest.fixture
def select(line, run_cli):
    return lambda out, *options: run_cli("select", line.folder / "shards", out, *options)


def test_what_is_chosen_can_be_trained_on(models, select, run_cli, tmp_path):
    ran = select(tmp_path / "chosen", *models, "--json")
    told = json.loads(ran.out)
    info = read_info(tmp_path / "chosen")
    assert (told["keep"], told["tokens"], told["documents"]) == (0.5, info.tokens, info.documents)
    assert told["of_tokens"] // 3 < told["tokens"] < told["of_tokens"]
    assert told["mean_score"] > told["mean_score_of_all"]
    assert (told["of_documents"], told["copies_at_most"]) == (6, 1)
    assert (tmp_path / "chosen.scores" / "scores.json").is_file()
    trained = run_cli("pretrain", write_recipe(tmp_path, data=tmp_path / "chosen", steps=1), "--json")
    assert trained.code == 0


def test_another_rule_takes_the_scores_that_are_there(models, select, tmp_path, monkeypatch):
    from lamlam.select import score

    first = json.loads(select(tmp_path / "a", *models, "--json").out)
    monkeypatch.setattr(score, "load_model", lambda *given: pytest.fail("scored again"))
    kept = ["--scores", tmp_path / "a.scores"]
    ran = select(tmp_path / "b", *models, *kept, "--above", first["lowest_score"], "--json")
    assert json.loads(ran.out)["documents"] >= first["documents"]
    ran = select(tmp_path / "c", *models, *kept, "--sample", 2, "--temperature", 0.01)
    assert ran.code == 0
    assert " documents, some of them " in ran.out
    assert json.loads((tmp_path / "c" / "selection.json").read_text())["temperature"] == 0.01


def test_ctrl_c_says_where_it_stands(models, select, tmp_path, monkeypatch):
    from lamlam.select import score

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(score, "token_nlls", interrupted)
    ran = select(tmp_path / "chosen", *models)
    assert (ran.code, ran.err) == (130, "stopped after 0 of 6 documents; the same command goes on from there\n")
    monkeypatch.undo()
    assert select(tmp_path / "chosen", *models).code == 0


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--keep", "0.5", "--above", "0"], 2, "choose one of --keep and --above"),
        (["--keep", "1.5"], 2, "ess than or equal to 1"),
        (["--above", "nan"], 2, "--above nan: give a number"),
        (["--keep", "0"], 1, "no document is chosen; ask for more"),
        (["--above", "99"], 1, "no document has a score of 99.0 or more; the highest is "),
        (["--context", "9999"], 1, "a context of 9999 tokens: choose from 1 to 4096"),
    ],
)
def test_bad_options_are_one_line(models, select, tmp_path, options, code, says):
    ran = select(tmp_path / "chosen", *models, *options)
    assert ran.code == code
    assert says in ran.err
    assert not (tmp_path / "chosen").exists()


def test_bad_folders_are_one_line(models, select, run_cli, tmp_path):
    ran = run_cli("select", tmp_path, tmp_path / "chosen", *models)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "is not a shard folder" in ran.err
    ran = select(tmp_path / "chosen", "--larger", tmp_path, *models[2:])
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "is not a checkpoint with safetensors" in ran.err
    assert list(tmp_path.iterdir()) == []
