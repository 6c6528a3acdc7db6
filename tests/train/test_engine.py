"""What the engine promises: two processes train as one, a killed run goes on, and hardware that is missing is named."""

import json
import os
import signal
import subprocess
import sys
import time
import types
from itertools import pairwise

import pytest
import torch

from lamlam.corpus import Windows, pack
from lamlam.errors import LamlamError
from lamlam.model import new_model
from lamlam.train import SummedLoss, engine, make_recipe, pretrain, read_log
from lamlam.train import step as step_module
from tests.corpus.test_encode import BYTES, ada

PROGRAM = "import sys; from lamlam.train import load_recipe, pretrain; pretrain(load_recipe(sys.argv[1], sys.argv[2:]))"


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "lmlm"
    pack([ada()] * 6, folder, BYTES)
    return folder


def plan(shards, output, **values):
    base = {"model": "tiny", "context": 24, "batch": 4, "steps": 6, "warmup": 2, "lr": 3e-3, "log_every": 1}
    return {"data": str(shards), "output": str(output), **base, **values}


def losses(output):
    return [line.loss for line in read_log(output)]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def start(values, tmp_path, *before):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(values))  # YAML, too
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, *before, str(program), str(recipe)], env=environment(), stderr=subprocess.PIPE, text=True
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("parallel", ["ddp", "fsdp2"])
def test_two_processes_train_as_one(shards, tmp_path, parallel):
    pretrain(make_recipe(plan(shards, tmp_path / "one")))
    values = plan(shards, tmp_path / "two", device="cpu", parallel=parallel, save_every=3)
    run = start(values, tmp_path, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    _, said = run.communicate(timeout=200)
    assert run.returncode == 0, said[-3000:]
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()
    assert [path.name for path in (tmp_path / "two").glob("state-*")] == ["state-00000006"]


@pytest.mark.timeout(300)
def test_a_killed_run_goes_on_with_the_same_losses(shards, tmp_path):
    """kill -9 at any moment, twice, in the middle of steps or of writing; the losses are those of one run, exactly."""
    values = plan(shards, tmp_path / "parts", steps=30, save_every=5)
    for wanted in (7, 17):
        run = start(values, tmp_path)
        try:
            deadline = time.monotonic() + 120
            while not any(line.step >= wanted for line in read_log(tmp_path / "parts")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            run.send_signal(signal.SIGKILL)
            run.communicate()
    (tmp_path / "parts" / ".state-00000099.1.partial").mkdir()  # what a kill while writing leaves: never loaded
    pretrain(make_recipe(values))
    pretrain(make_recipe({**values, "output": str(tmp_path / "whole")}))
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_documents_apart_see_only_themselves(shards, tmp_path):
    """With documents apart, a window's loss is that of each of its documents run alone."""
    windows = Windows(shards, 400, apart=True)
    batch = windows.batch(torch.arange(1).numpy())
    model = new_model("tiny", BYTES, seed=1)
    objective = SummedLoss(model.double().requires_grad_(False))
    inputs, positions, targets, places = step_module._on_device(*batch, torch.device("cpu"))
    together = objective(inputs, positions, targets, places).item()
    begins = [*(places[0] == 0).nonzero()[:, 0].tolist(), 400]
    alone = 0.0
    for begin, end in pairwise(begins):
        part = [array[:, begin:end] for array in batch]
        alone += objective(*step_module._on_device(*part, torch.device("cpu"))).item()
    assert len(begins) > 3
    assert together == pytest.approx(alone, rel=1e-9)
    joined = objective(inputs, positions, targets).item()
    assert abs(joined - together) > 1e-3
    assert pretrain(make_recipe(plan(shards, tmp_path, documents="apart", steps=2))).steps == 2


def test_too_little_memory_says_what_would_fit(shards, tmp_path, monkeypatch):
    forward = SummedLoss.forward

    def small(self, inputs, *rest):
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, inputs, *rest)

    monkeypatch.setattr(SummedLoss, "forward", small)
    with pytest.raises(LamlamError, match=r"micro_batch of 4; 2 would fit: set micro_batch=2$"):
        pretrain(make_recipe(plan(shards, tmp_path)))
    monkeypatch.setattr(SummedLoss, "forward", lambda *given: small(given[0], [0] * 9))
    with pytest.raises(LamlamError, match="too little memory for a single window"):
        pretrain(make_recipe(plan(shards, tmp_path)))


def test_a_batch_that_processes_cannot_share_is_named(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "Accelerator", lambda **_: types.SimpleNamespace(num_processes=3))
    with pytest.raises(LamlamError, match="a batch of 4 cannot be split over 3 processes"):
        pretrain(make_recipe(plan(shards, tmp_path / "run", batch=8, micro_batch=4, device="cpu")))


def test_missing_things_are_named(shards, tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(LamlamError, match="PyTorch sees no GPU here: set device=auto"):
            pretrain(make_recipe(plan(shards, tmp_path, device="cuda")))
    with pytest.raises(LamlamError, match=r"log_to: wandb is not installed; pip install wandb"):
        pretrain(make_recipe(plan(shards, tmp_path, log_to=["wandb"])))


def test_held_out_documents_are_measured_and_reported(shards, tmp_path):
    seen = []

    def measure(model, tokenizer):
        seen.append(model.training)
        return {"static": 3.0, "normalized": 4.0}

    pretrain(make_recipe(plan(shards, tmp_path, evaluate_every=2)), measure=measure)
    assert seen == [False] * 3
    lines = [json.loads(line) for line in (tmp_path / "held-out.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    report = (tmp_path / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 2
    assert "Perplexity on held-out documents" in report
    assert "tokens/s" in report
