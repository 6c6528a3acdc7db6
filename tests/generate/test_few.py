"""NumPy's forward for few tokens does what PyTorch's does, whatever rows are in a feed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.generate import llama
from lamlam.generate.few import FewTokens
from lamlam.generate.llama import LlamaForward
from lamlam.generate.slots import Feed, Run
from tests.generate.conftest import HashBase, make_model
from tests.generate.test_engine import PROMPTS, SAMPLINGS, Engine, abstain, check, requests_of, run


@st.composite
def feeds(draw):
    """Single tokens of some rows, and runs of others, in slots of eight in any order."""
    alone = draw(st.lists(st.integers(0, 40), min_size=0, max_size=4))
    several = draw(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=0 if alone else 1, max_size=3))
    order = draw(st.permutations(range(8)))
    runs = [
        Run(order[len(alone) + number], position, list(range(9, 9 + size)), True)
        for number, (position, size) in enumerate(several)
    ]
    slots = np.array(order[: len(alone)], np.int64)
    return Feed.of(slots, np.array(alone, np.int64), np.arange(len(alone)) + 7, None, runs)


def forward_in_use(model):
    """A forward of eight slots that have something in them."""
    forward = LlamaForward(model, 8)
    generator = torch.Generator().manual_seed(0)
    for tensor in (*forward.cache.keys, *forward.cache.values):
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return forward


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2), feed=feeds())
def test_it_equals_pytorchs(models, seed, feed):
    forward = forward_in_use(models[seed])
    with torch.inference_mode():
        expected = forward._trunk(feed).numpy()
        np.testing.assert_allclose(FewTokens(forward).run(feed), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("sampling", SAMPLINGS[:2])
def test_without_it_rows_equal_the_reference_too(models, tokenizer, sampling, monkeypatch):
    monkeypatch.setattr(llama, "FEW_ROWS", 0)
    monkeypatch.setattr(llama, "COMPILES", False)
    base = HashBase()
    requests = requests_of(tokenizer, PROMPTS, abstain, sampling, max_new_tokens=12, max_lookups=4)
    run(Engine(models[0], tokenizer, base, slots=6), requests)
    check(models[0], tokenizer, base, requests)


def test_gates_far_below_zero_are_shut(tokenizer):
    model = make_model(tokenizer, 0).float()
    with torch.no_grad():
        model.model.layers[0].mlp.gate_proj.weight.mul_(1e4)
    forward = LlamaForward(model, 1)
    feed = Feed.of(np.array([0]), np.array([0]), np.array([5]))
    with torch.inference_mode():
        expected = forward._trunk(feed).numpy()
        np.testing.assert_allclose(FewTokens(forward).run(feed), expected, rtol=1e-4, atol=1e-5)
