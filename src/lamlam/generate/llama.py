"""Llama's forward over slots, on the weights of a transformers model: fewer and larger steps than its own forward.

Plain PyTorch; on a CPU for few tokens NumPy (`lamlam.generate.few`), and the likeliest token without all logits
(`lamlam.generate.output`); on a GPU with Triton, kernels of its own, replayed from CUDA graphs
(`lamlam.generate.graphs`).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import linear, rms_norm, silu
from transformers import LlamaForCausalLM

from lamlam.generate.attention import SHORT, Plan
from lamlam.generate.compiling import COMPILES
from lamlam.generate.few import FewTokens
from lamlam.generate.output import Rounded, Scores, Whole
from lamlam.generate.slots import Feed, SlotCache

if TYPE_CHECKING:
    from lamlam.generate.compiled_layers import CompiledTokens
    from lamlam.generate.graphs import Graphs

_ROPES = ("default", "linear", "llama3", "yarn")  # those whose angles depend on the position alone

FEW_TOKENS, FEW_ROWS = 32, 4
"""How many tokens, of how many rows, NumPy takes on a CPU: with more, PyTorch's larger operations are faster."""


COMPILED_TOKENS, FEW_THREADS = 128, 4
"""How many tokens go through what Numba has compiled, where it is installed; and beside how many threads of PyTorch its
one is faster for any number of rows."""


class Layer:
    """One layer's weights; those that are multiplied with the same input in one matrix."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._sources = [attention.q_proj, attention.k_proj, attention.v_proj], [mlp.gate_proj, mlp.up_proj]
        self.qkv, self.gate_up = (torch.cat([part.weight for part in parts]) for parts in self._sources)
        self.out, self.down = attention.o_proj.weight, mlp.down_proj.weight
        self.input_norm, self.post_norm = layer.input_layernorm.weight, layer.post_attention_layernorm.weight

    def refresh(self) -> None:
        """Copy the weights again, in place."""
        for matrix, parts in zip((self.qkv, self.gate_up), self._sources, strict=True):
            torch.cat([part.weight for part in parts], out=matrix)


class LlamaForward:
    """Runs feeds through a `LlamaForCausalLM`. `slots`: how many rows may run at once."""

    def __init__(self, model: LlamaForCausalLM, slots: int) -> None:
        config = model.config
        self.model, self.device, self.dtype = model, model.device, model.dtype
        self.vocabulary = int(config.vocab_size)
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.width, self.eps = model.model.layers[0].self_attn.head_dim, config.rms_norm_eps
        self.scale = model.model.layers[0].self_attn.scaling
        window = int(config.max_position_embeddings)
        self.slots = slots
        self.cache = SlotCache(
            len(model.model.layers), slots, self.kv_heads, self.width, window, self.dtype, self.device
        )
        self._stamp = self._versions()
        self.layers = [Layer(layer) for layer in model.model.layers]
        positions = torch.arange(window, device=self.device).unsqueeze(0)
        # Half of each: the second half repeats the first.
        cos, sin = model.model.rotary_emb(torch.zeros(1, dtype=torch.float32, device=self.device), positions)
        self.cos, self.sin = (part[0, :, : self.width // 2].to(self.dtype).contiguous() for part in (cos, sin))
        self.graphs: Graphs | None = None
        if self.device.type == "cuda" and find_spec("triton") is not None:
            from lamlam.generate.graphs import Graphs

            self.graphs = Graphs(self)
        self.overlaps = self.graphs is not None
        plain = self.device.type == "cpu" and self.dtype in (torch.float32, torch.float64)
        self._few = FewTokens(self) if plain else None
        self._compiled: CompiledTokens | None = None
        if plain and COMPILES:
            from lamlam.generate.compiled_layers import CompiledTokens

            self._compiled = CompiledTokens(self)
        head = model.lm_head
        self._rounded = Rounded(head.weight, head.bias) if Rounded.runs(head.weight) else None

    @staticmethod
    def runs(model: Any) -> bool:
        """Whether this forward does what the model's own does: a plain Llama, as transformers makes it."""
        if type(model) is not LlamaForCausalLM:
            return False
        config = model.config
        rope = (config.rope_parameters or {}).get("rope_type", "default")
        linears = [
            module for layer in model.model.layers for module in layer.modules() if isinstance(module, nn.Linear)
        ]
        return (
            config.hidden_act == "silu"
            and rope in _ROPES
            and len({parameter.dtype for parameter in model.parameters()}) == 1
            and len(linears) == 7 * len(model.model.layers)
            and all(type(module) is nn.Linear and module.bias is None for module in linears)
            and type(model.lm_head) is nn.Linear
            and not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
        )

    def refresh(self) -> None:
        """Take over weights that were changed in place."""
        if (stamp := self._versions()) != self._stamp:
            self._stamp = stamp
            for layer in self.layers:
                layer.refresh()
            if self._rounded is not None:
                self._rounded.refresh()

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        """Run the tokens and give the last hidden states of `feed.ends`; shape (ends, hidden)."""
        if self.cache.reserve(int(feed.positions.max()) + 1) and self.graphs is not None:
            self.graphs.forget()
        if self.graphs is not None:
            return self.graphs.run(feed, chosen)
        small = self._small(feed)
        hidden = self._trunk(feed) if small is None else torch.from_numpy(small.run(feed))
        return hidden[torch.from_numpy(feed.ends).to(self.device)] if feed.runs else hidden

    def _small(self, feed: Feed) -> CompiledTokens | FewTokens | None:
        """What runs a feed better than PyTorch, if anything does."""
        tokens, few = len(feed.tokens), feed.singles + len(feed.runs) <= FEW_ROWS
        if self._compiled is not None and tokens <= COMPILED_TOKENS and (few or torch.get_num_threads() <= FEW_THREADS):
            return self._compiled
        return self._few if few and tokens <= FEW_TOKENS else None

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """As `Forward.logits`."""
        return linear(hidden, self.model.lm_head.weight, self.model.lm_head.bias)

    def scores(self, hidden: torch.Tensor) -> Scores:
        """As `Forward.scores`."""
        return Whole(self.logits(hidden)) if self._rounded is None else self._rounded.scores(hidden)

    def _trunk(self, feed: Feed) -> torch.Tensor:
        """The last hidden state of every token; shape (tokens, hidden)."""
        plan = Plan(feed, self.dtype, self.device, SHORT)
        tokens = len(feed.tokens)
        x = self.model.model.embed_tokens.weight[torch.from_numpy(feed.tokens).to(self.device)]
        cos, sin = self.cos[plan.positions].unsqueeze(1), self.sin[plan.positions].unsqueeze(1)
        rotated = self.heads + self.kv_heads
        for number, layer in enumerate(self.layers):
            normed = rms_norm(x, x.shape[-1:], layer.input_norm, self.eps)
            qkv = linear(normed, layer.qkv).view(tokens, -1, self.width)
            first, second = qkv[:, :rotated].chunk(2, dim=-1)
            qk = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
            keys, values = self.cache.keys[number], self.cache.values[number]
            keys[plan.slots, :, plan.positions] = qk[:, self.heads :]
            values[plan.slots, :, plan.positions] = qkv[:, rotated:]
            seen = plan.attend(qk[:, : self.heads], keys, values, self.scale)
            x.addmm_(seen.reshape(tokens, -1), layer.out.t())
            normed = rms_norm(x, x.shape[-1:], layer.post_norm, self.eps)
            gate, up = linear(normed, layer.gate_up).chunk(2, dim=-1)
            x.addmm_(silu(gate) * up, layer.down.t())
        return rms_norm(x, x.shape[-1:], self.model.model.norm.weight, self.eps)

    def _versions(self) -> list[int]:
        return [parameter._version for parameter in self.model.parameters()]
