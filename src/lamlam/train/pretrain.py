"""Pre-training, LmLm or Standard as the shards say. The same function on a CPU, one GPU, or several under torchrun.

    from lamlam.train import load_recipe, pretrain
    pretrain(load_recipe("recipe.yaml", ["steps=100"]))

Which windows a step sees is a function of (seed, step) alone, so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator

from lamlam.atomic import write_beside
from lamlam.corpus import IGNORED, Batch, Windows
from lamlam.errors import LamlamError, Stopped
from lamlam.model import LookupTokenizer, load_model, new_model, save_model
from lamlam.model.presets import PRESETS
from lamlam.train.log import LogLine, TrainingLog
from lamlam.train.loss import SummedLoss
from lamlam.train.optimizer import make_optimizers, set_learning_rate
from lamlam.train.recipe import Recipe, save_recipe
from lamlam.train.state import load_state, save_state


class Result(NamedTuple):
    """A finished run: the model's folder, the steps made, the last logged loss (nats a trained token), seconds."""

    model: Path
    steps: int
    loss: float
    seconds: float


def pretrain(recipe: Recipe, on_log: Callable[[LogLine, int], None] | None = None) -> Result:
    """Train as the recipe says, going on from the run's last state where there is one.

    `on_log(line, steps)` is called whenever a line is logged. Writes into `recipe.output`: `model/` (the checkpoint,
    with `recipe.yaml` in it), `log.jsonl`, `loss.png`, and `state-…/`. SIGINT and SIGTERM save the state and raise
    `Stopped`. LamlamError for bad shards, a state of another run, or a loss that is not a number.
    """
    windows = Windows(recipe.data, recipe.context)
    tokenizer = windows.tokenizer()
    steps = recipe.steps or max(1, math.ceil(recipe.epochs * len(windows) / recipe.batch))
    accelerator = Accelerator()
    _check_division(recipe, accelerator.num_processes)
    model = _start_model(recipe, tokenizer)
    objective = SummedLoss(model)
    optimizers = make_optimizers(model, recipe)
    run = {**recipe.model_dump(mode="json", exclude={"data", "output", "log_every", "save_every", "micro_batch"})}
    run |= {"tokenizer": tokenizer.fingerprint(), "tokens": windows.info.tokens, "kind": windows.info.kind}
    position = load_state(recipe.output, model, optimizers, run)
    objective, *optimizers = accelerator.prepare(objective, *optimizers)
    log = TrainingLog(recipe.output, position.step) if accelerator.is_main_process else None

    def save() -> None:
        if accelerator.is_main_process:
            save_state(recipe.output, position, model, optimizers, run)

    began = time.monotonic() - position.seconds
    with _stop_signals() as stopped:
        while position.step < steps:
            batch = windows.batch(step_windows(windows, recipe, position.step))
            rate = set_learning_rate(optimizers, position.step, steps, recipe.warmup) * recipe.lr
            nats, trained = train_step(accelerator, objective, optimizers, batch, recipe)
            if not math.isfinite(nats):
                raise LamlamError(
                    f"the loss became {nats} at step {position.step + 1}; the last good state is kept in "
                    f"{recipe.output}: lower lr (now {recipe.lr}) or look at the shards {recipe.data}"
                )
            position.step += 1
            position.nats += nats
            position.trained += trained
            position.seconds = time.monotonic() - began
            if log and (position.step % recipe.log_every == 0 or position.step == steps):
                tokens = position.step * recipe.batch * recipe.context
                line = LogLine(position.step, position.nats / position.trained, rate, tokens, position.seconds)
                log.add(line)
                if on_log:
                    on_log(line, steps)
            if position.step % recipe.log_every == 0:
                position.nats, position.trained = 0.0, 0
            if stopped.is_set() or position.step % recipe.save_every == 0 or position.step == steps:
                save()
            if stopped.is_set() and position.step < steps:
                raise Stopped(f"stopped after step {position.step} of {steps}; the same command goes on from there")
    if log:
        log.draw(f"{recipe.model}, {windows.info.kind}")
        _save_result(recipe, model, tokenizer)
    return Result(recipe.output / "model", steps, log.lines[-1].loss if log else math.nan, position.seconds)


def train_step(
    accelerator: Accelerator,
    objective: Any,
    optimizers: list[torch.optim.Optimizer],
    batch: Batch,
    recipe: Recipe,
) -> tuple[float, int]:
    """One optimiser step on a whole batch; returns its summed loss in nats and its trained tokens, over all processes.

    The gradient is that of the mean over all trained tokens of the batch, however it is split into micro-batches and
    processes. A batch in which nothing trains changes nothing.
    """
    trained = int((batch.labels != IGNORED).sum())
    if not trained:
        return 0.0, 0
    micro_batch = (recipe.micro_batch or recipe.batch) // accelerator.num_processes
    mine = slice(accelerator.process_index, None, accelerator.num_processes)
    inputs = torch.from_numpy(batch.inputs[mine]).to(accelerator.device).split(micro_batch)
    labels = torch.from_numpy(batch.labels[mine]).to(accelerator.device).split(micro_batch)
    nats = torch.zeros((), device=accelerator.device)
    for number, (some_inputs, some_labels) in enumerate(zip(inputs, labels, strict=True)):
        last = number == len(inputs) - 1
        with nullcontext() if last else accelerator.no_sync(objective):
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                loss = objective(some_inputs, some_labels)
            # Processes' gradients are averaged, so each counts `num_processes` times.
            accelerator.backward(loss * (accelerator.num_processes / trained))
        nats += loss.detach()
    total = float(accelerator.reduce(nats, reduction="sum"))
    if math.isfinite(total):
        accelerator.clip_grad_norm_(objective.parameters(), recipe.clip)
        for optimizer in optimizers:
            optimizer.step()
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    return total, trained


def step_windows(windows: Windows, recipe: Recipe, step: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of the windows that `step` sees: the next `batch` of the epochs' orders laid end to end."""
    first, stop = step * recipe.batch, (step + 1) * recipe.batch
    epochs = range(first // len(windows), (stop - 1) // len(windows) + 1)
    order = np.concatenate([windows.order(recipe.seed, epoch) for epoch in epochs])
    offset = first - epochs[0] * len(windows)
    return order[offset : offset + recipe.batch]


def _start_model(recipe: Recipe, tokenizer: LookupTokenizer) -> Any:
    if recipe.model in PRESETS or not Path(recipe.model).is_dir():
        return new_model(recipe.model, tokenizer, recipe.seed).train()
    model, its_tokenizer = load_model(recipe.model)
    if its_tokenizer.fingerprint() != tokenizer.fingerprint():
        raise LamlamError(f"{recipe.model} and the shards {recipe.data} have different tokenizers; pack with its own")
    return model.train()


def _check_division(recipe: Recipe, processes: int) -> None:
    if (recipe.micro_batch or recipe.batch) % processes:
        raise LamlamError(f"a batch of {recipe.micro_batch or recipe.batch} cannot be split over {processes} processes")


def _save_result(recipe: Recipe, model: Any, tokenizer: LookupTokenizer) -> None:
    with write_beside(recipe.output / "model") as partial:
        partial.mkdir()
        save_model(model, tokenizer, partial)
        save_recipe(recipe, partial / "recipe.yaml")


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that training ends between steps. Only the main thread may listen."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.signal(number, lambda *_: event.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
