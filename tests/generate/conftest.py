"""A small random model that asks all the time, and a base without files."""

import zlib
from collections.abc import Sequence

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

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


def make_model(tokenizer: LookupTokenizer, seed: int, positions: int = 512) -> LlamaForCausalLM:
    """A random model whose output is pushed towards calls, so that every state of a row comes up often."""
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 3,  # some checkpoints have more embeddings than tokens
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=positions,
        initializer_range=0.4,
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config).eval()
    head = torch.nn.Linear(config.hidden_size, config.vocab_size)
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
