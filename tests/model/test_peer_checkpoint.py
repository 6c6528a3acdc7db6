"""Checkpoints of the peer's shape: a Llama-2 tokenizer of 32,000 pieces, and the four tokens at 32000 to 32003."""

import json
from functools import cache

import pytest
import torch
from hypothesis import given
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaTokenizer, PreTrainedTokenizerFast

from lamlam.errors import LamlamError
from lamlam.generate import LookupModel
from lamlam.kb import Fact
from lamlam.model import LookupTokenizer, add_lookup_tokens, load_model
from lamlam.text.tokens import SPECIAL_TOKENS
from tests.text.hostile_documents import strings

PIECES = 32_000
TEXT = ["Ko Itakura was born on 27 January 1997. Position: center-back. Ada Lovelace, Birth Date, London"] * 5
PEER = "is the <|db_entity|> Ko Itakura<|db_relationship|> Position<|db_return|> center-back<|db_end|> center-back"
FORMS = ["metaspace", "legacy metaspace", "legacy normalizer"]


@cache
def _vocabulary():
    """Pieces of a SentencePiece-like BPE with byte fallback, as Llama-2's, filled up to its size; and its merges."""
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    model = json.loads(backend.to_str())["model"]
    vocabulary = model["vocab"] | {f"filler{number}": number for number in range(len(model["vocab"]), PIECES)}
    return vocabulary, [tuple(merge) for merge in model["merges"]]


@cache
def peer(form: str) -> LookupTokenizer:
    """The tokenizer in the ways in which one is written down: today's, with `legacy` set, and as a `tokenizer.json`."""
    vocabulary, merges = _vocabulary()
    if form != "legacy normalizer":
        return add_lookup_tokens(LlamaTokenizer(vocab=vocabulary, merges=merges, legacy=form == "legacy metaspace"))
    backend = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return add_lookup_tokens(PreTrainedTokenizerFast(tokenizer_object=backend, **names))


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


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_of_the_peers_shape_loads_and_generates(form, tmp_path, kb_with_ko):
    tokenizer = peer(form)
    config = LlamaConfig(
        vocab_size=32_004, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=4096, rope_theta=1e4, rms_norm_eps=1e-5, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # a model that asks as soon as it may, and closes what it has opened
        model.lm_head.weight[list(tokenizer.lookup_ids)] *= 0
    model.save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    loaded, its = load_model(tmp_path)
    assert loaded.get_input_embeddings().num_embeddings == 32_004
    lm = LookupModel(loaded, its, kb_with_ko)
    (query,) = [its.encode_query("Ko Itakura", "Position")]
    row = lm.generate(["Ko Itakura is the "], max_new_tokens=12)[0]
    assert row.prompt == "Ko Itakura is the "
    prompt = [*its.encode_text("Ko Itakura is the"), *query[:-1]]
    assert its.decode(prompt).endswith("<|db_entity|> Ko Itakura<|db_relationship|> Position")


@pytest.fixture
def kb_with_ko(tmp_path_factory):
    from lamlam.kb import KnowledgeBase

    with KnowledgeBase.open(tmp_path_factory.mktemp("base") / "facts.db", create=True) as kb:
        kb.add([Fact("Ko Itakura", "Position", "center-back")])
        yield kb


@pytest.mark.parametrize("how", ["split", "plain pieces", "one missing"])
def test_a_tokenizer_without_four_whole_tokens_is_refused_in_one_line(how, tmp_path):
    vocabulary, merges = _vocabulary()
    if how == "plain pieces":  # in the vocabulary, but no text is ever read as them
        vocabulary = {piece: number for piece, number in vocabulary.items() if number < PIECES - 4}
        vocabulary |= {token: PIECES - 4 + number for number, token in enumerate(SPECIAL_TOKENS)}
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=merges)
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
