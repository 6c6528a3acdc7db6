"""One optimiser step: micro-batches, gradients over all processes, clipping. Nothing in it waits for the GPU."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator

from lamlam.corpus import IGNORED, Batch
from lamlam.train.engine import is_out_of_memory
from lamlam.train.recipe import Recipe


def train_step(
    accelerator: Accelerator,
    objective: Any,
    optimizers: list[torch.optim.Optimizer],
    batch: Batch,
    recipe: Recipe,
) -> tuple[torch.Tensor, int]:
    """One optimiser step on a whole batch; returns its summed loss in nats, a float64 scalar still on the device, and
    its trained tokens, both over all processes.

    The gradient is that of the mean over all trained tokens of the batch, however it is split into micro-batches and
    processes. A batch in which nothing trains changes nothing.
    """
    device, processes = accelerator.device, accelerator.num_processes
    nats = torch.zeros((), dtype=torch.float64, device=device)
    trained = int((batch.labels != IGNORED).sum())
    if not trained:
        return nats, 0
    share = (recipe.micro_batch or recipe.batch) // processes
    mine = slice(accelerator.process_index, None, processes)
    parts = [part[mine] for part in (batch.inputs, batch.labels)]
    begins = range(0, len(parts[0]), share)
    for begin in begins:
        inputs, labels = (part[begin : begin + share] for part in parts)
        position_ids = None if batch.position_ids is None else batch.position_ids[mine][begin : begin + share]
        last = begin == begins[-1]
        with nullcontext() if last else accelerator.no_sync(objective):
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                loss = objective(*_on_device(inputs, labels, position_ids, device))
            # Processes' gradients are averaged, so each counts `num_processes` times.
            accelerator.backward(loss * (processes / trained))
        nats += loss.detach()
    accelerator.clip_grad_norm_(objective.parameters(), recipe.clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return accelerator.reduce(nats, reduction="sum"), trained


def _on_device(
    inputs: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    position_ids: npt.NDArray[np.int64] | None,
    device: torch.device,
) -> list[torch.Tensor | None]:
    """Inputs, the positions that train, their targets, and the position ids, as `SummedLoss` takes them.

    Where labels train is found here: on the device it would have to be waited for.
    """
    flat = labels.ravel()
    positions = np.flatnonzero(flat != IGNORED)
    arrays = (np.ascontiguousarray(inputs), positions, flat[positions], position_ids)
    return [None if array is None else _move(torch.from_numpy(array), device) for array in arrays]


def _move(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    # From pinned memory the copy is made while the device works.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def windows_that_fit(accelerator: Accelerator, objective: Any, batch: Batch, recipe: Recipe) -> int:
    """The largest micro-batch under the one that did not fit that can be run and divides the batch; 0 where none can.

    For use after memory ran out: gradients are thrown away.
    """
    model = accelerator.unwrap_model(objective)
    tried = (recipe.micro_batch or recipe.batch) // accelerator.num_processes
    for windows in (
        size for size in range(tried - 1, 0, -1) if (recipe.batch // accelerator.num_processes) % size == 0
    ):
        model.zero_grad(set_to_none=True)
        if accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            places = None if batch.position_ids is None else batch.position_ids[:windows]
            arguments = _on_device(batch.inputs[:windows], batch.labels[:windows], places, accelerator.device)
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                model(*arguments).backward()
            fits: int = windows * accelerator.num_processes
            return fits
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    return 0
