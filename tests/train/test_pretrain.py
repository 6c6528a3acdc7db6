import json
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lamlam.corpus import IGNORED, Mixture, Windows, pack
from lamlam.errors import LamlamError, Stopped
from lamlam.model import load_model, new_model, train_tokenizer
from lamlam.train import SummedLoss, make_recipe, pretrain, read_log
from lamlam.train.optimizer import make_optimizers, set_learning_rate
from lamlam.train.pretrain import step_windows
from tests.corpus.test_encode import BYTES, ada


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "lmlm"
    pack([ada()] * 6, folder, BYTES)
    return folder


def recipe(shards, output, **values):
    base = {"model": "tiny", "context": 24, "batch": 4, "steps": 6, "warmup": 2, "lr": 3e-3, "log_every": 1}
    return make_recipe({"data": str(shards), "output": str(output), **base, **values})


def last_state(output):
    [folder] = output.glob("state-*")
    return folder


def weights(output):
    return load_file(output / "model" / "model.safetensors")


def test_the_loss_is_that_of_the_paper(shards):
    """Against a plain float64 reference: the sum of −log p over trained targets, each window a row of its own."""
    windows = Windows(shards, 24)
    batch = windows.batch(np.arange(4))
    model = new_model("tiny", BYTES, seed=3)
    inputs, labels = torch.from_numpy(batch.inputs), torch.from_numpy(batch.labels)
    with torch.no_grad():
        logits = model.double()(inputs).logits
        expected = 0.0
        for row, column in zip(*np.nonzero(batch.labels != IGNORED), strict=True):
            expected -= float(torch.log_softmax(logits[row, column], dim=-1)[batch.labels[row, column]])
        flat = labels.flatten()
        positions = torch.nonzero(flat != IGNORED)[:, 0]
        found = float(SummedLoss(model.float())(inputs, positions, flat[positions]))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_lowers_the_loss_and_leaves_a_checkpoint(shards, tmp_path, optimizer):
    lines = []
    result = pretrain(recipe(shards, tmp_path, optimizer=optimizer, steps=12), lambda line, steps: lines.append(line))
    assert lines == read_log(tmp_path)
    assert [line.step for line in lines] == list(range(1, 13))
    assert lines[-1].tokens == 12 * 4 * 24
    assert result.loss == lines[-1].loss < lines[0].loss - 1
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "model" / "recipe.yaml").is_file()
    _, tokenizer = load_model(result.model)
    assert tokenizer.fingerprint() == BYTES.fingerprint()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(shards, tmp_path, optimizer, number):
    whole, parts = (recipe(shards, tmp_path / name, optimizer=optimizer, log_every=2) for name in ("whole", "parts"))
    pretrain(whole)

    def stop(line, steps):
        if line.step == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=r"stopped after step [23] of 6; the same command goes on"):
        pretrain(parts, stop)
    assert signal.getsignal(number) is before
    assert not (tmp_path / "parts" / "model").exists()
    with (tmp_path / "parts" / "log.jsonl").open("a") as log:
        log.write(
            '{"step": 4, "loss": 0.0, "lr": 0, "tokens": 0, "seconds": 0}\n{"step": 6, "lo'
        )  # killed while logging
    pretrain(parts)
    expected = weights(tmp_path / "whole")
    for name, tensor in weights(tmp_path / "parts").items():
        assert torch.equal(tensor, expected[name]), name
    first, second = (read_log(tmp_path / name) for name in ("whole", "parts"))
    assert [(line.step, line.loss, line.lr) for line in first] == [(line.step, line.loss, line.lr) for line in second]


def test_a_finished_run_is_not_trained_again(shards, tmp_path):
    pretrain(recipe(shards, tmp_path))
    before = (tmp_path / "log.jsonl").read_text()
    result = pretrain(recipe(shards, tmp_path), lambda line, steps: pytest.fail("it trained"))
    assert result.steps == 6
    assert (tmp_path / "log.jsonl").read_text() == before


def test_micro_batches_do_not_change_the_training(shards, tmp_path):
    for name, micro_batch in (("whole", None), ("parts", 1)):
        pretrain(recipe(shards, tmp_path / name, micro_batch=micro_batch))
    losses = [[line.loss for line in read_log(tmp_path / name)] for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_bf16_trains(shards, tmp_path):
    result = pretrain(recipe(shards, tmp_path, precision="bf16"))
    assert result.loss < read_log(tmp_path)[0].loss
    assert weights(tmp_path)["model.norm.weight"].dtype == torch.float32


def test_a_checkpoint_can_be_trained_on(shards, tmp_path):
    first = pretrain(recipe(shards, tmp_path / "first"))
    pretrain(recipe(shards, tmp_path / "second", model=str(first.model)))
    losses = [read_log(tmp_path / name)[0].loss for name in ("first", "second")]
    assert losses[1] < losses[0] - 0.5


def test_each_epoch_sees_each_window_once(shards, tmp_path):
    windows, plan = Mixture([Windows(shards, 24)]), recipe(shards, tmp_path)
    seen = np.concatenate([step_windows(windows, plan, step) for step in range(3 * len(windows))])[: 3 * len(windows)]
    for epoch in seen.reshape(3, len(windows)):
        assert sorted(epoch) == list(range(len(windows)))
    everything = recipe(shards, tmp_path, batch=5 * len(windows))
    assert len(step_windows(windows, everything, 1)) == 5 * len(windows)


def test_epochs_give_the_steps(shards, tmp_path):
    windows = Windows(shards, 24)
    result = pretrain(recipe(shards, tmp_path, steps=None, epochs=0.5))
    assert result.steps == -(-len(windows) // 8)


def test_a_loss_that_is_not_a_number_stops_the_run(shards, tmp_path, monkeypatch):
    pretrain(recipe(shards, tmp_path, save_every=2, steps=2))
    plan = recipe(shards, tmp_path / "run", save_every=2)
    calls = []

    def forward(self, *given):
        calls.append(1)
        loss = original(self, *given)
        return loss * float("nan") if len(calls) == 4 else loss

    original = SummedLoss.forward
    monkeypatch.setattr(SummedLoss, "forward", forward)
    with pytest.raises(
        LamlamError,
        match=r"the loss became nan at step 4, on windows of .*lmlm, shard 00000; the last good state .* lower lr",
    ):
        pretrain(plan)
    assert json.loads((last_state(tmp_path / "run") / "state.json").read_text())["position"]["step"] == 2
    pretrain(plan)
    assert len(read_log(tmp_path / "run")) == 6


def test_a_full_disk_keeps_the_state_before(shards, tmp_path, monkeypatch):
    from lamlam.train import state

    def full(tensors, path):
        raise OSError(28, "No space left on device", str(path))

    plan = recipe(shards, tmp_path, save_every=2)
    save_file = state.save_file
    first = lambda *args: full(*args) if list(tmp_path.glob("state-*")) else save_file(*args)  # noqa: E731
    monkeypatch.setattr(state, "save_file", first)
    with pytest.raises(LamlamError, match="no space left on the disk"):
        pretrain(plan)
    assert json.loads((last_state(tmp_path) / "state.json").read_text())["position"]["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "state-00000002"]
    monkeypatch.undo()
    pretrain(plan)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: (state / "state.json").write_text("{"), "cannot read the state"),
        (lambda state: (state / "state.json").write_text("{}"), "cannot read the state"),
        (lambda state: (state / "optimizers.safetensors").write_bytes(b"torn"), "cannot read the state"),
        (lambda state: (state / "model.safetensors").unlink(), "cannot read the state"),
    ],
)
def test_a_torn_state_is_named(shards, tmp_path, spoil, message):
    pretrain(recipe(shards, tmp_path, steps=1))
    spoil(last_state(tmp_path))
    with pytest.raises(LamlamError, match=f"{message}.*delete it to start over"):
        pretrain(recipe(shards, tmp_path, steps=1))


def test_another_run_is_not_gone_on_with(shards, tmp_path):
    pretrain(recipe(shards, tmp_path, steps=1))
    with pytest.raises(LamlamError, match=r"holds another run \(lr, seed differ\)"):
        pretrain(recipe(shards, tmp_path, steps=1, lr=1e-5, seed=9))


def test_shards_of_another_tokenizer_are_refused(shards, tmp_path):
    first = pretrain(recipe(shards, tmp_path / "first", steps=1))
    pack([ada()], tmp_path / "other", train_tokenizer(["other words"], 270))
    with pytest.raises(LamlamError, match="different tokenizers"):
        pretrain(recipe(tmp_path / "other", tmp_path / "second", model=str(first.model)))


def test_a_context_longer_than_the_model_takes_is_refused(shards, tmp_path):
    with pytest.raises(LamlamError, match="context 5,000: the model takes windows of 4,096 tokens at most"):
        pretrain(recipe(shards, tmp_path, context=5000))


def test_muon_takes_the_matrices_and_adamw_the_rest(shards, tmp_path):
    model = new_model("tiny", BYTES)
    adamw, muon = make_optimizers(model, recipe(shards, tmp_path, optimizer="muon"))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    in_muon = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    in_adamw = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    assert in_muon == {name for name in names.values() if "_proj" in name}
    assert in_muon | in_adamw == set(names.values())
    assert not in_muon & in_adamw
    [only] = make_optimizers(model, recipe(shards, tmp_path))
    assert sum(len(group["params"]) for group in only.param_groups) == len(names)


def test_the_learning_rate_rises_and_falls():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    optimizer.param_groups[0]["peak_lr"] = 2.0
    shares = [set_learning_rate([optimizer], step, 100, 10) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9] == shares[10] == 1.0
    assert sorted(shares[10:], reverse=True) == shares[10:]
    assert shares[55] == pytest.approx(0.5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(2 * shares[-1])
    assert shares[-1] < 0.001
