"""Small copies between host and device that neither waits for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

_BUFFERS = 4  # a step sends two arrays, and waits for what the step before it has sent


class Staging:
    """Sends arrays of integers to the device, through memory that is locked once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._buffers = [torch.empty(0, dtype=torch.long)] * _BUFFERS
        self._turn = 0

    def send(self, array: npt.NDArray[np.int64], to: torch.Tensor | None = None) -> torch.Tensor:
        """An array on the device, in a new tensor or in `to`, as soon as the device gets there.

        Not more than `_BUFFERS` may be on their way at once.
        """
        if self._device.type != "cuda":
            return torch.from_numpy(array) if to is None else to.copy_(torch.from_numpy(array))
        self._turn = (self._turn + 1) % _BUFFERS
        if self._buffers[self._turn].numel() < array.size:
            self._buffers[self._turn] = torch.empty(2 * array.size, dtype=torch.long, pin_memory=True)
        staged = self._buffers[self._turn][: array.size].view(array.shape)
        staged.numpy()[...] = array
        return staged.to(self._device, non_blocking=True) if to is None else to.copy_(staged, non_blocking=True)


class Landing:
    """Brings the chosen tokens from the device to the host, while the device goes on."""

    def __init__(self, device: torch.device, rows: int) -> None:
        on_gpu = device.type == "cuda"
        self._arrived = torch.cuda.Event() if on_gpu else None
        self._tokens = torch.empty(rows, dtype=torch.long, pin_memory=on_gpu)
        self._count = 0

    def send(self, tokens: torch.Tensor) -> None:
        """Have tokens (int64, shape (rows,)) copied, once those sent before were received."""
        if self._arrived is None:  # they are here
            self._tokens = tokens
            return
        self._count = len(tokens)
        self._tokens[: self._count].copy_(tokens, non_blocking=True)
        self._arrived.record()

    def receive(self) -> npt.NDArray[np.int64]:
        """Wait for the tokens sent last."""
        if self._arrived is None:
            return self._tokens.numpy()
        self._arrived.synchronize()
        return self._tokens[: self._count].numpy().copy()
