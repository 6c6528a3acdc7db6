"""What only a GPU can show: its kernels against the plain modules, documents apart by flex_attention, and bfloat16."""

import os
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaMLP

from lamlam.corpus import Windows, pack
from lamlam.errors import Stopped
from lamlam.model import new_model
from lamlam.train import SummedLoss, fast, make_recipe, pretrain, read_log
from lamlam.train import step as step_module
from lamlam.train.feed_forward import Kept, has_kernels
from tests.corpus.test_encode import BYTES, ada
from tests.train import test_feed_forward as plain_ones

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "lmlm"
    pack([ada()] * 40, folder, BYTES)
    return folder


def plan(shards, output, **values):
    base = {"model": "tiny", "context": 64, "batch": 4, "steps": 30, "warmup": 2, "lr": 3e-3, "log_every": 1}
    return make_recipe({"data": str(shards), "output": str(output), "precision": "bf16", **base, **values})


def test_a_stopped_run_goes_on_within_the_noise_of_bfloat16(shards, tmp_path):
    pretrain(plan(shards, tmp_path / "whole", compiled=False))

    def stop(line, steps):
        if line.step == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        pretrain(plan(shards, tmp_path / "parts", compiled=False), stop)
    pretrain(plan(shards, tmp_path / "parts", compiled=False))
    whole, parts = ([line.loss for line in read_log(tmp_path / name)] for name in ("whole", "parts"))
    apart = [abs(a - b) / a for a, b in zip(parts, whole, strict=True)]
    print(f"losses after a resume: at most {max(apart):.1e} from those of one run ({whole[0]:.3f} to {whole[-1]:.3f})")
    assert len(parts) == 30
    assert max(apart) < 5e-3


def test_documents_apart_see_only_themselves(shards):
    """flex_attention in compiled layers: a window's loss is that of each of its documents run alone, in bfloat16; other
    documents in the next batch compile nothing again."""
    batch = Windows(shards, 512, apart=True).batch(np.arange(4))
    model = new_model("tiny", BYTES, seed=1).cuda().train()
    model.set_attn_implementation("flex_attention")
    fast.speed_up(model, compiled=True)
    objective, device = SummedLoss(model), torch.device("cuda")
    torch._dynamo.reset()
    with torch.autocast("cuda", torch.bfloat16):
        together, graphs = [], []
        for row in range(4):
            loss = objective(*step_module._on_device(*(part[row : row + 1] for part in batch), device))
            loss.backward()
            together.append(loss.item())
            graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[1] == graphs[3]  # the loss may be compiled twice, for one length and then for any
    alone_model = new_model("tiny", BYTES, seed=1).double().cuda().requires_grad_(False)
    for row in range(4):
        begins = [*np.flatnonzero(batch.position_ids[row] == 0).tolist(), 512]
        alone = 0.0
        for begin, end in pairwise(begins):
            inputs, labels = (array[row : row + 1, begin:end] for array in batch[:2])
            if (labels >= 0).any():
                alone += float(SummedLoss(alone_model)(*step_module._on_device(inputs, labels, None, device)))
        assert together[row] == pytest.approx(alone, rel=5e-3)


@pytest.mark.parametrize("keep", Kept)
@pytest.mark.parametrize("rows", [256, 200])
def test_the_kernels_are_as_close_as_the_plain_modules(keep, rows):
    """With 200 rows a window, the last tile of a kernel is not a whole one."""
    if not has_kernels(torch.device("cuda")):
        pytest.skip("QuACK is not installed, or has no kernels for this GPU")

    def run(forward, dtype, autocast):
        torch.manual_seed(0)
        module = LlamaMLP(plain_ones.LlamaConfig(hidden_size=128, intermediate_size=384, num_attention_heads=2))
        module = module.to("cuda", dtype)
        x = torch.randn(2, rows, 128, device="cuda", dtype=dtype, requires_grad=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            out = forward(module, x)
        (out * torch.linspace(-1, 1, out.numel(), device="cuda").view_as(out)).sum().backward()
        weights = (module.gate_proj, module.up_proj, module.down_proj)
        return [out.detach(), x.grad, *(part.weight.grad for part in weights)]

    expected = run(LlamaMLP.__call__, torch.float64, False)
    theirs = plain_ones.apart(run(LlamaMLP.__call__, torch.float32, True), expected)
    ours = plain_ones.apart(run(lambda m, x: fast._InKernels(m, keep)(x), torch.float32, True), expected)
    assert all(a < 1.5 * b for a, b in zip(ours, theirs, strict=True)), (ours, theirs)


def test_a_compiled_step_has_the_losses_of_the_plain_model(shards):
    """All that makes a step faster at once, in bfloat16: loss and gradients as close as the plain model's own."""
    batch = Windows(shards, 256).batch(np.arange(4))
    device = torch.device("cuda")
    arguments = step_module._on_device(*batch, device)

    def run(autocast, faster):
        one = new_model("tiny", BYTES, seed=1).to(device, torch.float32 if autocast else torch.float64).train()
        if faster:
            fast.speed_up(one, compiled=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            loss = SummedLoss(one)(*arguments)
        loss.backward()
        return [loss.detach(), *(parameter.grad for parameter in one.parameters())]

    torch._dynamo.reset()
    expected = run(False, False)
    theirs, ours = (plain_ones.apart(run(True, faster), expected) for faster in (False, True))
    assert ours[0] < 1e-3
    assert max(ours) < 1.5 * max(theirs), (max(ours), max(theirs))
