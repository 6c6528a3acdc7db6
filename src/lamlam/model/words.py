"""Many texts encoded by looking most of their words up, for tokenizers that cut a text before each of its spaces.

Byte-level tokenizers (ours, GPT-2's) cut a text by a pattern first, and encode each part alone. Their patterns always
cut before a space that a visible character follows. So what lies between two such places has the same ids wherever it
stands, and is encoded once: most words of a corpus were seen before. Only spaces before visible ASCII characters are
used, about which patterns, and tables of Unicode, cannot differ.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Sequence
from itertools import chain, filterfalse
from typing import Any

from tokenizers import Tokenizer

WORDS = r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The pattern of our own tokenizers: words, and groups of up to three digits, each with the space before it; the rest
in runs."""
_CUT = re.compile(r"(?= [!-~])")
_CAPACITY = 1_000_000
"""Words that are kept, at some 200 bytes each; a corpus's frequent ones are among the first million."""


class KnownWords:
    """A byte-level tokenizer's words and their ids, as they are met."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        self._ids: dict[str, bytes] = {}

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """The ids of each text, as the tokenizer itself gives them, as the bytes of uint32."""
        cut = [_CUT.split(text) for text in texts]
        found = [self._known(words) for words in cut]
        words = chain.from_iterable(words for words, ids in zip(cut, found, strict=True) if ids is None)
        new = list(set(filterfalse(self._ids.__contains__, words)))
        encodings = self._backend.encode_batch_fast(new, add_special_tokens=False)
        fresh = {word: array("I", encoding.ids).tobytes() for word, encoding in zip(new, encodings, strict=True)}
        if len(self._ids) + len(fresh) <= _CAPACITY:
            self._ids |= fresh
        return [
            b"".join(fresh[word] if word in fresh else self._ids[word] for word in words) if ids is None else ids
            for words, ids in zip(cut, found, strict=True)
        ]

    def _known(self, words: list[str]) -> bytes | None:
        """The ids of words that were all met before; None where one is new."""
        try:
            return b"".join(map(self._ids.__getitem__, words))
        except KeyError:
            return None


def cuts_before_spaces(backend: Tokenizer) -> bool:
    """Whether a tokenizer is one of those that `KnownWords` is for."""
    state = json.loads(backend.to_str())
    return (
        state["normalizer"] is None
        and state["model"]["type"] == "BPE"
        and all(token["special"] for token in state["added_tokens"])  # others are looked for in the whole text
        and _cuts(state["pre_tokenizer"])
    )


def _cuts(step: dict[str, Any] | None) -> bool:
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return True
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        }:
            return bool(pattern == WORDS)
    return False
