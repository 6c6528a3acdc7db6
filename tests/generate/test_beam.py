"""Queries by a beam: what the definition says, in every batch; with room for all, the likeliest query there is."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.generate import Engine, LookupModel, Row, Sampling, abstain, retry, unknown
from lamlam.generate.request import Request
from lamlam.kb import Fact, KnowledgeBase
from tests.generate.conftest import HashBase, make_gpt2, make_model
from tests.generate.test_engine import PROMPTS, check, requests_of, run
from tests.generate.test_joining import FACTS, SAMPLING, Names, NamesBase, join_and_leave


@pytest.mark.parametrize("beams", [2, 5])
@pytest.mark.parametrize("policy", [abstain, unknown, retry(2)])
def test_every_row_asks_what_the_definition_says(models, tokenizer, policy, beams):
    for number, sampling in enumerate((Sampling(), SAMPLING)):
        names, base = Names(tokenizer, FACTS, hot=bool(number)), NamesBase(FACTS)
        requests = requests_of(tokenizer, PROMPTS, policy, sampling, 8, 4)
        run(Engine(models[number], tokenizer, base, slots=3, constraint=names, beams=beams), requests)
        assert base.asked
        check(models[number], tokenizer, base, requests, names.after, beams)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 99), slots=st.integers(1, 4), orders=st.lists(st.integers(0, 6), min_size=5, max_size=5))
def test_rows_join_and_leave_in_any_order(models, tokenizer, seed, slots, orders):
    names, base = Names(tokenizer, FACTS, hot=False), NamesBase(FACTS)
    requests = requests_of(tokenizer, random.Random(seed).sample(PROMPTS, 5), unknown, SAMPLING, 5, 2)
    engine = Engine(models[seed % 3], tokenizer, base, slots=slots, constraint=names, beams=3)
    left = join_and_leave(engine, requests, orders)
    check(models[seed % 3], tokenizer, base, left, names.after, 3)


def test_other_models_and_prompts_within_a_call(tokenizer):
    text, query = tokenizer.encode_text("Ada was born "), tokenizer.encode_query("Ada 1", "Born")
    cut = query.index(tokenizer.relation_id)
    prompts = [[*text, *query[:1]], [*text, *query[:2]], [*text, *query[:cut]], [*text, *query[: cut + 1]], query[:1]]
    prompts += [[*text, *tokenizer.encode_query("Nobody", "Born")[:-2]]]  # which the base has not
    for model, window in ((make_gpt2(tokenizer, 0), 128), (make_model(tokenizer, 3, positions=40), 40)):
        names, base = Names(tokenizer, FACTS, hot=False), NamesBase(FACTS)
        requests = requests_of(tokenizer, prompts, abstain, Sampling(), 6, 3, window=window)
        run(Engine(model, tokenizer, base, slots=4, constraint=names, beams=3), requests)
        check(model, tokenizer, base, requests, names.after, 3)


@pytest.mark.parametrize("seed", range(4))
def test_with_room_for_all_it_is_the_likeliest_query_of_the_base(tokenizer, seed):
    model = make_model(tokenizer, seed)
    names, base = Names(tokenizer, FACTS, hot=False), HashBase()
    prompt = [*tokenizer.encode_text("She wrote about "), tokenizer.entity_id]
    row = Row(tokenizer, prompt, 1, 1, 512)
    run(Engine(model, tokenizer, base, slots=1, constraint=names, beams=len(FACTS)), [Request(row, unknown)])

    @torch.inference_mode()
    def score(entity, relation):
        ids = torch.tensor([[tokenizer.start_id, *prompt[:-1], *tokenizer.encode_query(entity, relation)]])
        likely = model(ids).logits[0, :-1].log_softmax(dim=-1)
        size = len(prompt)
        return float(likely[size:].gather(1, ids[0, size + 1 :, None]).sum())

    best = max({(entity, relation) for entity, relation, _ in FACTS}, key=lambda query: score(*query))
    assert base.batches[0] == [best]


def test_a_beam_of_a_real_base(models, tokenizer, tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add([Fact(entity, relation, value) for entity, relation, value in FACTS])
        lm = LookupModel(models[0], tokenizer, kb)
        names = Names(tokenizer, FACTS, hot=False)
        made = lm.generate(PROMPTS, max_new_tokens=8, max_lookups=3, constrained=True, beams=4)
        requests = requests_of(tokenizer, PROMPTS, abstain, Sampling(), 8, 3)
        run(Engine(models[0], tokenizer, kb, slots=2, constraint=names, beams=4), requests)
        check(models[0], tokenizer, kb, requests, names.after, 4)
        assert [one.text for one in made] == [request.row.clean.text() for request in requests]
        assert any(one.calls for one in made)
        last = list(lm.stream(PROMPTS[2], max_new_tokens=8, max_lookups=3, constrained=True, beams=4))[-1]
        assert last.text == made[2].text
        with pytest.raises(LamlamError, match="needs constrained decoding"):
            lm.generate(["Ada"], beams=2)
        with pytest.raises(LamlamError, match="a beam of 0"):
            lm.generate(["Ada"], constrained=True, beams=0)
