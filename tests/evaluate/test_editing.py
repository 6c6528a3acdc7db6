"""Edits of a base and of weights, against models whose behaviour is known."""

import json
import math

import pytest

from lamlam.errors import LamlamError
from lamlam.evaluate import edit_base, edit_weights, read_edits
from lamlam.evaluate.editing import fluency
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import new_model
from tests.evaluate.conftest import ScriptedModel, script

ROW = {
    "prompt": "Ada was born in", "subject": "Ada", "ground_truth": "London", "target_new": "Paris",
    "rephrase_prompt": "The birth place of Ada is", "locality_prompt": "Boole was born in", "relation": "Birth Place",
}  # fmt: skip


def rows(tmp_path, *some):
    path = tmp_path / "edits.jsonl"
    path.write_text("\n".join(map(json.dumps, some)))
    return path


@pytest.fixture
def kb(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as base:
        base.add([Fact("Ada", "Birth Place", "London"), Fact("Boole", "Birth Place", "Lincoln")])
        yield base


@pytest.fixture
def lm(tokenizer):
    scripts = []
    for prompt, name in ((ROW["prompt"], "Ada"), (ROW["rephrase_prompt"], "Ada"), (ROW["locality_prompt"], "Boole")):
        key = (name, "Birth Place")
        scripts += [script(tokenizer, prompt, (*key, v), f" {v}.") for v in ("London", "Paris", "Lincoln")]
        scripts.append(script(tokenizer, prompt, key))
    return LookupModel(ScriptedModel(tokenizer, scripts), tokenizer, None)


@pytest.mark.parametrize("relation", ["Birth Place", None])
def test_a_base_is_edited_at_the_key_that_is_named_or_asked_for(lm, kb, tmp_path, relation):
    edits = read_edits(rows(tmp_path, {**ROW, "relation": relation}))
    result = edit_base(lm, kb, edits, data="toy", model="scripted")
    shares = {name: metric.value for name, metric in result.metrics.items() if metric.unit == "share"}
    assert shares == {
        "efficacy": 1,
        "efficacy, of what was known": 1,
        "paraphrase": 1,
        "prefers the new value": 1,
        "locality": 1,
    }
    assert kb.lookup("Ada", "Birth Place").fact.value == "London"  # a copy was edited


def test_where_nothing_is_asked_the_edit_is_not_made(tokenizer, kb, tmp_path):
    silent = LookupModel(ScriptedModel(tokenizer, [script(tokenizer, ROW["prompt"], " a town.")]), tokenizer, None)
    edits = read_edits(rows(tmp_path, {**ROW, "relation": None}))
    result = edit_base(silent, kb, edits, data="toy", model="scripted")
    assert result.metrics["efficacy"].value == 0
    assert result.notes == ["0 of 1 edits had a key to be made at."]
    assert result.examples[0].note == "not asked, not edited"


def test_weights_are_tuned_and_put_back(tokenizer, tmp_path):
    model = new_model("tiny", tokenizer)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    edits = read_edits(rows(tmp_path, ROW))
    result = edit_weights(LookupModel(model.eval(), tokenizer, None), edits, data="toy", model="tiny")
    assert result.metrics["prefers the new value"].value == 1
    assert all(before[name].equal(value) for name, value in model.state_dict().items())


def test_fluency_by_hand():
    assert fluency("a b a b") == pytest.approx(((-(2 / 3) * math.log2(2 / 3) - (1 / 3) * math.log2(1 / 3)) + 1) / 2)
    assert fluency("a a a a") == 0
    assert fluency("a") == fluency("") == 0


@pytest.mark.parametrize("broken", [{**ROW, "target_new": None}, {**ROW, "prompt": " "}])
def test_bad_rows(tmp_path, broken):
    with pytest.raises(LamlamError, match="line 1"):
        read_edits(rows(tmp_path, broken))
    with pytest.raises(LamlamError, match="no edits in it"):
        read_edits(rows(tmp_path))
