"""What Numba compiles does what PyTorch and NumPy do, whatever is in a feed and whatever may come next."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.generate import chooser, llama
from lamlam.generate.constraint import Only
from lamlam.generate.likeliest import Likeliest
from lamlam.generate.output import Rounded
from lamlam.generate.slots import Feed
from tests.generate.conftest import HashBase, make_model
from tests.generate.test_engine import PROMPTS, SAMPLINGS, Engine, abstain, check, requests_of, run
from tests.generate.test_few import feeds, forward_in_use
from tests.generate.test_output import layer

numba = pytest.importorskip("numba", reason="compiled by numba, of the extra [cpu]")

from lamlam.generate import compiled_layers  # noqa: E402
from lamlam.generate.compiled_choice import CompiledLikeliest  # noqa: E402
from lamlam.generate.compiled_layers import CompiledTokens  # noqa: E402
from lamlam.generate.compiling import compiled  # noqa: E402


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2), feed=feeds(), large=st.booleans())
def test_layers_equal_pytorchs(models, seed, feed, large):
    forward = forward_in_use(models[seed])
    before, compiled_layers.ALONE = compiled_layers.ALONE, 0 if large else 1 << 20
    try:
        with torch.inference_mode():
            got = CompiledTokens(forward).run(feed)
    finally:
        compiled_layers.ALONE = before
    slots = [tensor.clone() for tensor in (*forward.cache.keys, *forward.cache.values)]
    with torch.inference_mode():
        np.testing.assert_allclose(got, forward._trunk(feed).numpy(), rtol=1e-9, atol=1e-11)
    for ours, theirs in zip(slots, (*forward.cache.keys, *forward.cache.values), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_in_float32_gates_far_below_zero_are_shut(tokenizer):
    model = make_model(tokenizer, 0).float()
    with torch.no_grad():
        model.model.layers[0].mlp.gate_proj.weight.mul_(1e4)
    forward = llama.LlamaForward(model, 1)
    feed = Feed.of(np.array([0]), np.array([0]), np.array([5]))
    with torch.inference_mode():
        expected = forward._trunk(feed).numpy()
        np.testing.assert_allclose(CompiledTokens(forward).run(feed), expected, rtol=1e-4, atol=1e-5)


def test_slots_that_have_grown_are_found_again(models):
    forward = forward_in_use(models[0])
    few = CompiledTokens(forward)
    for position in (3, forward.cache.length + 5):
        feed = Feed.of(np.array([1]), np.array([position]), np.array([5]))
        with torch.inference_mode():
            forward.cache.reserve(position + 1)
            np.testing.assert_allclose(few.run(feed), forward._trunk(feed).numpy(), rtol=1e-9, atol=1e-11)


@st.composite
def restrictions(draw, rows, vocabulary):
    """States, banned pairs, and what alone may come in some rows."""
    tokens = st.sets(st.integers(0, vocabulary - 1), max_size=6)
    hot = torch.zeros((2, vocabulary), dtype=torch.bool)
    for its in hot:
        its[list(draw(tokens))] = True
    states = np.array(draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    banned = [(row, token) for row in range(rows) for token in draw(tokens)]
    places, pairs, hot_of = [], [], []
    for row in range(rows):
        if draw(st.booleans()):
            places.append(row)
            pairs += [(row, token) for token in draw(tokens)]
            hot_of += [(row, draw(st.integers(0, 1)))] if draw(st.booleans()) else []
    banned, pairs, hot_of = (np.array(those, np.int64).reshape(-1, 2).T for those in (banned, pairs, hot_of))
    return states, banned, Only(np.array(places, np.int64), pairs, hot, hot_of) if places else None


@pytest.mark.skipif(not Rounded.runs(torch.zeros((2, 2))), reason="this processor multiplies 8 bits no faster")
@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    seed=st.integers(0, 10_000),
    vocabulary=st.integers(1, 700),
    width=st.sampled_from([2, 33, 128]),
    twins=st.integers(0, 5),
    outliers=st.integers(0, 3),
    biased=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_the_likeliest_token_is_numpys(data, seed, vocabulary, width, twins, outliers, biased, dtype):
    weight, bias, hidden = layer(seed, vocabulary, width, twins, outliers, biased, dtype)
    barred = torch.zeros((3, vocabulary), dtype=torch.bool)
    barred[1] = torch.from_numpy(np.random.default_rng(seed).random(vocabulary) < 0.5)
    barred[2] = True
    scores = Rounded(weight, bias if biased else None).scores(hidden)
    states, banned, only = data.draw(restrictions(len(hidden), vocabulary))
    got, expected = (one(barred)(scores, states, banned, only) for one in (CompiledLikeliest, Likeliest))
    may = np.zeros((len(hidden), vocabulary), bool)  # where nothing may come, what is said does not matter
    for row, state in enumerate(states):
        may[row] = ~barred[state].numpy()
    if only is not None:
        may[only.rows] = False
        may[only.pairs[0], only.pairs[1]] = True
        for row, hot in only.hot_of.T:
            may[row] |= only.hot[hot].numpy()
    may[banned[0], banned[1]] = False
    some = may.any(axis=1)
    assert got[some].tolist() == expected[some].tolist()
    assert may[some, got[some]].all()


@pytest.mark.parametrize("sampling", SAMPLINGS[:2])
def test_without_numba_rows_equal_the_reference_too(models, tokenizer, sampling, monkeypatch):
    for module in (llama, chooser):
        monkeypatch.setattr(module, "COMPILES", False)
    base = HashBase()
    requests = requests_of(tokenizer, PROMPTS, abstain, sampling, max_new_tokens=12, max_lookups=4)
    engine = Engine(models[0], tokenizer, base, slots=3)
    assert engine.forward._compiled is None
    run(engine, requests)
    check(models[0], tokenizer, base, requests)


def test_where_no_cache_can_be_written_it_is_compiled_all_the_same(monkeypatch):
    njit = numba.njit

    def without_a_folder(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", without_a_folder)
    assert compiled(lambda number: number + 1)(2) == 3
