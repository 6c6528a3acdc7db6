"""The faster feed-forward is the plain one: same values and gradients, eagerly and within a compiled layer."""

import sys
import types
from functools import partial

import pytest
import torch
from torch.nn import functional
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from lamlam.train import fast, feed_forward

HIDDEN, WIDTH = 24, 56
KEPT = feed_forward.Kept.BEFORE


@pytest.fixture
def quack(monkeypatch):
    """QuACK's two functions by their contract, in plain PyTorch: gate and up alternate."""

    def gemm_gated(x, both, activation, store_preact, config):
        assert activation == "swiglu"
        before = x @ both
        return before if store_preact else None, functional.silu(before[:, 0::2]) * before[:, 1::2]

    def gemm_dgated(grad, down, before, activation, config):
        assert activation == "swiglu"
        inner, gate, up = grad @ down, before[:, 0::2], before[:, 1::2]
        share = torch.sigmoid(gate)
        grad_before = torch.empty_like(before)
        grad_before[:, 0::2] = inner * up * share * (1 + gate * (1 - share))
        grad_before[:, 1::2] = inner * functional.silu(gate)
        return grad_before, functional.silu(gate) * up

    def silu_derivative(grad, down, before):
        return gemm_dgated(grad, down, before, "swiglu", None)[0]

    def gemm(left, right, out, config, split_k):
        out.copy_(left @ right)

    interface, config = types.ModuleType("quack.gemm_interface"), types.ModuleType("quack.gemm_config")
    interface.gemm_gated, interface.gemm_dgated, config.GemmConfig = gemm_gated, gemm_dgated, dict
    interface.gemm_tuned = types.SimpleNamespace(fn=gemm)
    ours = types.ModuleType("lamlam.train.derivative")
    ours.silu_derivative, ours.has_derivative = silu_derivative, lambda hidden, width: True
    for name, module in (
        ("quack", types.ModuleType("quack")),
        (ours.__name__, ours),
        (interface.__name__, interface),
        (config.__name__, config),
    ):
        monkeypatch.setitem(sys.modules, name, module)


def plain():
    torch.manual_seed(0)
    return LlamaMLP(LlamaConfig(hidden_size=HIDDEN, intermediate_size=WIDTH, num_attention_heads=2))


def run(module, forward, dtype, autocast=False):
    """The result and the gradients by the input and the three matrices."""
    module = module.to(dtype)
    x = torch.randn(2, 5, HIDDEN, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = forward(module, x)
    weights = torch.linspace(-1, 1, out.numel()).view_as(out)
    (out * weights).sum().backward()
    return [out.detach(), x.grad, *(part.weight.grad for part in (module.gate_proj, module.up_proj, module.down_proj))]


def apart(found, expected):
    return [float((a.double() - b.double()).norm() / b.double().norm()) for a, b in zip(found, expected, strict=True)]


def by_operator(module, x, keep=feed_forward.Kept.BEFORE):
    weights = (module.gate_proj.weight, module.up_proj.weight, module.down_proj.weight)
    return feed_forward.feed_forward(x.flatten(0, 1), *weights, keep)[0].view(x.shape)


@pytest.mark.parametrize("keep", feed_forward.Kept)
def test_values_and_gradients_are_those_of_the_plain_modules(quack, monkeypatch, keep):
    """In float32, where rounding hides nothing; the backward pass in two parts."""
    monkeypatch.setattr(feed_forward, "_LEAST_ROWS", 4)
    expected = run(plain(), LlamaMLP.__call__, torch.float64)
    assert max(apart(run(plain(), partial(by_operator, keep=keep), torch.float32), expected)) < 1e-6


@pytest.mark.parametrize("keep", feed_forward.Kept)
def test_no_tokens_have_no_gradients(quack, keep):
    """As in the last layer, where nothing of a micro-batch trains."""
    module = plain()
    x = torch.empty(0, HIDDEN, requires_grad=True)
    weights = (module.gate_proj.weight, module.up_proj.weight, module.down_proj.weight)
    feed_forward.feed_forward(x, *weights, keep)[0].sum().backward()
    assert x.grad.shape == (0, HIDDEN)
    assert not any(weight.grad.any() for weight in weights)


def test_bfloat16_is_as_close_as_the_plain_modules(quack):
    expected = run(plain(), LlamaMLP.__call__, torch.float64)
    theirs = apart(run(plain(), LlamaMLP.__call__, torch.float32, autocast=True), expected)
    ours = apart(run(plain(), lambda m, x: fast._InKernels(m, KEPT)(x), torch.float32, autocast=True), expected)
    assert all(a < 1.5 * b for a, b in zip(ours, theirs, strict=True))


def test_a_compiled_layer_takes_the_operator_whole(quack):
    expected = run(plain(), by_operator, torch.float32)
    compiled = torch.compile(by_operator, backend="aot_eager", fullgraph=True)
    assert max(apart(run(plain(), compiled, torch.float32), expected)) < 1e-7


def test_without_autocast_the_kernels_are_left_alone():
    """They are for bfloat16: float32 stays float32, and QuACK, which is not installed here, is not imported."""
    expected = run(plain(), LlamaMLP.__call__, torch.float32)
    assert max(apart(run(plain(), lambda m, x: fast._InKernels(m, KEPT)(x), torch.float32), expected)) == 0


def test_a_cpu_has_no_kernels():
    assert not feed_forward.has_kernels(torch.device("cpu"))
