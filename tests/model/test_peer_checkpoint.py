"""Checkpoints of the peer's shape: a Llama-2 tokenizer of 32,000 pieces, and the four tokens at 32000 to 32003."""

import pytest
from hypothesis import given
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaTokenizer

from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer, load_model
from lamlam.text.tokens import SPECIAL_TOKENS
from tests.model.peer_tokenizer import FORMS, PIECES, peer, vocabulary
from tests.text.hostile_documents import strings

PEER = "is the <|db_entity|> Ko Itakura<|db_relationship|> Position<|db_return|> center-back<|db_end|> center-back"


@pytest.mark.parametrize("form", FORMS)
def test_the_four_tokens_are_the_last_and_a_call_is_written_as_the_format_says(form, tmp_path):
    tokenizer = peer(form)
    assert tokenizer.lookup_ids == (32_000, 32_001, 32_002, 32_003)
    assert (len(tokenizer), tokenizer.start_id, tokenizer.eos_id) == (32_004, 1, 2)
    query, answer = tokenizer.encode_query("Ko Itakura", "Position"), tokenizer.encode_answer("center-back")
    ids = [*tokenizer.encode_text("is the "), *query, *answer, *tokenizer.encode_text(" center-back", first=False)]
    assert tokenizer.decode(ids) == PEER
    if form != "legacy normalizer":  # which writes a space twice after each special token, and not back again
        assert tokenizer.hf(PEER, add_special_tokens=False).input_ids == ids
    tokenizer.save(tmp_path)
    loaded = LookupTokenizer.load(tmp_path)
    assert loaded.encode_query("Ko Itakura", "Position") == query


@pytest.mark.parametrize("form", FORMS)
@given(strings)
def test_any_piece_comes_back(form, text):
    tokenizer = peer(form)
    piece = text.replace("▁", "_")  # which this kind of tokenizer cannot tell from a space
    assert tokenizer.decode_piece(tokenizer.encode_text(piece, first=False)) == piece
    spaced = f" {piece}"
    assert tokenizer.decode_piece(tokenizer.encode_text(spaced, first=False)) == spaced
    assert not set(tokenizer.encode_text(piece)) & set(tokenizer.lookup_ids)


@pytest.mark.parametrize("how", ["split", "plain pieces", "one missing"])
def test_a_tokenizer_without_four_whole_tokens_is_refused_in_one_line(how, tmp_path):
    pieces, merges = vocabulary()
    if how == "plain pieces":  # in the vocabulary, but no text is ever read as them
        pieces = {piece: number for piece, number in pieces.items() if number < PIECES - 4}
        pieces |= {token: PIECES - 4 + number for number, token in enumerate(SPECIAL_TOKENS)}
    tokenizer = LlamaTokenizer(vocab=pieces, merges=merges)
    if how == "one missing":
        tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL_TOKENS[:3])})
    tokenizer.save_pretrained(tmp_path)
    AutoModelForCausalLM.from_config(
        LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    ).save_pretrained(tmp_path)
    with pytest.raises(LamlamError, match="missing or split into pieces") as raised:
        load_model(tmp_path)
    assert "\n" not in str(raised.value)
    assert ("<|db_end|>" in str(raised.value), "<|db_entity|>" in str(raised.value)) == (True, how != "one missing")
