"""A small random model that asks all the time, and a base without files."""

import zlib
from collections.abc import Sequence

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from lamlam.kb import Fact, Match
from lamlam.model import LookupTokenizer, train_tokenizer

TEXT = "Ada Lovelace was born on 10 December 1815 in London. She wrote about the engine of Charles Babbage. " * 3


class HashBase:
    """Answers two queries of three, always the same way; keeps what it was asked."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, str]]] = []

    def lookup_many(self, queries: Sequence[tuple[str, str]]) -> list[Match | None]:
        self.batches.append(list(queries))
        return [self._match(*query) for query in queries]

    def _match(self, entity: str, relation: str) -> Match | None:
        number = zlib.crc32(f"{entity}|{relation}".encode())
        value = "London" if number % 2 else "10 December 1815"
        return None if number % 3 == 0 else Match(Fact(entity, relation, value), 1.0, "exact entity, exact relation")


@pytest.fixture(scope="session")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer([TEXT], vocab_size=300)


class Norm(LlamaRMSNorm):
    """As transformers has it, without its detour over float32: in float64 rounding cannot decide what is drawn."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden_states):
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        return self.weight * hidden_states * torch.rsqrt(variance + self.variance_epsilon)


def make_model(tokenizer: LookupTokenizer, seed: int, positions: int = 512) -> LlamaForCausalLM:
    """A random model whose output is pushed towards calls, so that every state of a row comes up often."""
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 3,  # some checkpoints have more embeddings than tokens
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=positions,
        initializer_range=0.4,
    )
    torch.manual_seed(seed)
    model = pushed(LlamaForCausalLM(config).eval(), tokenizer)
    for layer in model.model.layers:
        layer.input_layernorm, layer.post_attention_layernorm = Norm(config), Norm(config)
    model.model.norm = Norm(config)
    return model.double()


def make_gpt2(tokenizer: LookupTokenizer, seed: int) -> GPT2LMHeadModel:
    """A random GPT-2, pushed towards calls."""
    config = GPT2Config(
        vocab_size=len(tokenizer) + 3, n_positions=128, n_embd=32, n_layer=2, n_head=2, initializer_range=0.4
    )
    torch.manual_seed(seed)
    return pushed(GPT2LMHeadModel(config).eval(), tokenizer).double()


def pushed(model, tokenizer: LookupTokenizer):
    head = torch.nn.Linear(model.config.hidden_size, model.config.vocab_size)
    with torch.no_grad():
        head.weight.copy_(model.lm_head.weight)
        head.bias.zero_()
        head.bias[list(tokenizer.lookup_ids)] = 4.0
        head.bias[tokenizer.eos_id] = 1.0
        head.bias[[i for i in range(len(tokenizer)) if tokenizer.is_lone_space(i)]] = 4.0
    model.lm_head = head
    return model


@pytest.fixture(scope="session")
def models(tokenizer: LookupTokenizer) -> list[LlamaForCausalLM]:
    return [make_model(tokenizer, seed) for seed in range(3)]
