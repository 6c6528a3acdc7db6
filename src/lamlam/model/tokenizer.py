"""Tokenizers with the four lookup tokens, and encoding that never mistakes source text for a delimiter.

A `LookupTokenizer` wraps a transformers tokenizer. Training and decoding both encode through it, piece by piece:
text between calls, and the parts of a call. So the same value gets the same tokens in training and at inference, and
`<|db_end|>` typed by somebody into a source text is ordinary characters.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from lamlam.errors import LamlamError
from lamlam.text.tokens import SPECIAL_TOKENS

END_OF_TEXT = "<|endoftext|>"
# Words, and groups of up to three digits, each with the space before it; the rest in runs.
_WORDS = r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class LookupTokenizer:
    """A tokenizer and the ids that decoding turns on.

    `entity_id`, `relation_id`, `return_id`, `end_id`: the four lookup tokens. `start_id`: what stands before a
    document (the tokenizer's bos, or its eos where it has none); `eos_id`: what ends it. Raises LamlamError for a
    tokenizer without the four tokens or without an end-of-text token.
    """

    def __init__(self, tokenizer: Any, name: str = "the tokenizer") -> None:
        missing = [token for token in SPECIAL_TOKENS if not _is_one_token(tokenizer, token)]
        if missing:
            raise LamlamError(
                f"{name} has no lookup tokens: {', '.join(missing)} missing or split into pieces; "
                "add the four with lamlam.model.add_lookup_tokens, or use a checkpoint that was trained with them"
            )
        if tokenizer.eos_token_id is None:
            raise LamlamError(f"{name} has no end-of-text token; set its eos_token")
        self.hf = tokenizer
        self.entity_id, self.relation_id, self.return_id, self.end_id = (
            int(tokenizer.convert_tokens_to_ids(token)) for token in SPECIAL_TOKENS
        )
        self.eos_id = int(tokenizer.eos_token_id)
        self.start_id = int(tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id)
        self._first = _plain_backend(tokenizer, first=True)
        self._rest = _plain_backend(tokenizer, first=False)

    def __len__(self) -> int:
        """The vocabulary's size, added tokens included."""
        return len(self.hf)

    @property
    def lookup_ids(self) -> tuple[int, int, int, int]:
        """The ids of the four lookup tokens, in their order within a call."""
        return (self.entity_id, self.relation_id, self.return_id, self.end_id)

    def encode_text(self, text: str, first: bool = True) -> list[int]:
        """Token ids of plain text; `first` says whether it starts the document (else it follows a call).

        Delimiters in it are ordinary text. No start or end token is added.
        """
        return (self._first if first else self._rest).encode(text, add_special_tokens=False).ids if text else []

    def encode_texts(self, texts: Sequence[str], first: bool = True) -> list[bytes]:
        """`encode_text` for many texts, on all cores: the ids of each as the bytes of uint32."""
        backend = self._first if first else self._rest
        encodings = backend.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = (encoding.ids if text else [] for text, encoding in zip(texts, encodings, strict=True))
        return [array("I", some).tobytes() for some in ids]

    @property
    def pieces(self) -> Tokenizer:
        """What encodes text that follows other tokens, for whoever has many pieces or keeps it beside their ids."""
        return self._rest

    def encode_with_places(self, text: str) -> tuple[list[int], list[int]]:
        """(token ids, the character at which each starts) of plain text that starts a document."""
        encoding = self._first.encode(text, add_special_tokens=False)
        return encoding.ids, [start for start, _ in encoding.offsets]

    def encode_query(self, entity: str, relation: str) -> list[int]:
        """`<|db_entity|> entity<|db_relationship|> relation<|db_return|>` as ids: what the model writes itself."""
        return [
            self.entity_id,
            *self.encode_text(f" {entity}", first=False),
            self.relation_id,
            *self.encode_text(f" {relation}", first=False),
            self.return_id,
        ]

    def encode_answer(self, value: str) -> list[int]:
        """` value<|db_end|>` as ids: what the base puts in, and what never trains."""
        return [*self.encode_text(f" {value}", first=False), self.end_id]

    def decode(self, ids: Sequence[int]) -> str:
        """The characters of `ids`; lookup tokens and the end of text come out as their names."""
        return str(self.hf.backend_tokenizer.decode(list(ids), skip_special_tokens=False))

    def decode_piece(self, ids: Sequence[int]) -> str:
        """The characters of `ids` as they stand after other tokens: a space at their start is kept."""
        return self.decode([self.end_id, *ids]).removeprefix(SPECIAL_TOKENS[3])

    def is_lone_space(self, token: int) -> bool:
        """Whether the token is one space and nothing else, as stands before a call."""
        return self.decode_piece([token]) == " "

    def fingerprint(self) -> str:
        """A hash of everything that decides which ids a text gets; shards and checkpoints are matched by it."""
        state = json.loads(self.hf.backend_tokenizer.to_str())
        for setting in ("truncation", "padding"):
            state.pop(setting, None)
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]

    def save(self, folder: str | Path) -> None:
        """Write the tokenizer's files as transformers does."""
        self.hf.save_pretrained(str(folder))

    @classmethod
    def load(cls, folder: str | Path) -> LookupTokenizer:
        """The tokenizer of a checkpoint or shard folder; only local files are read."""
        if not Path(folder).is_dir():
            raise LamlamError(f"no tokenizer at {folder}: no such folder")
        nested = Path(folder) / "tokenizer"
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(nested if nested.is_dir() else folder), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise LamlamError(f"no tokenizer at {folder}: {str(error).splitlines()[0]}") from error
        return cls(tokenizer, name=str(folder))


def train_tokenizer(texts: Iterable[str], vocab_size: int = 32_004) -> LookupTokenizer:
    """A byte-level BPE tokenizer of `vocab_size` ids, the four lookup tokens last.

    Any text can be encoded, whatever it was trained on. `<|endoftext|>` is id 0, and stands before and after documents.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    smallest = len(alphabet) + 1 + len(SPECIAL_TOKENS)
    if vocab_size < smallest:
        raise LamlamError(f"a vocabulary of {vocab_size} is too small: 256 bytes and 5 special tokens need {smallest}")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        special_tokens=[END_OF_TEXT],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT
    )
    return add_lookup_tokens(tokenizer)


def add_lookup_tokens(tokenizer: Any) -> LookupTokenizer:
    """Append the four lookup tokens to a transformers tokenizer, in their order; those it has already stay."""
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(SPECIAL_TOKENS)}, replace_extra_special_tokens=False
    )
    return LookupTokenizer(tokenizer)


def _is_one_token(tokenizer: Any, token: str) -> bool:
    ids = tokenizer.encode(token, add_special_tokens=False)
    return token in tokenizer.get_added_vocab() and ids[-1:] == [tokenizer.convert_tokens_to_ids(token)]


def _plain_backend(tokenizer: Any, first: bool) -> Tokenizer:
    """A copy of the fast tokenizer that reads special tokens in a text as plain characters.

    SentencePiece-like tokenizers put a space before an input that has none. For a piece that follows a call that must
    not happen, since nothing would take it out again: the copy for such pieces has it switched off. Pieces that begin
    with a space of their own get the same ids with and without.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if not first:
        state["normalizer"] = _unprefixed(state["normalizer"])
        for part in _parts(state["pre_tokenizer"], "pretokenizers"):
            if part.get("prepend_scheme") in ("first", "always"):
                part["prepend_scheme"] = "never"
    backend = Tokenizer.from_str(json.dumps(state))
    backend.no_padding()
    backend.no_truncation()
    backend.encode_special_tokens = True
    return backend


def _parts(component: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """A component of a tokenizer, or the parts of a sequence of them."""
    if component is None:
        return []
    return component[name] if component["type"] == "Sequence" else [component]


def _unprefixed(normalizer: dict[str, Any] | None) -> dict[str, Any] | None:
    """A normalizer without what puts characters before a text."""
    kept = [part for part in _parts(normalizer, "normalizers") if part["type"] != "Prepend"]
    return {"type": "Sequence", "normalizers": kept} if kept else None
