"""The state to go on from: weights, optimiser moments and the step, in safetensors, written beside and renamed."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_file, save_model

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError

STATES = "state-*"
"""The folders, inside a run's output, that hold states: `state-` and the step. Only the last one is kept."""


@dataclass
class Position:
    """Where a run stands: `step` steps are done, and since the last logged step `nats` were summed over `trained`
    tokens. `seconds` is the time spent in training so far."""

    step: int = 0
    nats: float = 0.0
    trained: int = 0
    seconds: float = 0.0


def save_state(
    output: Path, position: Position, model: Any, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]
) -> None:
    """Write the run's state, then remove the one before: at any moment a whole one is there.

    `run` is what has to be the same for going on.
    """
    moments = {
        f"{number}.{parameter}.{name}": value.contiguous()
        for number, optimizer in enumerate(optimizers)
        for parameter, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    folder = output / f"state-{position.step:08d}"
    with write_beside(folder) as partial:
        partial.mkdir()
        save_model(model, str(partial / "model.safetensors"))
        save_file(moments, partial / "optimizers.safetensors")
        (partial / "state.json").write_text(json.dumps({"position": asdict(position), "run": run}))
    for older in set(output.glob(STATES)) - {folder}:
        shutil.rmtree(older)


def load_state(output: Path, model: Any, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]) -> Position:
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
            load_model(model, str(folder / "model.safetensors"))
            _load_moments(folder / "optimizers.safetensors", optimizers)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise LamlamError(f"cannot read the state in {folder} ({error}); delete it to start over") from error
    if differing:
        raise LamlamError(
            f"{output} holds another run ({', '.join(differing)} differ); "
            "give another output folder, or delete this one to start over"
        )
    return position


def _load_moments(path: Path, optimizers: list[torch.optim.Optimizer]) -> None:
    with safe_open(path, "pt") as tensors:
        for number, optimizer in enumerate(optimizers):
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key in tensors.keys():  # noqa: SIM118 - a safetensors file is not a dict
                owner, parameter, name = key.split(".", 2)
                if int(owner) == number:
                    state.setdefault(int(parameter), {})[name] = tensors.get_tensor(key)
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
