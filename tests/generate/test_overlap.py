"""The engine's other order of things, that of a GPU: the model runs on tokens that the host has not seen yet."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamlam.generate import Engine, Sampling, abstain, retry, unknown
from lamlam.generate import engine as engine_module
from tests.generate.conftest import HashBase
from tests.generate.test_engine import POLICIES, PROMPTS, SAMPLINGS, check, grudging, requests_of, run
from tests.generate.test_joining import FACTS, SAMPLING, Names, NamesBase, join_and_leave


class Ahead:
    """A forward that fetches the tokens of a feed from the last choice, as one on a device does."""

    overlaps = True

    def __init__(self, forward):
        self.forward = forward
        self.fetched = 0

    def __getattr__(self, name):
        return getattr(self.forward, name)

    def run(self, feed, chosen):
        there = feed.sources >= 0
        tokens = feed.tokens.copy()
        if there.any():
            tokens[there] = chosen.numpy()[feed.sources[there]]
            self.fetched += int(there.sum())
        return self.forward.run(dataclasses.replace(feed, tokens=tokens, sources=np.full(len(tokens), -1)), None)


def ahead(engine):
    engine.forward = Ahead(engine.forward)
    return engine


@pytest.mark.parametrize("policy", POLICIES)
def test_equals_the_reference(models, tokenizer, policy):
    for number, sampling in enumerate(SAMPLINGS):
        model, base = models[number % len(models)], HashBase()
        prompts = random.Random(number).sample(PROMPTS, 4)
        requests = requests_of(tokenizer, prompts, POLICIES[policy], sampling, max_new_tokens=12, max_lookups=4)
        engine = ahead(Engine(model, tokenizer, base, slots=3))
        run(engine, requests)
        check(model, tokenizer, base, requests)
        assert engine.forward.fetched


@pytest.mark.parametrize("few", [0, 8])
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("policy", [abstain, unknown, retry(2), grudging])
def test_constrained_it_equals_the_reference(models, tokenizer, policy, beams, few, monkeypatch):
    monkeypatch.setattr(engine_module, "FEW", few)
    for number, sampling in enumerate((Sampling(), SAMPLING)):
        names, base = Names(tokenizer, FACTS, hot=bool(number)), NamesBase(FACTS)
        requests = requests_of(tokenizer, PROMPTS, policy, sampling, 8, 4)
        engine = Engine(models[number], tokenizer, base, slots=4, constraint=names, beams=beams)
        run(ahead(engine), requests)
        check(models[number], tokenizer, base, requests, names.after, beams)


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 99),
    slots=st.integers(1, 4),
    beams=st.integers(1, 2),
    orders=st.lists(st.integers(0, 6), min_size=5, max_size=5),
)
@example(seed=50, slots=2, beams=2, orders=[0, 0, 0, 0, 3])  # the names are renewed while a search is being fed
def test_rows_join_and_leave_in_any_order(models, tokenizer, seed, slots, beams, orders):
    names, base = Names(tokenizer, FACTS, hot=False), NamesBase(FACTS)
    requests = requests_of(tokenizer, random.Random(seed).sample(PROMPTS, 5), unknown, SAMPLING, 6, 2)
    engine = ahead(Engine(models[seed % 3], tokenizer, base, slots=slots, constraint=names, beams=beams))
    left = join_and_leave(engine, requests, orders)
    check(models[seed % 3], tokenizer, base, left, names.after, beams)
