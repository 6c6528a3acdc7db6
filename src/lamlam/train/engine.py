"""The engine underneath, accelerate's: which device, how many processes, in what way they share the work."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, FullyShardedDataParallelPlugin

from lamlam.errors import LamlamError
from lamlam.train.recipe import Recipe

_PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}


def make_accelerator(recipe: Recipe, layer_class: str) -> Accelerator:
    """The accelerator of a run. `layer_class`: the class of the model's layers, which `fsdp2` shards one by one.

    LamlamError for a GPU that is asked for and missing, a batch that the processes cannot share, or a place to log to
    that is not installed.
    """
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise LamlamError(
            "device cuda, but PyTorch sees no GPU here: set device=auto to train on the CPU, or install a build of "
            "PyTorch with CUDA and look at nvidia-smi"
        )
    missing = [name for name in recipe.log_to if find_spec(_PACKAGES[name]) is None]
    if missing:
        raise LamlamError(f"log_to: {', '.join(missing)} is not installed; pip install {' '.join(missing)}")
    plugin = None
    if recipe.parallel == "fsdp2":
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=[layer_class],
            cpu_ram_efficient_loading=False,
        )
    accelerator = Accelerator(
        cpu=recipe.device == "cpu",
        fsdp_plugin=plugin,
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
        log_with=list(recipe.log_to) or None,
        project_dir=str(recipe.output),
    )
    share, processes = recipe.micro_batch or recipe.batch, accelerator.num_processes
    if share % processes:
        raise LamlamError(f"a batch of {share} cannot be split over {processes} processes")
    return accelerator


def memory_in_use(device: torch.device) -> float:
    """GiB at the peak so far: of the GPU or, without one, of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's, or the machine's, memory was too small."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


class Later:
    """A number on its way from the device: it can be read once what was launched before it is done, without waiting for
    what was launched since."""

    def __init__(self, value: torch.Tensor) -> None:
        self._value = value
        self._event = torch.cuda.Event() if value.is_cuda else None
        if self._event is not None:
            self._value = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            self._value.copy_(value, non_blocking=True)
            self._event.record()

    def read(self) -> float:
        """The number."""
        if self._event is not None:
            self._event.synchronize()
        return float(self._value)
