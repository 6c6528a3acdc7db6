"""The benchmark compares like with like: same windows, same weights, same losses; and says what it counts."""

import types

import numpy as np
import pytest
import torch

from lamlam.corpus import IGNORED
from lamlam.errors import LamlamError
from lamlam.train import speed
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"contestants": ("theirs",)}, "no contestant 'theirs': choose ours, plain, peer"),
        ({"preset": "huge"}, "no model preset 'huge': choose tiny, llama-176m, llama-382m, gpt2-124m, gpt2-355m"),
        ({"precision": "fp16"}, "no precision 'fp16': choose bf16 or fp32"),
        ({"micro_batch": 3}, "a micro-batch of 3 windows does not divide a step of 4"),
        ({"micro_batch": 8}, "a micro-batch of 8 windows does not divide a step of 4"),
        ({"micro_batch": 2, "their_micro_batch": 3}, "a micro-batch of 3 windows does not divide a step of 4"),
        ({"context": 5000}, "tiny takes windows of 4,096 tokens at most, not 5,000"),
        ({"preset": "gpt2-124m", "context": 1025}, "gpt2-124m takes windows of 1,024 tokens at most, not 1,025"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(given, message, monkeypatch):
    monkeypatch.setattr(speed, "measured_peak", lambda *_: pytest.fail("measured before it was said"))
    plan = {"preset": "tiny", "windows": 4, "context": 8}
    with pytest.raises(LamlamError) as error:
        measure_training(**{**plan, **given})
    assert str(error.value) == message


@pytest.mark.parametrize("given", [{}, {"contestants": ("ours",), "micro_batch": 1}])
def test_processes_share_micro_batches_of_ours_only(given, monkeypatch):
    two = types.SimpleNamespace(device=torch.device("cpu"), num_processes=2)
    monkeypatch.setattr(speed, "Accelerator", lambda: two)
    with pytest.raises(LamlamError, match="2 processes share micro-batches of ours: --only ours, in multiples of 2"):
        measure_training("tiny", **{"windows": 4, "context": 8, **given})


def test_too_little_memory_names_the_contestant(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(speed, "peer_step", full)
    with pytest.raises(LamlamError, match="too little memory for peer in micro-batches of 2 windows; give"):
        measure_training("tiny", ("peer",), windows=4, micro_batch=2, context=8)
