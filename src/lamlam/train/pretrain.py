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
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lamlam.atomic import write_beside
from lamlam.corpus import Batch, Mixture, Windows
from lamlam.errors import LamlamError, Stopped
from lamlam.model import LookupTokenizer, load_model, new_llama, new_model, save_model
from lamlam.model.presets import PRESETS
from lamlam.train.engine import Later, is_out_of_memory, make_accelerator, memory_in_use
from lamlam.train.fast import layers, speed_up
from lamlam.train.flops import datasheet_peak, flops_per_token
from lamlam.train.log import LogLine, TrainingLog
from lamlam.train.loss import SummedLoss
from lamlam.train.optimizer import make_optimizers, set_learning_rate
from lamlam.train.recipe import Recipe, save_recipe
from lamlam.train.report import write_report
from lamlam.train.state import load_state, save_state
from lamlam.train.step import train_step, windows_that_fit

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Measure = Callable[[Any, LookupTokenizer], dict[str, float]]
"""What measures a model on held-out documents: (model, tokenizer) → a perplexity by each name."""

# What may differ between a run and its continuation: where it lies, how it is shown, how the work is cut and shared.
_FREE = {
    *("data", "output", "log_every", "save_every", "log_to", "micro_batch", "recompute", "compiled", "device"),
    *("parallel", "held_out", "held_out_base", "held_out_documents", "evaluate_every"),
}


class Result(NamedTuple):
    """A finished run: the model's folder, the steps made, the last logged loss (nats a trained token), seconds."""

    model: Path
    steps: int
    loss: float
    seconds: float


class _Launched(NamedTuple):
    """A step whose loss may still be under way."""

    windows: Numbers
    rate: float
    nats: Later
    trained: int


def pretrain(
    recipe: Recipe, on_log: Callable[[LogLine, int], None] | None = None, measure: Measure | None = None
) -> Result:
    """Train as the recipe says, going on from the run's last state where there is one.

    `on_log(line, steps)` is called whenever a line is logged; `measure` every `evaluate_every` steps and at the end.
    Writes into `recipe.output`: `model/` (the checkpoint, with `recipe.yaml` in it), the logs, curves, `report.html`,
    and `state-…/`. SIGINT and SIGTERM save the state and raise `Stopped`. LamlamError for bad shards, a context that is
    too long for the model, a state of another run, a loss that is not a number, or too little memory.
    """
    return _Run(recipe, on_log, measure).finish()


class _Run:
    def __init__(self, recipe: Recipe, on_log: Callable[[LogLine, int], None] | None, measure: Measure | None) -> None:
        self.recipe, self.on_log, self.measure = recipe, on_log, measure
        apart = recipe.documents == "apart"
        shares = [source.share for source in recipe.data if source.share is not None]
        self.windows = Mixture([Windows(one.path, recipe.context, apart) for one in recipe.data], shares or None)
        self.tokenizer = self.windows.tokenizer()
        self.steps = recipe.steps or max(1, math.ceil(recipe.epochs * len(self.windows) / recipe.batch))
        self.model = _start_model(recipe, self.tokenizer)
        longest = int(self.model.config.max_position_embeddings)
        if recipe.context > longest:
            raise LamlamError(f"context {recipe.context:,}: the model takes windows of {longest:,} tokens at most")
        self.accelerator = make_accelerator(recipe, type(layers(self.model)[0]).__name__)
        self.device = self.accelerator.device
        self.model.to(self.device)
        if apart:
            # On a GPU flex_attention skips what lies in other documents; elsewhere a mask says so.
            self.model.set_attn_implementation("flex_attention" if self.device.type == "cuda" else "sdpa")
        compiled = self.device.type == "cuda" if recipe.compiled is None else recipe.compiled
        speed_up(self.model, compiled, recipe.recompute)
        optimizers = make_optimizers(self.model, recipe)
        self.objective, *self.optimizers = self.accelerator.prepare(SummedLoss(self.model), *optimizers)
        self.identity = {**recipe.model_dump(mode="json", exclude=_FREE), "shares": self.windows.taken}
        self.identity |= {"tokenizer": self.tokenizer.fingerprint(), "tokens": self.windows.tokens}
        self.identity |= {"kind": self.windows.kind}
        self.position = load_state(recipe.output, self.objective, self._inner(), self.identity)
        self.log = TrainingLog(recipe.output, self.position.step) if self.accelerator.is_main_process else None
        if recipe.log_to:
            self.accelerator.init_trackers("lamlam")
        self.launched: deque[_Launched] = deque()
        self.began = time.monotonic() - self.position.seconds
        self.flops = flops_per_token(self.model, recipe.context)
        self.last = (self.position.step, time.monotonic())

    def finish(self) -> Result:
        recipe, position = self.recipe, self.position
        with _stop_signals() as stopped:
            while position.step + len(self.launched) < self.steps:
                self._launch(position.step + len(self.launched))
                # On a GPU the loss of a step is read while the next one runs.
                self._settle(keep=1 if self.device.type == "cuda" else 0)
                step = position.step + len(self.launched)
                if stopped.is_set() or any(self._due(step, every) for every in (recipe.log_every, recipe.save_every)):
                    self._settle()
                if self.measure and self._due(step, recipe.evaluate_every):
                    self._settle()
                    self._measure()
                if stopped.is_set() or self._due(step, recipe.save_every):
                    self._save()
                if stopped.is_set() and step < self.steps:
                    raise Stopped(f"stopped after step {step} of {self.steps}; the same command goes on from there")
        if self.log:
            self._draw()
            with write_beside(recipe.output / "model") as partial:
                partial.mkdir()
                self._save_model(partial)
        elif recipe.parallel == "fsdp2":
            self.accelerator.get_state_dict(self.objective)  # every process takes part in putting weights together
        if recipe.log_to:
            self.accelerator.end_training()
        loss = self.log.lines[-1].loss if self.log else math.nan
        return Result(recipe.output / "model", self.steps, loss, position.seconds)

    def _launch(self, step: int) -> None:
        numbers = step_windows(self.windows, self.recipe, step)
        batch = self.windows.batch(numbers)
        rate = set_learning_rate(self.optimizers, step, self.steps, self.recipe.warmup) * self.recipe.lr
        try:
            nats, trained = train_step(self.accelerator, self.objective, self.optimizers, batch, self.recipe)
        except Exception as error:
            if is_out_of_memory(error):
                raise self._too_large(batch) from error
            raise
        self.launched.append(_Launched(numbers, rate, Later(nats), trained))

    def _settle(self, keep: int = 0) -> None:
        """Read the losses of launched steps, all but the last `keep`."""
        position, recipe = self.position, self.recipe
        while len(self.launched) > keep:
            windows, rate, later, trained = self.launched.popleft()
            nats = later.read()
            if not math.isfinite(nats):
                shards = self.windows.sources(windows)
                where = "; ".join(shards[:3]) + (f" and {len(shards) - 3} more" if len(shards) > 3 else "")
                raise LamlamError(
                    f"the loss became {nats} at step {position.step + 1}, on windows of {where}; the last good state "
                    f"is kept in {recipe.output}: lower lr (now {recipe.lr}) or look at those shards"
                )
            position.step += 1
            position.nats += nats
            position.trained += trained
            position.seconds = time.monotonic() - self.began
            if self._due(position.step, recipe.log_every):
                self._log(rate)
            if position.step % recipe.log_every == 0:
                position.nats, position.trained = 0.0, 0

    def _log(self, rate: float) -> None:
        position, recipe = self.position, self.recipe
        step, now = self.last
        self.last = (position.step, time.monotonic())
        taken = max(self.last[1] - now, 1e-9) / (position.step - step)
        tokens_a_second = recipe.batch * recipe.context / taken
        peak = datasheet_peak(self.device)
        line = LogLine(
            step=position.step,
            loss=position.nats / max(1, position.trained),
            lr=rate,
            tokens=position.step * recipe.batch * recipe.context,
            seconds=position.seconds,
            rate=tokens_a_second,
            utilisation=self.flops * tokens_a_second / (peak * self.accelerator.num_processes) if peak else None,
            memory=memory_in_use(self.device),
            left=taken * (self.steps - position.step),
        )
        if recipe.log_to:
            values = {name: value for name, value in line._asdict().items() if value is not None}
            self.accelerator.log(values, step=line.step)
        if self.log:
            self.log.add(line)
            if self.on_log:
                self.on_log(line, self.steps)

    def _measure(self) -> None:
        """On the main process; on all of them where each holds a part of the weights only."""
        if not self.measure or not (self.log or self.recipe.parallel == "fsdp2"):
            return
        self.model.eval()
        with torch.compiler.set_stance("force_eager"):  # its batches have other shapes than those compiled for
            values = self.measure(self.model, self.tokenizer)
        self.model.train()
        if self.recipe.log_to:
            self.accelerator.log({f"held-out/{name}": value for name, value in values.items()}, self.position.step)
        if self.log:
            self.log.measure(self.position.step, values)
            if self.log.lines:
                self._draw()

    def _draw(self) -> None:
        if self.log:
            self.log.draw(f"{self.recipe.model}, {self.windows.kind}")
            write_report(self.recipe, self.windows.kind, self.steps, self.log)

    def _save(self) -> None:
        args = (self.recipe.output, self.position, self.objective, self._inner(), self.identity)
        save_state(*args, writes=self.accelerator.is_main_process)

    def _save_model(self, folder: Path) -> None:
        if self.recipe.parallel == "fsdp2":
            prefix = "model."
            state = self.accelerator.get_state_dict(self.objective)
            weights = {name.removeprefix(prefix): value for name, value in state.items()}
            self.model.save_pretrained(str(folder), state_dict=weights)
            self.tokenizer.save(folder)
        else:
            save_model(self.model, self.tokenizer, folder)
        save_recipe(self.recipe, folder / "recipe.yaml")

    def _inner(self) -> list[torch.optim.Optimizer]:
        return [optimizer.optimizer for optimizer in self.optimizers]

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.steps

    def _too_large(self, batch: Batch) -> LamlamError:
        tried = self.recipe.micro_batch or self.recipe.batch
        fits = windows_that_fit(self.accelerator, self.objective, batch, self.recipe)
        if not fits:
            return LamlamError(
                "too little memory for a single window; use a smaller context or model, or a larger device"
            )
        return LamlamError(f"too little memory for a micro_batch of {tried}; {fits} would fit: set micro_batch={fits}")


def step_windows(windows: Mixture, recipe: Recipe, step: int) -> Numbers:
    """The numbers of the windows that `step` sees: the next `batch` of the epochs' orders laid end to end."""
    first, stop = step * recipe.batch, (step + 1) * recipe.batch
    epochs = range(first // len(windows), (stop - 1) // len(windows) + 1)
    order = np.concatenate([windows.order(recipe.seed, epoch) for epoch in epochs])
    offset = first - epochs[0] * len(windows)
    return order[offset : offset + recipe.batch]


def _start_model(recipe: Recipe, tokenizer: LookupTokenizer) -> Any:
    if recipe.shape:
        return new_llama(tokenizer, recipe.seed, **recipe.shape.model_dump()).train()
    if recipe.model in PRESETS or not Path(recipe.model).is_dir():
        return new_model(recipe.model, tokenizer, recipe.seed).train()
    model, its_tokenizer = load_model(recipe.model)
    if its_tokenizer.fingerprint() != tokenizer.fingerprint():
        folder = recipe.data[0].path
        raise LamlamError(f"{recipe.model} and the shards {folder} have different tokenizers; pack with its own")
    return model.train()


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
