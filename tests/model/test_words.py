"""Texts encoded word by word get the ids that the tokenizer gives them whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lamlam.model import LookupTokenizer, add_lookup_tokens, train_tokenizer, words
from lamlam.model.words import KnownWords, cuts_before_spaces
from tests.corpus.test_encode import sentencepiece_like

SAMPLE = ["Ada Lovelace was born on 10 December 1815 in London, it  is said.\n\n (Élan vital) 12345 don't"] * 3
OURS = train_tokenizer(SAMPLE, vocab_size=330)


def gpt2_like() -> LookupTokenizer:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(SAMPLE, trainer)
    return add_lookup_tokens(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>"))


GPT2_LIKE = gpt2_like()
# Spaces of several kinds, letters of several scripts, and what patterns treat apart.
pieces = st.sampled_from(
    [*" \n\t\u00a0\u2003aZé中'.,-1٣²", "  ", "don't", " Ada", "<|db_end|>", "\u200b", "\U0001f600"]
)
texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=30) | st.lists(pieces).map("".join), max_size=4)


@settings(max_examples=100)
@given(texts=texts, first=st.booleans())
@pytest.mark.parametrize("tokenizer", [OURS, GPT2_LIKE, sentencepiece_like()], ids=["ours", "gpt2", "sentencepiece"])
def test_word_by_word_is_the_same(tokenizer, texts, first):
    together = [np.frombuffer(ids, np.uint32).tolist() for ids in tokenizer.encode_texts(texts, first)]
    assert together == [tokenizer.encode_text(text, first) for text in texts]


def test_which_tokenizers_are_cut():
    assert cuts_before_spaces(OURS.pieces)
    assert cuts_before_spaces(GPT2_LIKE.pieces)
    assert not cuts_before_spaces(sentencepiece_like().pieces)
    prefixed = Tokenizer.from_str(GPT2_LIKE.pieces.to_str())
    prefixed.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    assert not cuts_before_spaces(prefixed)
    with_words = Tokenizer.from_str(OURS.pieces.to_str())
    with_words.add_tokens(["New York"])
    assert not cuts_before_spaces(with_words)


def test_beyond_its_capacity_nothing_more_is_kept(monkeypatch):
    monkeypatch.setattr(words, "_CAPACITY", 2)
    known = KnownWords(OURS.pieces)
    for text in ("Ada was", "Ada was born in London", "", "in London was Ada"):
        found = [np.frombuffer(ids, np.uint32).tolist() for ids in known.encode([text, "Ada"])]
        assert found == [OURS.encode_text(text), OURS.encode_text("Ada")]
    assert len(known._ids) == 2
