"""The faster Llama is the plain one: same losses and gradients, whatever trains, with its parts compiled or not."""

import copy
import shutil

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lamlam.train import SummedLoss, fast
from tests.train.test_feed_forward import quack  # noqa: F401

WORDS, WINDOWS, CONTEXT = 61, 3, 16


def plain():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 3}
    return LlamaForCausalLM(LlamaConfig(vocab_size=WORDS, num_key_value_heads=2, head_dim=8, **shape)).double().train()


def given(share, seed=1):
    """Inputs, positions that train and their targets, of which there are `share` of all."""
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = torch.randint(WORDS, (2, WINDOWS, CONTEXT), generator=generator)
    positions = torch.nonzero(torch.rand(WINDOWS * CONTEXT, generator=generator) < share)[:, 0]
    return inputs, positions, targets.flatten()[positions]


def results(model, arguments):
    """The loss and the gradient of every parameter."""
    objective = SummedLoss(model)
    loss = objective(*arguments)
    loss.backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return loss.detach(), {name: torch.zeros(()) if grad is None else grad for name, grad in found.items()}


def assert_same(found, expected, bound=1e-12):
    assert found[0].item() == pytest.approx(expected[0].item(), rel=bound)
    for name, grad in expected[1].items():
        assert (found[1][name] - grad).norm() <= bound * grad.norm().clamp(min=1), name


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_losses_and_gradients_are_those_of_the_plain_model(share):
    model = plain()
    faster = copy.deepcopy(model)
    fast.speed_up(faster, compiled=False)
    assert_same(results(faster, given(share)), results(model, given(share)))


def test_the_last_layer_computes_what_trains_and_no_more(monkeypatch):
    """Its feed-forward part sees as many tokens as train; the others' see all."""
    seen = []
    plain_mlp = fast.LlamaMLP.forward
    monkeypatch.setattr(fast.LlamaMLP, "forward", lambda self, x: seen.append(x.numel() // 32) or plain_mlp(self, x))
    model, arguments = plain(), given(0.3)
    fast.speed_up(model, compiled=False)
    results(model, arguments)
    assert seen == [WINDOWS * CONTEXT] * 2 + [len(arguments[1])]


def test_outside_of_a_loss_the_model_is_whole():
    """As `measure` and a saved checkpoint see it, also after an error within a loss."""
    model = plain()
    expected = model(given(1.0)[0]).logits
    fast.speed_up(model, compiled=False)
    results(model, given(0.3))
    with pytest.raises(IndexError):
        SummedLoss(model)(given(0.3)[0], torch.tensor([10**6]), torch.tensor([0]))
    assert torch.allclose(model(given(1.0)[0]).logits, expected, rtol=1e-12)
    assert set(model.state_dict()) == set(plain().state_dict())


def test_it_generates_with_a_cache():
    model = plain().eval()
    prompt = given(1.0)[0][:1, :5]
    expected = model.generate(prompt, max_new_tokens=8, do_sample=False)
    fast.speed_up(model, compiled=False)
    assert torch.equal(model.generate(prompt, max_new_tokens=8, do_sample=False), expected)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at it
def test_compiled_parts_take_any_number_of_tokens(quack, monkeypatch):  # noqa: F811
    """One graph for the attention, one for the feed-forward with kernels in it, whatever the number that trains."""
    monkeypatch.setattr(fast, "has_kernels", lambda device: True)
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **how: compiler(f, backend="aot_eager", fullgraph=True, **how))
    model = plain().float()
    faster = copy.deepcopy(model)
    fast.speed_up(faster, compiled=False)
    faster.base_model.layers[-1].forward.compile()
    torch._dynamo.reset()
    before, graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"], []
    for share in (0.9, 0.5, 0.3, 0.2):
        with torch.autocast("cpu", torch.bfloat16):
            found, expected = (results(one, given(share)) for one in (faster, model))
        assert_same(found, expected, bound=0.05)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"] - before)
    assert graphs[0] == graphs[-1] == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler's own
def test_a_compiled_model_is_the_plain_one():
    """Compiled in earnest: four graphs in all, and none made again for another number of tokens that train."""
    torch._dynamo.reset()
    model = plain().float()
    faster = copy.deepcopy(model)
    fast.speed_up(faster, compiled=True)
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for share in (0.9, 0.5, 0.3):
        assert_same(results(faster, given(share)), results(model, given(share)), bound=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before == 4
