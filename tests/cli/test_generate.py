"""`lamlam generate` on the checkpoint of the line, and what it says of input that is no good."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from lamlam.generate import LookupModel
from lamlam.kb import KnowledgeBase

PROMPT = "Ada Lovelace was born on"


@pytest.fixture
def generate(line, run_cli):
    def run(*options: object, model=line.folder / "run" / "model", prompt=PROMPT):
        return run_cli("generate", model, prompt, "--max-new-tokens", 12, *options)

    return run


def test_json_says_what_it_was_made_with(line, generate):
    ran = generate("--kb", line.folder / "facts.db", "--json", "--temperature", 1, "--seed", 3, "--policy", "unknown")
    assert (ran.code, ran.err) == (0, "")
    result = json.loads(ran.out)
    assert (result["base"], result["policy"], result["seed"]) == (str(line.folder / "facts.db"), "unknown", 3)
    assert result["prompt"] == PROMPT
    assert {"text", "citations", "calls", "finish"} <= set(result)


def test_the_base_may_be_asked_as_it_was(line, generate, tmp_path, monkeypatch):
    path = shutil.copy(line.folder / "facts.db", tmp_path)
    with KnowledgeBase.open(path) as kb:
        first = next(iter(kb))
        kb.snapshot("before")
        kb.set(first.entity, first.relation, "changed")
    answers, load = [], LookupModel.from_pretrained

    def asking(model, base):
        answers.append(base.lookup(first.entity, first.relation).fact.value)
        return load(model, base)

    monkeypatch.setattr(LookupModel, "from_pretrained", asking)
    for options in ((), ("--as-of", "before")):
        ran = generate("--kb", path, "--json", *options)
        assert (ran.code, json.loads(ran.out)["as_of"]) == (0, "before" if options else None), ran.err
    assert answers == ["changed", first.value]


def test_a_base_on_a_server_is_named_by_its_url(generate):
    ran = generate("--kb", "postgresql://127.0.0.1:1/none")
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "127.0.0.1" in ran.err


def test_a_stream_prints_the_same_text(generate):
    options = ("--temperature", 1, "--seed", 5)
    whole, streamed = generate(*options), generate(*options, "--stream")
    assert (whole.code, streamed.code) == (0, 0)
    assert whole.out == streamed.out
    assert whole.out.startswith(PROMPT)


def test_a_stream_of_objects(line, generate):
    options = ("--kb", line.folder / "facts.db", "--json")
    *events, whole = map(json.loads, generate(*options, "--stream").out.splitlines())
    (wanted,) = map(json.loads, generate(*options).out.splitlines())
    for one in (*whole["calls"], *whole["citations"], *wanted["calls"], *wanted["citations"]):
        del one["time"]
    assert whole == wanted
    assert "".join(one.get("text", "") for one in events) == whole["text"]
    asked = [one["asked"] for one in events if "asked" in one]
    assert [(one["entity"], one["relation"]) for one in asked] == [
        (one["entity"], one["relation"]) for one in whole["calls"]
    ]
    assert [one["answered"] for one in events if "answered" in one] == [one["match"] for one in whole["calls"]]


def test_lookups_are_shown(line, generate):
    shown = generate("--kb", line.folder / "facts.db", "--show-lookups", prompt="[x] [/red]")
    assert shown.code == 0
    assert shown.out.startswith("[x] [/red]")


def test_queries_may_be_searched_for_by_a_beam(line, generate):
    ran = generate("--kb", line.folder / "facts.db", "--constrained", "--beams", 3, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["finish"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--temperature", "-1"], "temperature -1.0 is not a number from 0 on"),
        (["--top-p", "2"], "top_p 2.0 is not between 0 and 1"),
        (["--top-k", "0"], "top_k 0 keeps no token"),
        (["--kb", "none.db"], "there is no base at none.db"),
        (["--as-of", "2026-01-01"], "name the base with --kb"),
        (["--beams", "2"], "--beams searches among the queries of a base; it needs --constrained"),
        (["--constrained"], "name the base with --kb"),
        (["--ask", "alway"], "--ask takes always, never, or the folder of a fitted Thrust"),
    ],
)
def test_bad_options_are_one_line(generate, options, says):
    ran = generate(*options)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert says in ran.err


def test_a_prompt_that_does_not_fit(generate):
    ran = generate(prompt="\x01" * 5000)
    assert (ran.code, ran.out) == (1, "")
    assert "the prompt has 5000 tokens, the model's window 4096: shorten it by 906" in ran.err


def test_a_base_of_another_version(line, generate, tmp_path):
    base = tmp_path / "facts.db"
    shutil.copy(line.folder / "facts.db", base)
    with sqlite3.connect(base) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    ran = generate("--kb", base)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert f"the base {base} has version 99, this lamlam reads version 3; install a newer lamlam" in ran.err


def test_not_a_checkpoint(line, generate, tmp_path):
    for model in (tmp_path / "none", tmp_path, line.folder / "shards"):
        ran = generate(model=model)
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert f"{model} is not a checkpoint" in ran.err


def test_a_torn_checkpoint(line, generate, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(line.folder / "run" / "model", model)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    ran = generate(model=model)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert f"cannot load the checkpoint {model}" in ran.err


def test_a_checkpoint_without_the_four_tokens(line, generate, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"<|endoftext|>": 0, "Ada": 1}, unk_token="<|endoftext|>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>").save_pretrained(tmp_path)
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=2, **shape)).save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path) is not None
    ran = generate(model=tmp_path)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert f"{tmp_path} has no lookup tokens: <|db_entity|>, " in ran.err
    assert "use a checkpoint that was trained with them" in ran.err
