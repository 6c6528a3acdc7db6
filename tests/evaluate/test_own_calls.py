"""A model's own queries in a given text, and dynamic perplexity, by hand."""

import math

import pytest
import torch

from lamlam.evaluate import perplexities, with_own_calls
from lamlam.evaluate.own_calls import ask
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.text import Document, Lookup
from tests.evaluate.conftest import ScriptedModel, TableModel, script

BEFORE, VALUE = "Ada Lovelace was born on ", "10 December 1815"
GOLD = Lookup("Ada Lovelace", "Birth Date", VALUE)
ADA = Document.with_lookups("ada", f"{BEFORE}{VALUE} in London.", [(len(BEFORE), GOLD)])
OWN = ("ada lovelace", "birth date")


@pytest.fixture
def kb(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as base:
        base.add([Fact(*GOLD)])
        yield base


@pytest.fixture
def empty(tmp_path):
    with KnowledgeBase.open(tmp_path / "empty.db", create=True) as base:
        yield base


class AskingModel(ScriptedModel):
    """Asks as its scripts say, and gives every token the same probability where a whole text is scored."""

    def __call__(self, input_ids, logits_to_keep=None, **kwargs):
        if logits_to_keep:
            return super().__call__(input_ids, logits_to_keep=logits_to_keep, **kwargs)
        return TableModel(torch.full((len(self.tokenizer),), 1 / len(self.tokenizer)), 512)(input_ids, False)


def test_dynamic_perplexity_by_hand(tokenizer, kb, empty):
    """All tokens have probability 1/V, so NLLs count tokens: a call that hits cuts the text, one that misses is not
    there, and the queries are not paid for."""
    size = len(tokenizer)
    lm = LookupModel(AskingModel(tokenizer, [script(tokenizer, BEFORE, OWN)]), tokenizer, None)
    result = perplexities(lm, [ADA], split="toy", bases={"oracle": kb, "full": empty})
    plain = len(tokenizer.encode_text(ADA.text)) + 1
    cut = len(tokenizer.encode_text(BEFORE)) + len(tokenizer.encode_text(f" {VALUE} in London.", first=False)) + 1
    assert result.tokens == plain
    assert result.dynamic["oracle"].perplexity.value == pytest.approx(math.exp(cut * math.log(size) / plain))
    assert result.dynamic["full"].perplexity.value == pytest.approx(size) == pytest.approx(result.standard.value)
    assert [(one.queries, one.hit) for one in result.dynamic.values()] == [(1, 1.0), (1, 0.0)]


def test_the_models_query_takes_the_gold_ones_place(tokenizer, kb):
    lm = LookupModel(ScriptedModel(tokenizer, [script(tokenizer, BEFORE, OWN)]), tokenizer, kb)
    [one] = with_own_calls(lm, [ADA])
    [call] = one.document.calls
    assert call == (len(BEFORE), Lookup(*OWN, VALUE), (len(BEFORE), len(BEFORE) + len(VALUE)))
    assert (one.queries, one.hits, one.document.text) == (1, 1, ADA.text)


def test_its_own_places(tokenizer, kb):
    """Asked before the date, and answered; asked before "in", where the base has nothing: taken back."""
    rest = f" {VALUE} "
    scripts = [
        script(tokenizer, BEFORE, OWN),
        script(tokenizer, BEFORE, (*OWN, VALUE), rest, ("Ada", "Death Place")),
        script(tokenizer, BEFORE, (*OWN, VALUE), rest.rstrip(), " "),
    ]
    lm = LookupModel(ScriptedModel(tokenizer, scripts), tokenizer, kb)
    plain = Document("ada", ADA.text)
    [one] = with_own_calls(lm, [plain], places="own")
    assert [(call.at, call.lookup) for call in one.document.calls] == [(len(BEFORE), Lookup(*OWN, VALUE))]
    assert (one.queries, one.hits) == (2, 1)
    [later] = with_own_calls(lm, [plain], places="own", starts=[len(BEFORE) + 1])
    assert later.document == plain


def test_without_a_base_every_call_is_taken_back(tokenizer):
    lm = LookupModel(ScriptedModel(tokenizer, [script(tokenizer, BEFORE, OWN)]), tokenizer, None)
    assert [tuple(one) for one in with_own_calls(lm, [ADA])] == [(Document("ada", ADA.text), 1, 0)]


def test_a_model_that_asks_the_same_forever_comes_to_the_text(tokenizer, kb):
    calls = [(*OWN, VALUE)] * 3
    lm = LookupModel(ScriptedModel(tokenizer, [script(tokenizer, BEFORE, *calls)]), tokenizer, kb)
    [one] = with_own_calls(lm, [Document("ada", ADA.text)], places="own")
    assert (len(one.document.calls), one.hits) == (1, 1)


def test_queries_that_never_end_and_prefixes_too_long(tokenizer):
    endless = [tokenizer.start_id, tokenizer.entity_id, *tokenizer.encode_text(" a" * 200, first=False)]
    model = ScriptedModel(tokenizer, [endless])
    assert ask(model, tokenizer, [endless[:1], [0] * 500], [True, True]) == [None, None]
    assert ask(model, tokenizer, [], []) == []
    assert ask(ScriptedModel(tokenizer, []), tokenizer, [[0]], [False]) == [None]
