"""The benchmark compares like with like: same windows, same weights, same losses; and says what it counts."""

import numpy as np
import pytest
import torch

from lamlam.corpus import IGNORED
from lamlam.errors import LamlamError
from lamlam.train.flops import flops_per_token
from lamlam.train.peer import peer_mask
from lamlam.train.speed import IDS, _model, _tokens, made_up_batch, measure_training


@pytest.fixture(scope="module")
def speeds():
    return measure_training("tiny", windows=2, micro_batch=1, context=114, steps=1, precision="fp32")


def test_all_start_from_the_same_loss(speeds):
    ours, plain, peer = (speed.first_loss for speed in speeds.results)
    assert ours == pytest.approx(plain, rel=1e-6)
    assert ours == pytest.approx(peer, rel=2e-3)  # in bfloat16


def test_ratios_are_of_the_rates(speeds):
    rates = {speed.name: speed.tokens_per_second for speed in speeds.results}
    assert speeds.ratio("ours", "peer") == pytest.approx(rates["ours"] / rates["peer"])
    assert speeds.ratio("ours", "another") is None
    assert speeds.to_json()["task"] == "speed train"


def test_the_peers_mask_is_ours_but_for_end_tokens():
    tokens = torch.from_numpy(_tokens(3, 200, seed=1))
    tokens[1, 30] = IDS.end_of_text
    batch = made_up_batch(3, 200, seed=1)
    mask = peer_mask(tokens, IDS)[:, 1:].numpy()
    differing = np.argwhere(mask != (batch.labels != IGNORED)).tolist()
    # In the row with an end of text, the peer takes it for a delimiter, too.
    assert all(row == 1 for row, _ in differing)
    assert [1, 29] in differing


def test_arithmetic_is_counted_by_hand():
    model = _model("tiny", 0, torch.device("cpu"))
    layer = 4 * 128 * 128 + 3 * 128 * 352
    assert flops_per_token(model, 256) == 6 * (4 * layer + 128 * 32_004) + 6 * 4 * 128 * 256


def test_unknown_names_are_errors():
    with pytest.raises(LamlamError, match="no contestant 'theirs': choose ours, plain, peer"):
        measure_training("tiny", ("theirs",), windows=1, context=8)
    with pytest.raises(LamlamError, match="no model preset 'huge'"):
        measure_training("huge", windows=1, context=8)
