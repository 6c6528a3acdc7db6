"""Training the tagger: marked-up documents in, the weights of the epoch that marks a held-out part best out.

The weights that are kept are a moving average over the steps: with so few documents, single steps are noise.
"""

from __future__ import annotations

import copy
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lamlam.annotate.subject import title_of
from lamlam.annotate.tagger import BEGIN, INSIDE, LABELS, SpanTagger, Window, collate, gather, spans_in, windows_of
from lamlam.text import Document, Span

BIASES = tuple(round(-2.5 + 0.25 * step, 2) for step in range(13))
BATCH = 8
KEEP = 0.995
"""What the moving average keeps of itself at every step."""


class Trained(NamedTuple):
    """A trained tagger, the bias at which it marks the held-out documents best, and its span F1 there."""

    tagger: SpanTagger
    bias: float
    f1: float
    epochs: list[dict[str, float]]


class _Prepared(NamedTuple):
    document: Document
    words: list[Span]
    windows: list[Window]
    labels: list[list[int]]
    lower: list[Tensor]


def train_tagger(
    tagger: SpanTagger,
    tokenizer: Any,
    documents: Sequence[Document],
    held_out: Sequence[Document],
    *,
    epochs: int,
    rate: float = 3e-4,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Tune the tagger's upper layers on `documents`; `held_out` chooses the epoch and the bias.

    AdamW at `rate` (five times that for the layers that are new), linear warm-up and decay, batches of windows of
    alike lengths. The same seed gives the same tagger on the same machine.
    """
    torch.manual_seed(seed)
    shuffled = random.Random(seed)
    learn = _prepare(tagger, tokenizer, documents)
    judge = _prepare(tagger, tokenizer, held_out)
    tell(f"states of the frozen layers kept for {len(documents):,} and {len(held_out):,} documents")
    items = [item for one in learn for item in zip(one.windows, one.labels, one.lower, strict=True)]
    upper = [weight for name, weight in tagger.encoder.named_parameters() if _layer(name) >= tagger.frozen]
    new = [weight for name, weight in tagger.named_parameters() if not name.startswith("encoder.")]
    optimizer = torch.optim.AdamW([{"params": upper, "lr": rate}, {"params": new, "lr": 5 * rate}], weight_decay=0.01)
    steps = epochs * math.ceil(len(items) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, max(0.02, 1 - step / steps))
    )
    average = copy.deepcopy(tagger)
    best = Trained(copy.deepcopy(tagger), 0.0, -1.0, [])
    step = 0
    for epoch in range(1, epochs + 1):
        tagger.train()
        total = 0.0
        batches = _batches(items, shuffled)
        for batch in batches:
            loss = _loss(tagger, batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([*upper, *new], 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
            step += 1
            keep = min(KEEP, step / (step + 20))
            with torch.no_grad():
                for mean, weight in zip(average.parameters(), tagger.parameters(), strict=True):
                    mean.lerp_(weight, 1 - keep)
        bias, f1 = _judge(average, judge)
        best.epochs.append({"epoch": epoch, "loss": total / len(batches), "bias": bias, "span_f1": f1})
        tell(f"epoch {epoch} of {epochs}: loss {total / len(batches):.4f}, span F1 {f1:.3f} at bias {bias}")
        if f1 > best.f1:
            best = Trained(copy.deepcopy(average), bias, f1, best.epochs)
    return best


def tag(tagger: SpanTagger, windows: Sequence[Window], words: int) -> np.ndarray:
    """Log-probabilities of the labels at every word of a document, [words, 3]."""
    tagger.eval()
    scores: list[np.ndarray] = []
    with torch.inference_mode():
        for first in range(0, len(windows), BATCH):
            ids, real, marks = collate(windows[first : first + BATCH])
            out = tagger.upper(tagger.lower(ids, real), real, marks).log_softmax(-1).numpy()
            scores += list(out)
    return gather(words, windows, scores)


def _prepare(tagger: SpanTagger, tokenizer: Any, documents: Sequence[Document]) -> list[_Prepared]:
    tagger.eval()
    prepared = []
    for document in documents:
        words, windows = windows_of(document.text, title_of(document), tokenizer)
        labels = labels_of(document, words)
        lower: list[Tensor] = []
        with torch.no_grad():
            for first in range(0, len(windows), BATCH):
                some = windows[first : first + BATCH]
                ids, real, _ = collate(some)
                states = tagger.lower(ids, real)
                lower += [states[row, : len(window.ids)].to(torch.bfloat16) for row, window in enumerate(some)]
        of_windows = [[labels[word] for word in window.words] for window in windows]
        prepared.append(_Prepared(document, words, windows, of_windows, lower))
    return prepared


def labels_of(document: Document, words: Sequence[Span]) -> list[int]:
    """A label for every word: where the spans of the document's calls begin and go on."""
    labels = [0] * len(words)
    for call in document.calls:
        if call.span is None:
            continue
        inside = [i for i, (start, end) in enumerate(words) if start < call.span[1] and end > call.span[0]]
        if inside and not any(labels[i] for i in inside):
            labels[inside[0]] = BEGIN
            for i in inside[1:]:
                labels[i] = INSIDE
    return labels


def _batches(items: Sequence[Any], shuffled: random.Random) -> list[list[Any]]:
    order = list(items)
    shuffled.shuffle(order)
    batches = []
    for first in range(0, len(order), 16 * BATCH):
        alike = sorted(order[first : first + 16 * BATCH], key=lambda item: len(item[0].ids))
        batches += [alike[i : i + BATCH] for i in range(0, len(alike), BATCH)]
    shuffled.shuffle(batches)
    return batches


def _loss(tagger: SpanTagger, batch: Sequence[tuple[Window, list[int], Tensor]]) -> Tensor:
    windows = [window for window, _, _ in batch]
    _, real, marks = collate(windows)
    labels = torch.full(real.shape, -100)
    for row, (window, of_words, _) in enumerate(batch):
        labels[row, torch.tensor(window.firsts)] = torch.tensor(of_words)
    states = nn.utils.rnn.pad_sequence([lower.float() for _, _, lower in batch], batch_first=True)
    scores = tagger.upper(states, real, marks)
    return nn.functional.cross_entropy(scores.view(-1, LABELS), labels.view(-1), ignore_index=-100)


def _judge(tagger: SpanTagger, prepared: Sequence[_Prepared]) -> tuple[float, float]:
    """(bias, span F1) at the bias with the best F1, values compared as `lamlam eval annotation` compares spans."""
    tagger.eval()
    scores = []
    with torch.inference_mode():
        for one in prepared:
            of_windows: list[np.ndarray] = []
            for window, lower in zip(one.windows, one.lower, strict=True):
                _, real, marks = collate([window])
                of_windows += list(tagger.upper(lower.float()[None], real, marks).log_softmax(-1).numpy())
            scores.append(gather(len(one.words), one.windows, of_windows))
    found = []
    for bias in BIASES:
        agreed = total = 0
        for one, of_words in zip(prepared, scores, strict=True):
            text = one.document.text
            gold = Counter(text[slice(*call.span)] for call in one.document.calls if call.span is not None)
            marked = Counter({text[slice(*span)] for span, _ in spans_in(of_words, one.words, bias)})
            agreed += (gold & marked).total()
            total += gold.total() + marked.total()
        found.append((2 * agreed / max(1, total), bias))
    f1, bias = max(found)
    return bias, f1


def _layer(name: str) -> int:
    """The number of the encoder's layer that a weight belongs to; -1 for those of no layer."""
    return int(name.split(".")[2]) if name.startswith("encoder.layer.") else -1
