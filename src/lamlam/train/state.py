"""The state to go on from: weights, optimiser moments and the step, in safetensors, written beside and renamed.

Tensors are named by their parameter and stored whole, however the run that wrote them spread them over processes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError

STATES = "state-*"
"""The folders, inside a run's output, that hold states: `state-` and the step. Only the last one is kept."""
_ON_FIRST = StateDictOptions(full_state_dict=True, cpu_offload=True)  # the others get nothing to write
_ON_ALL = StateDictOptions(full_state_dict=True)


@dataclass
class Position:
    """Where a run stands: `step` steps are done, and since the last logged step `nats` were summed over `trained`
    tokens. `seconds` is the time spent in training so far."""

    step: int = 0
    nats: float = 0.0
    trained: int = 0
    seconds: float = 0.0


def save_state(
    output: Path,
    position: Position,
    objective: torch.nn.Module,
    optimizers: list[torch.optim.Optimizer],
    run: dict[str, Any],
    writes: bool = True,
) -> None:
    """Write the run's state, then remove the one before: at any moment a whole one is there.

    `run` is what has to be the same for going on. Every process takes part; the one with `writes` writes.
    """
    weights = get_model_state_dict(objective, options=_ON_FIRST)
    moments: Any = get_optimizer_state_dict(objective, optimizers, options=_ON_FIRST)
    if not writes:
        return
    folder = output / f"state-{position.step:08d}"
    with write_beside(folder) as partial:
        partial.mkdir()
        save_file(_apart(weights), partial / "model.safetensors")
        flat = {f"{name}/{key}": value for name, values in moments["state"].items() for key, value in values.items()}
        save_file(_apart(flat), partial / "optimizers.safetensors")
        (partial / "state.json").write_text(json.dumps({"position": asdict(position), "run": run}))
    for older in set(output.glob(STATES)) - {folder}:
        shutil.rmtree(older)


def load_state(
    output: Path, objective: torch.nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]
) -> Position:
    """Load the run's last state into model and optimisers and return where it stands; step 0 where there is none.

    LamlamError where the state belongs to another run (`run` differs) or cannot be read.
    """
    folders = sorted(output.glob(STATES))
    if not folders:
        return Position()
    folder = folders[-1]
    try:
        saved = json.loads((folder / "state.json").read_text())
        position, saved_run = Position(**saved["position"]), saved["run"]
        differing = sorted(key for key in run if saved_run.get(key) != run[key])
        if not differing:
            weights: dict[str, Any] = dict(load_file(folder / "model.safetensors"))
            set_model_state_dict(objective, weights, options=_ON_ALL)
            _load_moments(folder / "optimizers.safetensors", objective, optimizers)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"cannot read the state in {folder} ({reason}); delete it to start over") from error
    if differing:
        raise LamlamError(
            f"{output} holds another run ({', '.join(differing)} differ); "
            "give another output folder, or delete this one to start over"
        )
    return position


def _load_moments(path: Path, objective: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    fresh: Any = get_optimizer_state_dict(objective, optimizers, options=_ON_ALL)
    for name, value in load_file(path).items():
        parameter, key = name.rsplit("/", 1)
        fresh["state"][parameter][key] = value
    set_optimizer_state_dict(objective, optimizers, fresh, options=_ON_ALL)


def _apart(tensors: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Contiguous tensors of which none shares memory with another, as safetensors has to have them."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        own = tensor.contiguous()
        result[name] = own.clone() if own.data_ptr() in seen else own
        seen.add(own.data_ptr())
    return result
