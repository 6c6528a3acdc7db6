"""A tagger of value spans: a small encoder, of which the upper layers are tuned, and one label a word.

The lower layers stay as they came, so in training they are run once (`SpanTagger.lower`) and their states kept. What
an uncased encoder cannot see (capitals, what the title says, what was said before) is added between: `words.FEATURES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lamlam.annotate.words import FEATURES, features, words_of
from lamlam.text import Span

WINDOW, OVERLAP = 256, 32
"""Tokens of a window; words seen again at the start of the next one."""
OUTSIDE, BEGIN, INSIDE = 0, 1, 2
LABELS = 3


class Window(NamedTuple):
    """A stretch of a document as the encoder sees it: `[CLS] title [SEP] words … [SEP]`.

    `ids` are token ids; `firsts[i]` is the position of the first token of word `words[i]` of the document.
    `marks` [tokens][features] are the words' features, at every token of the word.
    """

    ids: list[int]
    firsts: list[int]
    words: list[int]
    marks: list[list[float]]


class SpanTagger(nn.Module):
    """Scores every word of a window as outside, beginning or inside of a value."""

    def __init__(self, encoder: Any, frozen: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.encoder = encoder
        self.frozen = frozen
        hidden = encoder.config.hidden_size
        self.marks = nn.Linear(len(FEATURES), hidden)
        self.top_marks = nn.Linear(len(FEATURES), hidden)
        self.dropout = nn.Dropout(dropout)
        self.mix = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, LABELS)

    def lower(self, ids: Tensor, real: Tensor) -> Tensor:
        """States after the frozen layers, [batch, tokens, hidden]; `ids`, `real` (bool): [batch, tokens]."""
        states: Tensor = self.encoder.embeddings(input_ids=ids)
        for layer in self.encoder.encoder.layer[: self.frozen]:
            states = _run(layer, states, real)
        return states

    def upper(self, states: Tensor, real: Tensor, marks: Tensor) -> Tensor:
        """Scores of the labels at every token, [batch, tokens, 3]."""
        states = states + self.marks(marks)
        for layer in self.encoder.encoder.layer[self.frozen :]:
            states = _run(layer, states, real)
        states = torch.nn.functional.gelu(self.mix(self.dropout(states)) + self.top_marks(marks))
        scores: Tensor = self.head(self.dropout(states))
        return scores


def _run(layer: Any, states: Tensor, real: Tensor) -> Tensor:
    out = layer(states, attention_mask=real[:, None, None, :])
    result: Tensor = out[0] if isinstance(out, tuple) else out
    return result


def windows_of(
    text: str, title: str | None, tokenizer: Any, length: int = WINDOW, overlap: int = OVERLAP
) -> tuple[list[Span], list[Window]]:
    """The words of a text, and windows over them of at most `length` tokens, the last `overlap` words seen again."""
    words = words_of(text)
    if not words:
        return words, []
    marks = features(text, words, title)
    pieces = tokenizer([text[start:end] for start, end in words], add_special_tokens=False)["input_ids"]
    head = [tokenizer.cls_token_id, *tokenizer(title or "", add_special_tokens=False)["input_ids"][:24]]
    head.append(tokenizer.sep_token_id)
    zero = [0.0] * len(FEATURES)
    windows = []
    start = 0
    while True:
        ids, rows = list(head), [zero] * len(head)
        firsts: list[int] = []
        taken: list[int] = []
        for word in range(start, len(words)):
            piece = pieces[word][:16] or [tokenizer.unk_token_id]
            if len(ids) + len(piece) + 1 > length:
                break
            firsts.append(len(ids))
            taken.append(word)
            ids += piece
            rows += [marks[word]] * len(piece)
        ids.append(tokenizer.sep_token_id)
        windows.append(Window(ids, firsts, taken, [*rows, zero]))
        if taken[-1] + 1 >= len(words):
            return words, windows
        start = max(taken[-1] + 1 - overlap, taken[0] + 1)


def collate(windows: Sequence[Window]) -> tuple[Tensor, Tensor, Tensor]:
    """(ids, real, marks) of windows, padded to the longest: [batch, tokens], and [batch, tokens, features]."""
    longest = max(len(window.ids) for window in windows)
    ids = torch.zeros(len(windows), longest, dtype=torch.long)
    real = torch.zeros(len(windows), longest, dtype=torch.bool)
    marks = torch.zeros(len(windows), longest, len(FEATURES))
    for row, window in enumerate(windows):
        length = len(window.ids)
        ids[row, :length] = torch.tensor(window.ids)
        real[row, :length] = True
        marks[row, :length] = torch.tensor(window.marks)
    return ids, real, marks


def gather(length: int, windows: Sequence[Window], scores: Sequence[np.ndarray]) -> np.ndarray:
    """Log-probabilities of the labels at every word, [words, 3]; where windows overlap, half from either."""
    found = np.zeros((length, LABELS), np.float32)
    done = 0
    for window, of_tokens in zip(windows, scores, strict=True):
        first = window.words[0]
        start = first if first == 0 else (first + done) // 2
        for word, token in zip(window.words, window.firsts, strict=True):
            if word >= start:
                found[word] = of_tokens[token]
        done = window.words[-1] + 1
    return found


def spans_in(scores: np.ndarray, words: Sequence[Span], bias: float) -> list[tuple[Span, float]]:
    """The best labelling's spans (characters) with the probability that one begins there.

    `bias` is added to the score of every word outside a span: the lower, the more spans.
    """
    if not len(words):
        return []
    path = _best_path(scores + np.array([bias, 0.0, 0.0], np.float32))
    found: list[tuple[Span, float]] = []
    for word, label in enumerate(path):
        if label == BEGIN:
            found.append((words[word], float(np.exp(scores[word, BEGIN]))))
        elif label == INSIDE:
            (start, _), sure = found[-1]
            found[-1] = ((start, words[word][1]), sure)
    return found


def _best_path(scores: np.ndarray) -> list[int]:
    """The likeliest labels in which INSIDE never follows OUTSIDE (Viterbi)."""
    best = scores[0].copy()
    best[INSIDE] = -np.inf
    back = np.zeros(scores.shape, np.int64)
    for word in range(1, len(scores)):
        anyhow = int(best.argmax())
        within = BEGIN if best[BEGIN] >= best[INSIDE] else INSIDE
        back[word] = (anyhow, anyhow, within)
        best = scores[word] + np.array([best[anyhow], best[anyhow], best[within]])
    path = [int(best.argmax())]
    for word in range(len(scores) - 1, 0, -1):
        path.append(int(back[word, path[-1]]))
    return path[::-1]
