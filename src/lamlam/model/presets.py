"""Model shapes: the paper's four, and a small one for CPUs.

Each is a plain transformers model, so a checkpoint loads with `AutoModelForCausalLM` and is readable by the peer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PretrainedConfig

from lamlam.errors import LamlamError
from lamlam.model.tokenizer import LookupTokenizer


def llama_shape(
    hidden: int, layers: int, heads: int, feed_forward: int, tied: bool = False
) -> Callable[..., LlamaConfig]:
    """A function that makes the configuration of a Llama of this shape; it takes the tokenizer's numbers."""

    def shape(**tokens: Any) -> LlamaConfig:
        return LlamaConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=hidden // heads,
            intermediate_size=feed_forward,
            max_position_embeddings=4096,
            rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            tie_word_embeddings=tied,
            **tokens,
        )

    return shape


def _gpt2(hidden: int, layers: int, heads: int) -> Callable[..., GPT2Config]:
    def shape(**tokens: Any) -> GPT2Config:
        # No dropout: pre-training sees little of its data twice, and a step is then a function of its windows alone.
        return GPT2Config(
            n_embd=hidden, n_layer=layers, n_head=heads, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **tokens
        )

    return shape


PRESETS: dict[str, Callable[..., PretrainedConfig]] = {
    "tiny": llama_shape(hidden=128, layers=4, heads=4, feed_forward=352, tied=True),
    "llama-176m": llama_shape(hidden=512, layers=8, heads=8, feed_forward=11_008),
    "llama-382m": llama_shape(hidden=768, layers=12, heads=12, feed_forward=11_008),
    "gpt2-124m": _gpt2(hidden=768, layers=12, heads=12),
    "gpt2-355m": _gpt2(hidden=1024, layers=24, heads=16),
}
"""Name → a function that makes the configuration; the paper's shapes are those of its released checkpoints."""


def preset_config(name: str, tokenizer: LookupTokenizer) -> PretrainedConfig:
    """The configuration of preset `name` for this tokenizer's vocabulary; LamlamError for an unknown name."""
    if name not in PRESETS:
        raise LamlamError(f"no model preset {name!r}: choose {', '.join(PRESETS)}, or give a checkpoint's folder")
    return _for_tokenizer(PRESETS[name], tokenizer)


def new_model(name: str, tokenizer: LookupTokenizer, seed: int = 0) -> Any:
    """A model of preset `name` in float32, its weights drawn from `seed`."""
    return _drawn(preset_config(name, tokenizer), seed)


def new_llama(tokenizer: LookupTokenizer, seed: int = 0, **shape: Any) -> Any:
    """A Llama of this shape (see `llama_shape`) in float32, its weights drawn from `seed`."""
    return _drawn(_for_tokenizer(llama_shape(**shape), tokenizer), seed)


def _for_tokenizer(make: Callable[..., PretrainedConfig], tokenizer: LookupTokenizer) -> PretrainedConfig:
    return make(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.start_id,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.hf.pad_token_id,
    )


def _drawn(config: PretrainedConfig, seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)
