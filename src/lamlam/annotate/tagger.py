"""A tagger of values: a small encoder that scores, at every word, whether a value starts there and how long it is.

An uncased encoder sees neither capitals nor what a parser makes of the sentence; both are added to its input, and again
before the last layer (`words.marks_of`). A stretch's score comes from its first word, its last, and the mean of all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lamlam.annotate.subject import heading_end, title_of
from lamlam.annotate.words import FEATURES, SIZES, marks_of, words_of
from lamlam.text import Document, Span

if TYPE_CHECKING:
    from lamlam.annotate.parse import Stretch

WINDOW, OVERLAP = 384, 48
"""Tokens of a window; words seen again at the start of the next one."""
TITLE, PIECES = 24, 16
"""Tokens of a title, and of a word, at most."""
LONGEST = 12
"""Words of a value at most: 99.5 % of the examples' are no longer."""
NEVER = -1e4
"""A score that makes no chance; infinity would make 0 times infinity in the loss."""


class Window(NamedTuple):
    """A stretch of a document as the encoder sees it: `[CLS] title [SEP] words … [SEP]`.

    `ids` [tokens] are token ids; `word_of` [tokens] is 0, or 1 and the number of the window's word that the token is
    of; `firsts` [words] is where the words begin. The window's first word is the document's word `first`.
    """

    ids: np.ndarray
    word_of: np.ndarray
    firsts: np.ndarray
    marks: np.ndarray
    first: int


class Batch(NamedTuple):
    """Windows padded to the longest: `ids`, `word_of` [batch, tokens]; `firsts` [batch, words]; `marks`
    [batch, words, columns]; `lengths` [batch], the words of each window; `style` [batch]."""

    ids: Tensor
    word_of: Tensor
    real: Tensor
    firsts: Tensor
    marks: Tensor
    lengths: Tensor
    style: Tensor

    def to(self, device: str | torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(part.to(device, non_blocking=True) for part in self))


class _Marks(nn.Module):
    """The marks of a word as a vector."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.features = nn.Linear(len(FEATURES), hidden)
        self.grammar = nn.ModuleList(nn.Embedding(size, hidden) for size in SIZES)
        for table in self.grammar:
            nn.init.normal_(table.weight, std=0.02)  # type: ignore[arg-type]

    def forward(self, marks: Tensor) -> Tensor:
        found: Tensor = self.features(marks[..., : len(FEATURES)].float())
        for column, table in enumerate(self.grammar, len(FEATURES)):
            found = found + table(marks[..., column].long())
        return found


class SpanTagger(nn.Module):
    """Scores, at every word, that no value starts there, and that one of 1 to `LONGEST` words does.

    `style` tells whose manner of marking up is meant, where examples came from several annotators.
    """

    def __init__(self, encoder: Any, styles: int = 1, dropout: float = 0.2, size: int = 192) -> None:
        super().__init__()
        self.encoder = encoder
        hidden = encoder.config.hidden_size
        self.low, self.high = _Marks(hidden), _Marks(hidden)
        self.styles = nn.Embedding(styles, hidden)
        nn.init.zeros_(self.styles.weight)
        self.dropout = nn.Dropout(dropout)
        self.starts, self.ends, self.means = (nn.Linear(hidden, size) for _ in range(3))
        self.long = nn.Embedding(LONGEST, size)
        self.score = nn.Linear(size, 1)
        self.none = nn.Linear(hidden, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Scores [batch, words, 1 + LONGEST]; next to nothing for values that would end after the window."""
        return self.scores_and_states(batch)[0]

    def scores_and_states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The scores, and the encoder's states [batch, tokens, hidden]."""
        rows = torch.arange(len(batch.ids), device=batch.ids.device)[:, None]
        marks = nn.functional.pad(self.low(batch.marks), (0, 0, 1, 0))  # row 0: no word
        inputs = self.encoder.embeddings.word_embeddings(batch.ids) + marks[rows, batch.word_of]
        inputs = inputs + self.styles(batch.style)[:, None]
        states = self.encoder(inputs_embeds=inputs, attention_mask=batch.real.long()).last_hidden_state
        words = self.dropout(states[rows, batch.firsts] + self.high(batch.marks))
        return torch.cat([self.none(words), self._of_lengths(words, batch.lengths)], -1), states

    def _of_lengths(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Scores of the values of 1 to LONGEST words that start at each word."""
        count = words.shape[1]
        start, end, inner = self.starts(words), self.ends(words), self.means(words)
        total = nn.functional.pad(inner.cumsum(1), (0, 0, 1, LONGEST - 1))
        end = nn.functional.pad(end, (0, 0, 0, LONGEST - 1))
        scores = []
        for long in range(1, LONGEST + 1):
            mean = (total[:, long : long + count] - total[:, :count]) / long
            joint = start + end[:, long - 1 : long - 1 + count] + mean + self.long.weight[long - 1]
            scores.append(self.score(self.dropout(nn.functional.gelu(joint))))
        places = torch.arange(count, device=words.device)[None, :, None]
        ends = places + torch.arange(1, LONGEST + 1, device=words.device)
        return torch.cat(scores, -1).masked_fill(ends > lengths[:, None, None], NEVER)


def windows_of(
    document: Document, stretches: Iterable[Stretch], tokenizer: Any, length: int = WINDOW, overlap: int = OVERLAP
) -> tuple[list[Span], list[Window]]:
    """The words of a document (its heading left out), and windows over them of at most `length` tokens.

    The last `overlap` words of a window are seen again at the start of the next.
    """
    text, title = document.text, title_of(document)
    words = words_of(text, heading_end(text))
    if not words:
        return words, []
    marks = marks_of(text, words, title, stretches)
    pieces = tokenizer([text[start:end] for start, end in words], add_special_tokens=False)["input_ids"]
    head = [tokenizer.cls_token_id, *tokenizer(title or "", add_special_tokens=False)["input_ids"][:TITLE]]
    head.append(tokenizer.sep_token_id)
    windows: list[Window] = []
    start = 0
    while True:
        ids, word_of = list(head), [0] * len(head)
        firsts: list[int] = []
        for word in range(start, len(words)):
            piece = pieces[word][:PIECES] or [tokenizer.unk_token_id]
            if len(ids) + len(piece) + 1 > length:
                break
            firsts.append(len(ids))
            ids += piece
            word_of += [len(firsts)] * len(piece)
        ids.append(tokenizer.sep_token_id)
        end = start + len(firsts)
        windows.append(Window(np.array(ids), np.array([*word_of, 0]), np.array(firsts), marks[start:end], start))
        if end >= len(words):
            return words, windows
        start = max(end - overlap, start + 1)


def collate(windows: Sequence[Window], style: int = 0) -> Batch:
    """Windows as one batch."""
    tokens, words = max(len(window.ids) for window in windows), max(len(window.firsts) for window in windows)
    ids = np.zeros((len(windows), tokens), np.int64)
    word_of, real = np.zeros_like(ids), np.zeros_like(ids, bool)
    firsts = np.zeros((len(windows), words), np.int64)
    marks = np.zeros((len(windows), words, len(FEATURES) + len(SIZES)), np.uint8)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        word_of[row, : len(window.ids)] = window.word_of
        real[row, : len(window.ids)] = True
        firsts[row, : len(window.firsts)] = window.firsts
        marks[row, : len(window.firsts)] = window.marks
    lengths = np.array([len(window.firsts) for window in windows])
    arrays = (ids, word_of, real, firsts, marks, lengths, np.full(len(windows), style))
    return Batch(*(torch.from_numpy(array) for array in arrays))


def gather(count: int, windows: Sequence[Window], found: Sequence[np.ndarray]) -> np.ndarray:
    """What was found at the words of each window, at the `count` words of the document.

    Where windows overlap, the first half is the earlier one's.
    """
    joined = np.zeros((count, found[0].shape[1] if found else 1 + LONGEST), np.float32)
    done = 0
    for window, of_words in zip(windows, found, strict=True):
        skip = (done - window.first) // 2 if window.first else 0
        joined[window.first + skip : window.first + len(window.firsts)] = of_words[skip : len(window.firsts)]
        done = window.first + len(window.firsts)
    return joined


class Candidate(NamedTuple):
    """A stretch of words, `first` up to but without `end`, and the chance that it is a value."""

    first: int
    end: int
    chance: float


def candidates_in(chances: np.ndarray, least: float) -> list[Candidate]:
    """All stretches whose chance is above `least`, overlapping or not.

    `chances` [words, 1 + LONGEST] are the probabilities that no value starts there, or one of so many words.
    """
    found = []
    for first, less in np.argwhere(chances[:, 1:] > least).tolist():
        found.append(Candidate(first, first + less + 1, float(chances[first, less + 1])))
    return found


def candidate_at(chances: np.ndarray, words: Sequence[Span], span: Span) -> Candidate | None:
    """The words at `span` (characters), with their chance, an even one where they are too many; None for no words."""
    inside = [i for i, (start, end) in enumerate(words) if start < span[1] and end > span[0]]
    if not inside:
        return None
    chance = float(chances[inside[0], len(inside)]) if len(inside) <= LONGEST else 0.5
    return Candidate(inside[0], inside[-1] + 1, chance)


def state_at(windows: Sequence[Window], states: Sequence[np.ndarray], at: Candidate) -> np.ndarray | None:
    """The mean state [hidden] of the tokens of a stretch; None where no window holds them all."""
    for window, of_tokens in zip(windows, states, strict=True):
        if window.first <= at.first < at.end <= window.first + len(window.firsts):
            inside = (window.word_of > at.first - window.first) & (window.word_of <= at.end - window.first)
            mean: np.ndarray = of_tokens[inside].mean(0)
            return mean
    return None


def without_overlaps(candidates: Sequence[Candidate], gains: Sequence[float]) -> list[int]:
    """Which candidates to take so that none overlap and their gains sum to the most, in the order of the text.

    By dynamic programming over their ends; what gains nothing is not taken.
    """
    order = sorted(range(len(candidates)), key=lambda i: candidates[i].end)
    ends = [candidates[i].end for i in order]
    best = [0.0]
    before = []
    for place, i in enumerate(order):
        before.append(bisect_right(ends, candidates[i].first, hi=place))
        best.append(max(best[-1], best[before[-1]] + gains[i]))
    taken = []
    place = len(order)
    while place:
        if best[place] == best[place - 1]:
            place -= 1
        else:
            taken.append(order[place - 1])
            place = before[place - 1]
    return taken[::-1]


def spans_in(chances: np.ndarray, words: Sequence[Span], least: float) -> list[tuple[Span, float]]:
    """The spans (characters) whose chances lie above `least` by most in sum, none overlapping, each with its chance."""
    found = candidates_in(chances, least)
    taken = (found[i] for i in without_overlaps(found, [one.chance - least for one in found]))
    return [((words[one.first][0], words[one.end - 1][1]), one.chance) for one in taken]
