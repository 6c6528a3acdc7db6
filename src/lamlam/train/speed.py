"""How fast a training step is, against the peer's step and the plain compiled model, on one device in one run.

All take the same windows of made-up tokens with calls in them (12 % of the tokens are values and closing tokens, as in
the peer's corpus), from the same first weights; the loss of each one's first step is told, and has to agree.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from transformers import AutoModelForCausalLM

from lamlam.corpus import IGNORED, Batch
from lamlam.errors import LamlamError
from lamlam.model.presets import PRESETS
from lamlam.train.engine import Later, is_out_of_memory
from lamlam.train.fast import speed_up
from lamlam.train.flops import datasheet_peak, flops_per_token, measured_peak, synchronize
from lamlam.train.loss import SummedLoss
from lamlam.train.optimizer import make_optimizers
from lamlam.train.peer import LookupIds, peer_step
from lamlam.train.recipe import make_recipe
from lamlam.train.step import train_step

WORDS, IDS = 32_004, LookupIds(returned=32_002, end=32_003, end_of_text=2)
_CALL = 57
"""Tokens from one call to the next: 7 of them, a value of 6 and the closing token, do not train."""
Step = Callable[[], float]


@dataclass(frozen=True)
class Speed:
    """One contestant. `memory`: bytes at the peak, of a step of one micro-batch; `first_loss`: nats a trained token."""

    name: str
    tokens_per_second: float
    utilisation: float | None
    of_product: float
    memory: int | None
    first_loss: float


@dataclass(frozen=True)
class Speeds:
    """The contestants on one device. `product`: operations a second of a large matrix product in the same run."""

    model: str
    device: str
    context: int
    windows: int
    micro_batch: int
    their_micro_batch: int
    recompute: int
    processes: int
    flops_per_token: float
    product: float
    results: list[Speed]

    def ratio(self, name: str, to: str) -> float | None:
        """How many times the tokens a second of `to` are those of `name`; None where one was not measured."""
        rates = {speed.name: speed.tokens_per_second for speed in self.results}
        return rates[name] / rates[to] if name in rates and to in rates else None

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {"task": "speed train", "version": 1, **asdict(self)}


def measure_training(
    preset: str,
    contestants: tuple[str, ...] = ("ours", "plain", "peer"),
    *,
    windows: int = 128,
    micro_batch: int | None = None,
    their_micro_batch: int | None = None,
    context: int = 1024,
    steps: int = 4,
    seed: int = 0,
    precision: str = "bf16",
    recompute: int = 0,
) -> Speeds:
    """Measure `contestants` at a preset's shape: "ours", "peer", "plain" (transformers' model compiled, with
    ready-made labels). `windows`: in an optimiser step; `micro_batch`: of these in a forward pass of ours (all if
    None); `their_micro_batch`: of the others (as ours if None), since each is fastest at another; `recompute`: of how
    many layers we compute the feed-forward again in the backward pass, to save memory.

    Under torchrun, "ours" runs on all processes, and the rate is that of all together.
    """
    makers: dict[str, Any] = {"ours": partial(_ours, recompute=recompute), "plain": _plain, "peer": _peer}
    accelerator = Accelerator()
    device, processes = accelerator.device, accelerator.num_processes
    share = micro_batch or windows
    their_share = their_micro_batch or share
    _check(preset, contestants, tuple(makers), precision, context)
    for size in (share, their_share):
        if windows % size:
            raise LamlamError(f"a micro-batch of {size} windows does not divide a step of {windows}")
    if processes > 1 and (contestants != ("ours",) or share % processes):
        raise LamlamError(
            f"{processes} processes share micro-batches of ours: --only ours, in multiples of {processes}"
        )
    on_gpu = device.type == "cuda"
    product = measured_peak(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    batch = made_up_batch(windows, context, seed)
    results = []
    flops = 0.0
    for name in contestants:
        own = share if name == "ours" else their_share
        model = _model(preset, seed, device)
        flops = flops_per_token(model, context)
        make = makers[name](accelerator, model, context, precision)
        try:
            rate, memory, first = _timed(make, batch, own, steps, device)
        except Exception as error:
            if is_out_of_memory(error):
                fault = f"too little memory for {name} in micro-batches of {own} windows; give smaller ones"
                raise LamlamError(fault) from error
            raise
        peak = datasheet_peak(device)
        done = rate * flops / processes
        results.append(Speed(name, rate, done / peak if peak else None, done / product, memory, first))
        del make, model
        accelerator.free_memory()
        torch.compiler.reset()
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()
    device_name = torch.cuda.get_device_name(device) if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    sizes = (context, windows, share, their_share, recompute, processes)
    return Speeds(preset, device_name, *sizes, flops, product, results)


def _check(preset: str, contestants: tuple[str, ...], known: tuple[str, ...], precision: str, context: int) -> None:
    for name in contestants:
        if name not in known:
            raise LamlamError(f"no contestant {name!r}: choose {', '.join(known)}")
    if preset not in PRESETS:
        raise LamlamError(f"no model preset {preset!r}: choose {', '.join(PRESETS)}")
    if precision not in ("bf16", "fp32"):
        raise LamlamError(f"no precision {precision!r}: choose bf16 or fp32")
    longest = PRESETS[preset](vocab_size=WORDS).max_position_embeddings
    if context > longest:
        raise LamlamError(f"{preset} takes windows of {longest:,} tokens at most, not {context:,}")


def _timed(
    make: Callable[[Batch, int], Step], batch: Batch, micro_batch: int, steps: int, device: torch.device
) -> tuple[float, int | None, float]:
    """Tokens a second, bytes at the peak of one micro-batch on a GPU, and the loss of the first step."""
    step = make(batch, micro_batch)
    first = step()  # compiles
    memory = None
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        make(Batch(*(part[:micro_batch] for part in batch[:2])), micro_batch)()
        memory = torch.cuda.max_memory_allocated()
    step()
    synchronize(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return steps * batch.inputs.size / (time.perf_counter() - began), memory, first


def made_up_batch(windows: int, context: int, seed: int = 0) -> Batch:
    """Windows of tokens as frequent as words are, a call every 57 tokens."""
    tokens = _tokens(windows, context, seed)
    place = np.arange(context + 1) % _CALL
    # place 0 is the token that asks for the value, 1 to 6 the value, 7 the closing token
    labels = np.where((place >= 1) & (place <= 7), IGNORED, tokens)[:, 1:]
    return Batch(np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(labels))


def _tokens(windows: int, context: int, seed: int) -> npt.NDArray[np.int64]:
    # The first three ids are the special tokens of a Llama.
    tokens = 3 + (31_997 * np.random.default_rng(seed).random((windows, context + 1)) ** 4).astype(np.int64)
    place = np.arange(context + 1) % _CALL
    tokens[:, place == 0], tokens[:, place == 7] = IDS.returned, IDS.end
    return tokens


def _model(preset: str, seed: int, device: torch.device) -> Any:
    config = PRESETS[preset](vocab_size=WORDS, bos_token_id=1, eos_token_id=2, pad_token_id=2)
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(device).train()


def _ours(
    accelerator: Accelerator, model: Any, context: int, precision: str, recompute: int
) -> Callable[[Batch, int], Step]:
    plan = {"data": ".", "output": ".", "context": context, "precision": precision}
    speed_up(model, accelerator.device.type == "cuda", recompute)
    objective, *optimizers = accelerator.prepare(SummedLoss(model), *make_optimizers(model, make_recipe(plan)))

    def make(batch: Batch, micro_batch: int) -> Step:
        recipe = make_recipe({**plan, "batch": len(batch.inputs), "micro_batch": micro_batch})
        launched: deque[Later] = deque()

        def step() -> float:
            nats, trained = train_step(accelerator, objective, optimizers, batch, recipe)
            launched.append(Later(nats))
            # As in a training, the loss of a step is read when the next one is launched.
            return (launched[0] if len(launched) == 1 else launched.popleft()).read() / trained

        return step

    return make


def _plain(accelerator: Accelerator, model: Any, context: int, precision: str) -> Callable[[Batch, int], Step]:
    device = accelerator.device
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, fused=True)
    run = torch.compile(model) if device.type == "cuda" else model

    def make(batch: Batch, micro_batch: int) -> Step:
        inputs, labels = (torch.from_numpy(part).to(device) for part in batch[:2])

        def step() -> float:
            total = torch.zeros((), device=device)
            parts = list(zip(inputs.split(micro_batch), labels.split(micro_batch), strict=True))
            for some, targets in parts:
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                    loss = run(input_ids=some, labels=targets, shift_labels=targets, use_cache=False).loss / len(parts)
                loss.backward()
                total += loss.detach()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return float(total)

        return step

    return make


def _peer(accelerator: Accelerator, model: Any, context: int, precision: str) -> Callable[[Batch, int], Step]:
    # Before transformers 5.20 it had the older name.
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, fused=True)

    def make(batch: Batch, micro_batch: int) -> Step:
        tokens = torch.from_numpy(_tokens(len(batch.inputs), context, 0)).to(accelerator.device)
        return lambda: float(peer_step(model, optimizer, tokens, micro_batch, IDS))

    return make
