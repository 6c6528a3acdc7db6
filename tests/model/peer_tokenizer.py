"""Tokenizers of the form of Llama-2's, with the peer's four tokens, made here: none can be downloaded for a test."""

import json
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

from lamlam.model import LookupTokenizer, add_lookup_tokens

PIECES = 32_000
TEXT = ["Ko Itakura was born on 27 January 1997. Position: center-back. Ada Lovelace, Birth Date, London"] * 5
FORMS = ["metaspace", "legacy metaspace", "legacy normalizer"]


@cache
def vocabulary():
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
    pieces, merges = vocabulary()
    if form != "legacy normalizer":
        return add_lookup_tokens(LlamaTokenizer(vocab=pieces, merges=merges, legacy=form == "legacy metaspace"))
    backend = Tokenizer(models.BPE(pieces, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return add_lookup_tokens(PreTrainedTokenizerFast(tokenizer_object=backend, **names))
