"""Rough scores never lose the likeliest token: against all logits, with ties, outliers and a bias."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.generate.likeliest import Likeliest
from lamlam.generate.output import Rounded, Whole

pytestmark = pytest.mark.skipif(
    not Rounded.runs(torch.zeros((2, 2))), reason="this processor multiplies numbers of 8 bits no faster"
)


def layer(seed, vocabulary, width, twins, outliers, biased, dtype):
    """Weights of which some rows are equal, some a hundred times as large, and perhaps a bias for some tokens."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(vocabulary, width))
    weight[rng.integers(vocabulary, size=twins)] = weight[rng.integers(vocabulary)]
    weight[rng.integers(vocabulary, size=outliers)] *= 100
    bias = np.zeros(vocabulary)
    bias[rng.integers(vocabulary, size=3)] = rng.normal(size=3) * 10
    hidden = rng.normal(size=(5, width)) * rng.choice([1e-3, 1.0, 1e3], size=(5, 1))
    hidden[0] = 0
    return [torch.from_numpy(array).to(dtype) for array in (weight, bias if biased else bias * 0, hidden)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    vocabulary=st.integers(1, 700),
    width=st.sampled_from([2, 8, 33, 128]),
    twins=st.integers(0, 5),
    outliers=st.integers(0, 3),
    biased=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_the_likeliest_token_is_the_first_of_the_highest_logits(
    seed, vocabulary, width, twins, outliers, biased, dtype
):
    weight, bias, hidden = layer(seed, vocabulary, width, twins, outliers, biased, dtype)
    scores = Rounded(weight, bias if biased else None).scores(hidden)
    exact = np.vecdot(hidden.double().numpy()[:, None], weight.double().numpy()[None]) + bias.double().numpy()
    barred = torch.zeros((2, vocabulary), dtype=torch.bool)
    barred[1, exact.argmax(axis=1)] = True
    left = np.where(barred[1], -np.inf, exact)
    none = np.zeros((2, 0), np.int64)
    for state, logits in enumerate((exact, left)):
        if np.isfinite(logits).any():
            got = Likeliest(barred)(scores, np.full(5, state), none, None)
            assert got.tolist() == logits.argmax(axis=1).tolist()
    banned = np.array([np.arange(5), exact.argmax(axis=1)])
    exact[banned[0], banned[1]] = -np.inf
    if vocabulary > 1:
        assert Likeliest(barred)(scores, np.zeros(5, int), banned, None).tolist() == exact.argmax(axis=1).tolist()


def test_what_is_left_out_is_less_likely_by_the_bound():
    weight, _, hidden = layer(1, 3000, 64, 0, 0, False, torch.float32)
    output = Rounded(weight, None)
    rough, slack, apart = output.rough(hidden.numpy()[1:])
    exact = hidden[1:].double().numpy() @ weight.double().numpy().T
    rough = rough[:, :3000]
    near = rough >= rough.max(axis=1, keepdims=True) - slack
    assert not len(apart)
    assert near[np.arange(4), exact.argmax(axis=1)].all()
    assert near.mean() < 0.1  # few enough that it is worth while


def test_weights_that_were_changed_in_place_are_rounded_again():
    weight, _, hidden = layer(2, 50, 16, 0, 0, False, torch.float32)
    output = Rounded(weight, None)
    weight.mul_(-1)
    output.refresh()
    none = np.zeros((2, 0), np.int64)
    got = Likeliest(torch.zeros((1, 50), dtype=torch.bool))(output.scores(hidden[1:]), np.zeros(4, int), none, None)
    assert got.tolist() == (hidden[1:] @ weight.T).argmax(dim=1).tolist()


def test_logits_that_are_all_there_are_exact():
    logits = torch.tensor([[1.0, 3.0], [2.0, 0.5]], dtype=torch.bfloat16)
    scores = Whole(logits)
    assert scores.rough(np.array([1])).scores.tolist() == [[2.0, 0.5]]
    assert scores.exact(np.array([0, 1]), np.array([1, 1])).tolist() == [3.0, 0.5]
