import json

import pytest
from hypothesis import given
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer, add_lookup_tokens, train_tokenizer
from lamlam.text.tokens import SPECIAL_TOKENS
from tests.text.hostile_documents import strings

TOKENIZER = train_tokenizer(["Ada Lovelace was born on 10 December 1815 in London."] * 3, vocab_size=300)


def plain_tokenizer(*words: str, **special: str) -> PreTrainedTokenizerFast:
    """A tokenizer without lookup tokens, but with these words in its vocabulary."""
    vocabulary = {word: i for i, word in enumerate(["<unk>", "</s>", "a", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


@given(strings)
def test_any_text_comes_back(text):
    ids = TOKENIZER.encode_text(text)
    assert TOKENIZER.decode(ids) == text
    assert TOKENIZER.decode_piece(ids) == text
    assert not set(ids) & {*TOKENIZER.lookup_ids, TOKENIZER.eos_id}
    (piece,) = TOKENIZER.pieces.encode_batch_fast([text], add_special_tokens=False)
    assert piece.ids == TOKENIZER.encode_text(text, first=False)


def test_the_four_tokens_are_the_last_in_their_order():
    size = len(TOKENIZER)
    assert TOKENIZER.lookup_ids == (size - 4, size - 3, size - 2, size - 1)
    assert TOKENIZER.decode(TOKENIZER.lookup_ids) == "<|db_entity|><|db_relationship|><|db_return|><|db_end|>"


def test_years_are_two_tokens_at_most():
    dates = train_tokenizer((f"born in {year}" for year in range(1800, 2000)), vocab_size=600)
    assert all(len(dates.encode_text(f" {year}")) <= 2 for year in range(1800, 2000))


def test_saved_and_loaded_it_is_the_same(tmp_path):
    TOKENIZER.save(tmp_path)
    loaded = LookupTokenizer.load(tmp_path)
    assert loaded.fingerprint() == TOKENIZER.fingerprint()
    assert loaded.lookup_ids == TOKENIZER.lookup_ids
    assert loaded.encode_text("Ada <|db_end|> 1815") == TOKENIZER.encode_text("Ada <|db_end|> 1815")


def test_lookup_tokens_are_added_once():
    added = add_lookup_tokens(plain_tokenizer(eos_token="</s>", unk_token="<unk>"))
    assert added.lookup_ids == (3, 4, 5, 6)
    assert added.start_id == added.eos_id == 1
    again = add_lookup_tokens(added.hf)
    assert again.lookup_ids == added.lookup_ids
    assert len(again) == 7


def test_a_bos_token_starts_documents():
    tokenizer = add_lookup_tokens(plain_tokenizer(eos_token="</s>", bos_token="<unk>"))
    assert (tokenizer.start_id, tokenizer.eos_id) == (0, 1)


def test_a_tokenizer_without_the_four_tokens_is_refused():
    with pytest.raises(LamlamError, match=r"some\.model has no lookup tokens: <\|db_entity\|>, .* add the four"):
        LookupTokenizer(plain_tokenizer(eos_token="</s>"), name="some.model")


def test_a_tokenizer_that_splits_the_four_tokens_is_refused():
    splits = plain_tokenizer(*SPECIAL_TOKENS, eos_token="</s>")  # it has them, but its pre-tokenizer cuts them up
    assert splits.convert_tokens_to_ids(SPECIAL_TOKENS[0]) == 3
    with pytest.raises(LamlamError, match=r"<\|db_end\|> missing or split into pieces"):
        LookupTokenizer(splits)


def test_a_tokenizer_without_an_end_is_refused():
    with pytest.raises(LamlamError, match="no end-of-text token"):
        add_lookup_tokens(plain_tokenizer())


def test_a_vocabulary_has_room_for_all_bytes():
    assert len(train_tokenizer(["a"], 261)) == 261
    with pytest.raises(LamlamError, match="256 bytes and 5 special tokens need 261"):
        train_tokenizer(["a"], 260)


def test_that_of_a_shard_folder(tmp_path):
    made = train_tokenizer(["Ada Lovelace"], 300)
    made.save(tmp_path / "tokenizer")
    loaded = LookupTokenizer.load(tmp_path)
    assert loaded.encode_text("Ada") == made.encode_text("Ada")


def test_what_is_not_a_tokenizer_is_named(tmp_path):
    with pytest.raises(LamlamError, match="no such folder"):
        LookupTokenizer.load(tmp_path / "missing")
    with pytest.raises(LamlamError, match="no tokenizer at"):
        LookupTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": "broken"}))
    with pytest.raises(LamlamError, match="no tokenizer at"):
        LookupTokenizer.load(tmp_path)


def test_a_lone_space_is_told_from_a_word():
    [space] = TOKENIZER.encode_text(" ")
    assert TOKENIZER.is_lone_space(space)
    assert not TOKENIZER.is_lone_space(TOKENIZER.encode_text("a")[0])
    assert not TOKENIZER.is_lone_space(TOKENIZER.end_id)
