"""The paper's objective: next-token cross-entropy over the tokens that train, and nothing else in sum or count.

The output layer and the cross-entropy are one step that goes through the tokens in chunks and makes the gradients on
the way, so that the logits (tokens × vocabulary) never exist as a whole.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from lamlam.train.fast import hidden_of
from lamlam.train.feed_forward import has_kernels

_LOGITS_AT_ONCE = {"cuda": 1 << 28, "cpu": 1 << 22}
"""A GPU wants large matrix products, a CPU what stays in its caches."""
_LEAST_TOKENS = 128
"""In a chunk, so that the gradient of the output layer is not read and written too often."""
_COLUMNS = {"cuda": 64, "cpu": 1}
"""Rows on a GPU have to begin at multiples of 16 bytes for its fast products; rows of 32,004 words do not."""


class SummedLoss(torch.nn.Module):
    """A causal LM whose forward pass returns the *sum* of −log p(target) over the tokens that train, in nats.

    The caller divides by the number of trained tokens in the whole batch, all micro-batches and processes together, so
    that how densely a text is marked up does not move the scale of the loss. It is a module, so that whatever wraps
    one (data parallelism, compilation) wraps the loss as well.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        inputs: torch.Tensor,
        positions: torch.Tensor,
        targets: torch.Tensor,
        position_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """`inputs`: int64, shape (windows, context). `positions`: int64, which of its tokens, counted through, have a
        target that trains; `targets`: int64, those targets. `position_ids`: as `inputs`, where documents are kept
        apart: each begins at 0, and sees itself only. Returns a float64 scalar.
        """
        device = inputs.device.type
        embedded = self.model.get_input_embeddings()(inputs)
        if torch.is_autocast_enabled(device):
            # What flows from layer to layer is then in autocast's dtype too.
            embedded = embedded.to(torch.get_autocast_dtype(device))
        trained = hidden_of(self.model, embedded, positions, position_ids)
        return linear_cross_entropy(trained, self.model.get_output_embeddings().weight, targets)


def linear_cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The sum of −log softmax(hidden · weightᵀ)[target], in nats, as a float64 scalar.

    `hidden`: shape (tokens, hidden); `weight`: (vocabulary, hidden); `targets`: int64, (tokens,). Matrix products are
    computed in autocast's dtype where it is on; the softmax, its sum and the gradient of `weight` in float32.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    with torch.autocast(device, enabled=False):
        loss: torch.Tensor = _LinearCrossEntropy.apply(hidden.to(dtype), weight, targets)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Makes both gradients while it has a chunk's logits; the backward pass only scales them."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        device, words = hidden.device, len(weight)
        matrix = torch.nn.functional.pad(weight.to(hidden.dtype), (0, 0, 0, -words % _COLUMNS.get(device.type, 1)))
        rows = max(_LEAST_TOKENS, _LOGITS_AT_ONCE.get(device.type, 1 << 22) // len(matrix))
        wanted = any(ctx.needs_input_grad)
        grad_hidden = torch.empty_like(hidden) if wanted else None
        grad_matrix = None
        total = torch.zeros((), dtype=torch.float64, device=device)
        for begin in range(0, len(hidden), rows):
            some = hidden[begin : begin + rows]
            logits = some @ matrix.t()
            logits[:, words:] = -torch.inf  # padding has no probability, and no gradient
            nats, grad = _loss_and_gradient(device, logits.dtype)(logits, targets[begin : begin + rows])
            total += nats
            if grad_hidden is not None:
                torch.mm(grad, matrix, out=grad_hidden[begin : begin + rows])
                grad_matrix = _plus_product(grad_matrix, grad.t(), some)
        grad_weight = torch.zeros_like(weight) if grad_matrix is None else grad_matrix[:words].to(weight.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * scale.to(grad_hidden.dtype), grad_weight * scale.to(grad_weight.dtype), None


def _plus_product(total: torch.Tensor | None, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`total` (None: nothing yet) plus `left` · `right`, in float32 at least; `total` is changed."""
    if total is not None and total.dtype == left.dtype:
        return total.addmm_(left, right)
    if left.is_cuda and left.dtype in (torch.bfloat16, torch.float16):
        product = torch.mm(left, right, out_dtype=torch.float32)
    else:
        product = (left @ right).to(torch.promote_types(left.dtype, torch.float32))
    return product if total is None else total.add_(product)


def _softmax_loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss of a chunk, float64, and its gradient by the logits, in their dtype."""
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
    total = torch.logsumexp(scores, dim=1, keepdim=True)
    of_target = torch.gather(scores, 1, targets[:, None])
    words = torch.arange(logits.shape[1], device=logits.device)
    grad = torch.exp(scores - total) - (words == targets[:, None]).to(scores.dtype)
    return (total - of_target).double().sum(), grad.to(logits.dtype)


def _softmax_loss_on_cpu(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same without a compiler, in few passes over a chunk that stays in the caches: the logits are overwritten."""
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = torch.arange(len(targets))
    of_target = scores[rows, targets]
    highest = scores.amax(dim=1, keepdim=True)
    grad = scores.sub_(highest).exp_()
    total = grad.sum(dim=1, keepdim=True)
    nats = (highest + total.log())[:, 0] - of_target
    grad.div_(total)[rows, targets] -= 1
    return nats.double().sum(), grad.to(logits.dtype)


def _softmax_loss_in_place(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by QuACK, which reads each logit once and writes the gradient in its place."""
    from quack.cross_entropy import cross_entropy_fwd_out

    nats = torch.empty(len(logits), dtype=torch.float32, device=logits.device)
    cross_entropy_fwd_out(logits, targets, None, nats, None, logits, None)
    return nats.double().sum(), logits


@cache
def _loss_and_gradient(device: torch.device, dtype: torch.dtype) -> Any:
    if has_kernels(device) and dtype == torch.bfloat16:
        return _softmax_loss_in_place
    return torch.compile(_softmax_loss, dynamic=True) if device.type == "cuda" else _softmax_loss_on_cpu
