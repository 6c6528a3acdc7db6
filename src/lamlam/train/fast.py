"""The same model, faster while it trains: layers compiled, the feed-forward part by other kernels, and nothing computed
in the last layer that trains nothing.

What is saved stays a plain transformers checkpoint, since only methods of the modules in memory are replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaMLP, LlamaModel

from lamlam.train.feed_forward import Kept, feed_forward, has_kernels


def speed_up(model: Any, compiled: bool, recompute: int = 0) -> None:
    """Have a Llama compute its training steps faster: the last layer only as far as tokens train (`TrainedOnly`), and
    other kernels for the feed-forward modules where there are some for its device (bfloat16 only). Any other model is
    compiled only.

    `compiled`: compile the layers with torch.compile, for fixed shapes; one compilation serves all of them.
    `recompute`: of how many feed-forward modules, from the first, the backward pass computes again what gate and up
    gave; the others then keep no more than that. 0 keeps all that is of use.
    """
    if has_kernels(model.device):
        modules = [module for module in model.modules() if isinstance(module, LlamaMLP)]
        for number, module in enumerate(modules):
            if module.config.hidden_act == "silu" and not module.config.mlp_bias:
                keep = Kept.NOTHING if number < recompute else Kept.BEFORE if recompute else Kept.ALL
                module.forward = _InKernels(module, keep)
    *others, last = layers(model)
    trained_only = TrainedOnly(last) if isinstance(last, LlamaDecoderLayer) else None
    if trained_only:
        last.forward = trained_only
    if compiled:
        norm = model.base_model.norm if trained_only else model.base_model.ln_f
        for module in others:
            module.compile(dynamic=False)
        if trained_only:
            trained_only.compile()
        else:
            last.compile(dynamic=False)
        norm.compile(dynamic=bool(trained_only))


def layers(model: Any) -> Any:
    """The layers of a Llama or a GPT-2, in their order."""
    return model.base_model.layers if hasattr(model.base_model, "layers") else model.base_model.h


def hidden_of(
    model: Any, embedded: torch.Tensor, positions: torch.Tensor, position_ids: torch.Tensor | None
) -> torch.Tensor:
    """What a model's output layer is given for some tokens, shape (positions, hidden).

    `embedded`: shape (windows, context, hidden); `positions`: of tokens, counted through all windows.
    """
    last = layers(model)[-1].forward
    with last.of(positions) if isinstance(last, TrainedOnly) else nullcontext():
        if isinstance(model.base_model, LlamaModel) and position_ids is None:
            hidden = _run_layers(model.base_model, embedded)
        else:
            base = model.base_model(inputs_embeds=embedded, position_ids=position_ids, use_cache=False)
            hidden = base.last_hidden_state
    return hidden if hidden.ndim == 2 else hidden.flatten(0, 1).index_select(0, positions)


def _run_layers(base: LlamaModel, hidden: torch.Tensor) -> torch.Tensor:
    """`LlamaModel.forward` for windows that are one text each. The module's own looks at the positions, on the device,
    to find out whether they are, and waits for the answer."""
    places = torch.arange(hidden.shape[1], device=hidden.device)[None]
    turns = base.rotary_emb(hidden, position_ids=places)
    for layer in base.layers:
        hidden = layer(hidden, attention_mask=None, position_embeddings=turns, position_ids=places)
    return base.norm(hidden)  # type: ignore[no-any-return]


class TrainedOnly:
    """`LlamaDecoderLayer.forward` of the last layer. Of what follows its attention, a loss sees the tokens that train
    only: within `of(positions)` nothing else is computed, and the result has shape (positions, hidden)."""

    def __init__(self, layer: LlamaDecoderLayer) -> None:
        self.layer = layer
        self.positions: torch.Tensor | None = None
        self._attend: Callable[..., torch.Tensor] = _attend
        self._feed_forward: Callable[..., torch.Tensor] = _feed_forward

    def compile(self) -> None:
        """Compile both parts; the second for any number of tokens."""
        self._attend = torch.compile(_attend, dynamic=False)
        self._feed_forward = torch.compile(_feed_forward, dynamic=True)

    @contextmanager
    def of(self, positions: torch.Tensor) -> Iterator[None]:
        """Within it, only these tokens, counted through all windows, come out of the model."""
        self.positions = positions
        try:
            yield
        finally:
            self.positions = None

    def __call__(self, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """The layer's result: of all tokens, or of those of `of`."""
        if self.positions is None:
            return LlamaDecoderLayer.forward(self.layer, hidden_states, **kwargs)  # type: ignore[no-any-return]
        attended = self._attend(self.layer, hidden_states, **kwargs)
        return self._feed_forward(self.layer, attended.flatten(0, 1).index_select(0, self.positions))


def _attend(layer: Any, hidden: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    attended: torch.Tensor = layer.self_attn(hidden_states=layer.input_layernorm(hidden), **kwargs)[0]
    return hidden + attended


def _feed_forward(layer: Any, hidden: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = layer.mlp(layer.post_attention_layernorm(hidden))
    return hidden + result


class _InKernels:
    """`LlamaMLP.forward` by other means; outside of autocast, by the module's own."""

    def __init__(self, module: LlamaMLP, keep: Kept) -> None:
        self.module, self.keep = module, int(keep)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        module, device = self.module, x.device.type
        if not torch.is_autocast_enabled(device):
            return LlamaMLP.forward(module, x)  # type: ignore[no-any-return]
        rows = x.flatten(0, -2).to(torch.get_autocast_dtype(device))
        weights = (module.gate_proj.weight, module.up_proj.weight, module.down_proj.weight)
        result: torch.Tensor = feed_forward(rows, *weights, self.keep)[0]
        return result.view(x.shape)
