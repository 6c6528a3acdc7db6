"""A document's token ids are those of its token form, and its mask leaves out values and closing tokens, no more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lamlam.corpus import encode_document, encode_documents, tokenizer_texts
from lamlam.model import LookupTokenizer, add_lookup_tokens, train_tokenizer
from lamlam.text import Document, Lookup, render
from tests.text.hostile_documents import documents

BYTES = train_tokenizer(["Ada Lovelace was born on 10 December 1815 in London."] * 3, vocab_size=300)


def sentencepiece_like() -> LookupTokenizer:
    """A tokenizer that puts a space before the first piece of an input, and only there, with its own start token."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend.train_from_iterator(
        ["Ada Lovelace was born on 10 December 1815 in London, it is said."] * 3,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False),
    )
    return add_lookup_tokens(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>"))


def ada() -> Document:
    text = "Ada Lovelace was born on 10 December 1815 in London, it is said."
    return Document.with_lookups(
        "ada",
        text,
        [
            (0, Lookup("Lovelace", "First Name", "Ada")),
            (25, Lookup("Ada Lovelace", "Birth Date", "10 December 1815")),
            (45, Lookup("Ada Lovelace", "Birth Place", "London")),
            (45, Lookup("Ada Lovelace", "City", "London")),
            (len(text), Lookup("Ada", "Empty", "")),
        ],
    )


def slow_mask(ids: list[int], tokenizer: LookupTokenizer) -> list[bool]:
    """From each return token's successor up to the closing token, nothing trains; everything else does."""
    trained, inside = [], False
    for token in ids:
        trained.append(not inside)
        inside = (inside or token == tokenizer.return_id) and token != tokenizer.end_id
    return trained


@pytest.mark.parametrize("tokenizer", [BYTES, sentencepiece_like()], ids=["bytes", "sentencepiece-like"])
def test_ids_are_those_of_the_token_form(tokenizer):
    document = ada()
    encoded = encode_document(document, tokenizer)
    assert encoded.ids[-1] == tokenizer.eos_id
    assert encoded.ids[:-1] == tokenizer.hf.encode(render(document, "tokens"), add_special_tokens=False)
    assert encoded.trained == slow_mask(encoded.ids, tokenizer)


@pytest.mark.parametrize("tokenizer", [BYTES, sentencepiece_like()], ids=["bytes", "sentencepiece-like"])
def test_standard_sees_the_plain_text(tokenizer):
    document = ada()
    encoded = encode_document(document, tokenizer, "standard")
    assert encoded.ids == [*tokenizer.hf.encode(document.text, add_special_tokens=False), tokenizer.eos_id]
    assert all(encoded.trained)


@given(documents())
@settings(max_examples=300)
def test_hostile_text_never_becomes_a_delimiter(document):
    encoded = encode_document(document, BYTES)
    special = [token for token in encoded.ids if token in BYTES.lookup_ids]
    assert special == list(BYTES.lookup_ids) * len(document.calls)
    assert encoded.trained == slow_mask(encoded.ids, BYTES)
    parts, position = [], 0
    for call in document.calls:
        entity, relation, value = call.lookup
        parts.append(document.text[position : call.at])
        parts.append(f"<|db_entity|> {entity}<|db_relationship|> {relation}<|db_return|> {value}<|db_end|> ")
        position = call.at
    assert BYTES.decode(encoded.ids[:-1]) == "".join(parts) + document.text[position:]


@given(documents())
def test_a_value_has_the_same_tokens_wherever_it_stands(document):
    encoded = encode_document(document, BYTES)
    position = 0
    for call in document.calls:
        start = encoded.ids.index(BYTES.return_id, position) + 1
        position = encoded.ids.index(BYTES.end_id, start) + 1
        assert encoded.ids[start:position] == BYTES.encode_answer(call.lookup.value)


def test_tokenizer_texts_hold_the_parts_of_calls():
    assert list(tokenizer_texts([ada()]))[:4] == [ada().text, " Lovelace", " First Name", " Ada"]


@given(several=st.lists(documents(), max_size=4), kind=st.sampled_from(["lmlm", "standard"]))
@pytest.mark.parametrize("tokenizer", [BYTES, sentencepiece_like()], ids=["bytes", "sentencepiece"])
def test_many_documents_are_encoded_as_each_alone(tokenizer, several, kind):
    alone = [encode_document(document, tokenizer, kind) for document in several]
    together = encode_documents(several, tokenizer, kind)
    assert [(ids.tolist(), trained.tolist()) for ids, trained in together] == alone
