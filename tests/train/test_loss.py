"""The chunked loss and both its gradients against float64 autograd over the whole logits."""

import pytest
import torch
from torch.nn import functional

from lamlam.train import loss as loss_module
from lamlam.train.loss import linear_cross_entropy

TOKENS, HIDDEN, WORDS = 37, 8, 53


def problem(scale=1.0):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, HIDDEN, generator=generator)
    weight = torch.randn(WORDS, HIDDEN, generator=generator) * scale
    return hidden, weight, torch.randint(WORDS, (TOKENS,), generator=generator)


def results(compute, hidden, weight, dtype):
    hidden, weight = (tensor.to(dtype, copy=True).requires_grad_() for tensor in (hidden, weight))
    total = compute(hidden, weight)
    (total * 0.5).backward()
    return [total.detach(), hidden.grad, weight.grad]


def plain(targets):
    return lambda hidden, weight: functional.cross_entropy(hidden @ weight.t(), targets, reduction="sum")


def apart(found, expected):
    return [float((a.double() - b.double()).norm() / b.double().norm()) for a, b in zip(found, expected, strict=True)]


@pytest.fixture(params=["on_cpu", "for_a_compiler"])
def chunks(request, monkeypatch):
    """Chunks of five tokens, by each of the two ways that need no kernels."""
    monkeypatch.setattr(loss_module, "_LEAST_TOKENS", 5)
    monkeypatch.setattr(loss_module, "_LOGITS_AT_ONCE", {"cpu": 1})
    way = loss_module._softmax_loss_on_cpu if request.param == "on_cpu" else loss_module._softmax_loss
    monkeypatch.setattr(loss_module, "_loss_and_gradient", lambda device, dtype: way)


@pytest.mark.parametrize(("scale", "bound"), [(1.0, 1e-6), (300.0, 1e-4)])
def test_loss_and_gradients_are_those_of_the_whole_logits(chunks, scale, bound):
    """At the larger scale a target's probability may be far below what float32 holds: its loss is right all the same,
    as far as float32 logits of a thousand are."""
    hidden, weight, targets = problem(scale)
    expected = results(plain(targets), hidden, weight, torch.float64)
    found = results(lambda *given: linear_cross_entropy(*given, targets), hidden, weight, torch.float32)
    assert found[0].dtype == torch.float64
    assert max(apart(found, expected)) < bound
    assert expected[0] > 100 * scale


def test_in_bfloat16_it_is_as_close_as_the_plain_one(chunks):
    hidden, weight, targets = problem()
    expected = results(plain(targets), hidden, weight, torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = apart(results(plain(targets), hidden, weight, torch.float32), expected)
        ours = results(lambda *given: linear_cross_entropy(*given, targets), hidden, weight, torch.float32)
    ours = apart(ours, expected)
    assert ours[0] < 1e-3
    assert all(a < 1.5 * b for a, b in zip(ours[1:], theirs[1:], strict=True)), (ours, theirs)


def test_tokens_that_do_not_train_cost_nothing(chunks):
    weight = torch.randn(WORDS, HIDDEN, requires_grad=True)
    total = linear_cross_entropy(torch.empty(0, HIDDEN, requires_grad=True), weight, torch.empty(0, dtype=torch.int64))
    total.backward()
    assert total.item() == 0
    assert not weight.grad.any()
