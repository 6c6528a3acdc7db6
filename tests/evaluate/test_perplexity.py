"""Perplexities against values worked out by hand, and against a slow, obvious reference in float64."""

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lamlam.errors import LamlamError
from lamlam.evaluate import Windowing, perplexities, token_nlls
from lamlam.generate import LookupModel
from lamlam.text import Document, Lookup
from tests.evaluate.conftest import TableModel

LOOKUP = Lookup("Ada Lovelace", "Birth Date", "10 December 1815")
ADA = Document.with_lookups("ada", "Ada Lovelace was born on 10 December 1815.", [(25, LOOKUP)])
TWICE = Document.with_lookups("twice", "It was 1815 <|db_return|>.", [(0, LOOKUP), (0, LOOKUP), (26, LOOKUP)])
PLAIN = Document("plain", "Charles Babbage was born in London.")
EMPTY = Document("empty", "")
LONG = Document.with_lookups("long", "Ada was born in London. " * 3, [(9, LOOKUP), (40, LOOKUP)])
DOCUMENTS = [ADA, TWICE, PLAIN, EMPTY, LONG]


def test_by_hand(tokenizer):
    """Lookup tokens have probability 1/8, the end 1/4, and all others share the rest evenly."""
    size = len(tokenizer)
    table = torch.full((size,), (1 - 4 / 8 / 2 - 1 / 4) / (size - 5))
    table[list(tokenizer.lookup_ids)] = 1 / 16
    table[tokenizer.eos_id] = 1 / 4
    assert table.sum().item() == pytest.approx(1)
    word, delimiter, end = math.log(2 * (size - 5)), math.log(16), math.log(4)

    def tokens(text, first=False):
        return len(tokenizer.encode_text(text, first))

    # "Ada … on " [call] " 10 December 1815." end
    plain = tokens("Ada Lovelace was born on 10 December 1815.", True) + 1
    text = tokens("Ada Lovelace was born on ", True) + tokens(" 10 December 1815.")
    query = tokens(" Ada Lovelace") + tokens(" Birth Date")
    result = perplexities(LookupModel(TableModel(table), tokenizer, None), [ADA], split="toy", model="table", seed=5)
    assert result.standard.value == pytest.approx(math.exp(((plain - 1) * word + end) / plain))
    assert result.static.value == pytest.approx(math.exp((text * word + end) / plain))
    assert result.normalized.value == pytest.approx(
        math.exp((text * word + end + query * word + 3 * delimiter) / plain)
    )
    assert (result.tokens, result.text_tokens, result.query_tokens) == (plain, text + 1, query + 3)
    assert result.given_tokens == tokens(" 10 December 1815") + 1
    assert (result.model, result.split, result.seed) == ("table", "toy", 5)


def test_without_calls_the_three_are_one(tokenizer):
    table = torch.full((len(tokenizer),), 1 / len(tokenizer))
    result = perplexities(LookupModel(TableModel(table), tokenizer, None), [PLAIN, EMPTY], split="toy")
    assert result.standard == result.static == result.normalized
    assert result.standard.value == pytest.approx(len(tokenizer))


def random_model(tokenizer):
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 3, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, head_dim=16, max_position_embeddings=64,
        initializer_range=0.4,
    )  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(config).eval()


@torch.inference_mode()
def slow_nlls(model, ids, context, stride):
    """One token at a time, its whole view run for it alone. Token i is scored in the first window that holds it."""
    nlls = []
    for i in range(1, len(ids)):
        begin = 0
        while begin + context < i:  # the window's inputs are begin … begin + context − 1
            begin += stride
        logits = model(torch.tensor([ids[begin:i]])).logits[0, -1]
        nlls.append(-torch.log_softmax(logits, dim=-1)[ids[i]].item())
    return nlls


@pytest.mark.parametrize(("context", "batch_tokens"), [(None, 1), (16, 64), (7, 1000)])
def test_equals_the_slow_reference(tokenizer, context, batch_tokens):
    model, exact = random_model(tokenizer), random_model(tokenizer).double()
    width = context or 64
    stride = max(1, width // 2)
    sums = {"standard": 0.0, "static": 0.0, "normalized": 0.0}
    count = 0
    for document in DOCUMENTS:
        plain = [*tokenizer.encode_text(document.text), tokenizer.eos_id]
        count += len(plain)
        sums["standard"] += sum(slow_nlls(exact, [tokenizer.start_id, *plain], width, stride))
        ids, owners, position, first = [tokenizer.start_id], [], 0, True
        for call in document.calls:
            for owner, piece in (
                ("text", tokenizer.encode_text(("" if first else " ") + document.text[position : call.at], first)),
                ("query", tokenizer.encode_query(call.lookup.entity, call.lookup.relation)),
                ("given", tokenizer.encode_answer(call.lookup.value)),
            ):
                ids += piece
                owners += [owner] * len(piece)
            position, first = call.at, False
        last = tokenizer.encode_text(("" if first else " ") + document.text[position:], first)
        ids += [*last, tokenizer.eos_id]
        owners += ["text"] * (len(last) + 1)
        for owner, nll in zip(owners, slow_nlls(exact, ids, width, stride), strict=True):
            sums["static"] += nll if owner == "text" else 0
            sums["normalized"] += nll if owner != "given" else 0
    lm = LookupModel(model, tokenizer, None)
    result = perplexities(lm, iter(DOCUMENTS), split="test", context=context, batch_tokens=batch_tokens)
    assert (result.tokens, result.context, result.stride) == (count, width, stride)
    for name, total in sums.items():
        assert getattr(result, name).value == pytest.approx(math.exp(total / count), rel=1e-4)


def test_every_token_is_scored_once_however_windows_fall(tokenizer):
    table = torch.rand(len(tokenizer), generator=torch.Generator().manual_seed(0)) + 0.01
    table /= table.sum()
    for length in range(1, 20):
        ids = [(7 * i) % len(tokenizer) for i in range(length)]
        for context in range(1, 8):
            for stride in range(1, context + 1):
                [nlls] = token_nlls(TableModel(table, 8), [ids], Windowing(context, stride), batch_tokens=20)
                assert nlls == pytest.approx([-table[token].log().item() for token in ids[1:]], rel=1e-5)


def test_bad_input(tokenizer):
    table = torch.full((len(tokenizer),), 1 / len(tokenizer))
    lm = LookupModel(TableModel(table), tokenizer, None)
    with pytest.raises(LamlamError, match="held-out: no documents"):
        perplexities(lm, [], split="held-out")
    with pytest.raises(LamlamError, match="choose from 1 to 64"):
        perplexities(lm, [PLAIN], split="held-out", context=65)
    with pytest.raises(LamlamError, match="weights are broken"):
        perplexities(LookupModel(TableModel(table * math.nan), tokenizer, None), [PLAIN], split="held-out")
