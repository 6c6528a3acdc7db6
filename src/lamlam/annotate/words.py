"""Texts as words with places, and what can be told of a word without a model of language: the tagger's input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamlam.kb.names import normalise
from lamlam.text import Span

if TYPE_CHECKING:
    from lamlam.annotate.parse import Stretch

_WORD = re.compile(r"\w+(?:[.,:]\d+)*|[^\w\s]")

FEATURES = (
    "capital",
    "all capitals",
    "has a digit",
    "four digits",
    "of the title",
    "said before",
    "quotation mark",
    "bracket",
    "after a sentence's end",
)

PARTS_OF_SPEECH = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SPACE", "SYM", "VERB", "X"),
)
ROLES = (
    *("ROOT", "acl", "acomp", "advcl", "advmod", "agent", "amod", "appos", "attr", "aux", "auxpass", "case", "cc"),
    *("ccomp", "compound", "conj", "csubj", "csubjpass", "dative", "dep", "det", "dobj", "expl", "intj", "mark"),
    *("meta", "neg", "nmod", "npadvmod", "nsubj", "nsubjpass", "nummod", "oprd", "parataxis", "pcomp", "pobj"),
    *("poss", "preconj", "predet", "prep", "prt", "punct", "quantmod", "relcl", "xcomp"),
)
ENTITIES = (
    *("CARDINAL", "DATE", "EVENT", "FAC", "GPE", "LANGUAGE", "LAW", "LOC", "MONEY", "NORP", "ORDINAL", "ORG"),
    *("PERCENT", "PERSON", "PRODUCT", "QUANTITY", "TIME", "WORK_OF_ART"),
)
SIZES = (len(PARTS_OF_SPEECH) + 1, len(ROLES) + 1, 2 * len(ENTITIES) + 1)
"""How many numbers the grammar's marks of a word may have: its part of speech, its role in the sentence, and the kind
of named entity that begins or goes on there. 0 stands for none."""

_POS, _ROLE = ({name: i + 1 for i, name in enumerate(names)} for names in (PARTS_OF_SPEECH, ROLES))
_ENTITY = {name: 2 * i + 1 for i, name in enumerate(ENTITIES)}


def words_of(text: str, start: int = 0) -> list[Span]:
    """Where the words and punctuation marks from `start` on are; numbers like 1,234.5 are one word."""
    return [found.span() for found in _WORD.finditer(text, start)]


def marks_of(text: str, words: Sequence[Span], title: str | None, stretches: Iterable[Stretch]) -> np.ndarray:
    """For every word its `FEATURES` as 0 or 1, and the grammar's marks (`SIZES`): uint8 [words, features + 3]."""
    rows = np.zeros((len(words), len(FEATURES) + len(SIZES)), np.uint8)
    _add_features(rows, text, words, title)
    _add_grammar(rows[:, len(FEATURES) :], words, stretches)
    return rows


def _add_features(rows: np.ndarray, text: str, words: Sequence[Span], title: str | None) -> None:
    of_title = set(normalise(title or "").split())
    said: set[str] = set()
    before = "."
    for row, (start, end) in zip(rows, words, strict=True):
        word = text[start:end]
        lower = word.lower()
        row[: len(FEATURES)] = (
            word[0].isupper(),
            len(word) > 1 and word.isupper(),
            any(char.isdigit() for char in word),
            len(word) == 4 and word.isdigit(),
            lower in of_title,
            lower in said,
            word in "\"'“”‘’",
            word in "()[]",
            before in ".!?",
        )
        said.add(lower)
        before = word


def _add_grammar(rows: np.ndarray, words: Sequence[Span], stretches: Iterable[Stretch]) -> None:
    word = 0
    for offset, parsed in stretches:
        # Both are in the order of the text; a word is marked as the last token that starts in or before it.
        starts = np.array([offset + token.idx for token in parsed])
        end = offset + len(parsed.text)
        while word < len(words) and words[word][0] < end:
            token = parsed[max(0, int(np.searchsorted(starts, words[word][1] - 1, side="right")) - 1)]
            entity = _ENTITY.get(token.ent_type_, 0)
            rows[word] = (
                _POS.get(token.pos_, 0),
                _ROLE.get(token.dep_, 0),
                entity + (entity > 0 and token.ent_iob_ == "I"),
            )
            word += 1
