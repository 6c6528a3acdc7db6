"""Training the tagger: examples from marked-up documents, learning from them, and what it then makes of texts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lamlam.annotate.parse import parse_all
from lamlam.annotate.tagger import LONGEST, SpanTagger, Window, collate, gather, spans_in, windows_of
from lamlam.text import Document, Span

TOKENS = 4_096
"""Tokens of a batch, padding included."""
LAYER_DECAY = 0.85
"""What each layer of the encoder learns at, of the rate of the layer above it."""
LEASTS = tuple(round(0.1 + 0.02 * step, 2) for step in range(26))


class Example(NamedTuple):
    """A document to learn from or to judge by.

    `targets` are, for every window, the chances to learn, as `SpanTagger` scores them: [words, 1 + LONGEST]; of a word
    whose row is all zeros nothing is learnt.
    """

    document: Document
    words: list[Span]
    windows: list[Window]
    targets: list[np.ndarray]
    style: int = 0

    def items(self) -> list[tuple[Window, np.ndarray, int]]:
        """(window, targets, style) of each window."""
        return [(window, target, self.style) for window, target in zip(self.windows, self.targets, strict=True)]


def prepare(documents: Sequence[Document], parser: Any, tokenizer: Any, style: int = 0) -> Iterator[Example]:
    """Examples of documents, whose calls are what there is to learn; documents without words are left out."""
    for document, stretches in zip(documents, parse_all(parser, documents), strict=True):
        words, windows = windows_of(document, stretches, tokenizer)
        if windows:
            lengths = lengths_of(document, words)
            targets = [targets_of(lengths[one.first : one.first + len(one.firsts)]) for one in windows]
            yield Example(document, words, windows, targets, style)


def lengths_of(document: Document, words: Sequence[Span]) -> np.ndarray:
    """How many words the value has that starts at each word: int64 [words], 0 where none does.

    -1 where one starts that is longer than `LONGEST`.
    """
    lengths = np.zeros(len(words), np.int64)
    end = 0
    for span in sorted(call.span for call in document.calls if call.span is not None):
        inside = [i for i, (first, last) in enumerate(words) if first < span[1] and last > span[0]]
        if inside and span[0] >= end:
            lengths[inside[0]] = len(inside) if len(inside) <= LONGEST else -1
            end = span[1]
    return lengths


def targets_of(lengths: np.ndarray) -> np.ndarray:
    """The lengths at a window's words as chances, float16 [words, 1 + LONGEST]."""
    rows = np.zeros((len(lengths), 1 + LONGEST), np.float16)
    for word, length in enumerate(lengths.tolist()):
        if 0 <= length <= len(lengths) - word:
            rows[word, length] = 1.0
    return rows


def fit(
    tagger: SpanTagger,
    examples: Sequence[Example],
    *,
    epochs: int,
    rate: float = 2e-4,
    seed: int = 0,
    tokens: int = TOKENS,
    tell: Callable[[str], None] = lambda line: None,
) -> list[float]:
    """Tune the tagger, all but its table of word pieces; returns the mean loss (nats a word) of each epoch.

    AdamW at `rate` for the uppermost layer, less for those below it (`LAYER_DECAY`), five times that for what is new;
    warm-up over a tenth of the steps, then a linear way to zero. Batches hold windows of alike lengths.
    """
    device = next(tagger.parameters()).device
    torch.manual_seed(seed)
    order = random.Random(seed)
    items = [item for one in examples for item in one.items()]
    plan = [batch for _ in range(epochs) for batch in batches_of([len(item[0].ids) for item in items], tokens, order)]
    optimizer = torch.optim.AdamW(groups_of(tagger, rate), weight_decay=0.01, fused=device.type == "cuda")
    warm = max(1, len(plan) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, 1 - step / len(plan)))
    )
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    losses: list[Tensor] = []
    means: list[float] = []
    tagger.train()
    for number, batch in enumerate(plan, 1):
        loss = _loss(tagger, [items[i] for i in batch], device)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        if number * epochs // len(plan) > len(means):
            means.append(float(torch.stack(losses).mean()))
            losses = []
            tell(f"epoch {len(means)} of {epochs}: loss {means[-1]:.4f}")
    return means


def chances_in(tagger: SpanTagger, windows: Sequence[Window], style: int = 0, tokens: int = TOKENS) -> list[np.ndarray]:
    """The chances at the words of each window, float32 [words, 1 + LONGEST]."""
    return [chances for chances, _ in read_windows(tagger, windows, style, tokens)]


def read_windows(
    tagger: SpanTagger, windows: Sequence[Window], style: int = 0, tokens: int = TOKENS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each window the chances at its words, float32 [words, 1 + LONGEST], and the states of its tokens, float32
    [tokens, hidden]."""
    device = next(tagger.parameters()).device
    found = [(np.zeros(0), np.zeros(0))] * len(windows)
    tagger.eval()
    with torch.inference_mode():
        for batch in batches_of([len(window.ids) for window in windows], tokens):
            some = [windows[i] for i in batch]
            with autocast(device):
                scores, states = tagger.scores_and_states(collate(some, style).to(device))
            chances, seen = scores.float().softmax(-1).cpu().numpy(), states.float().cpu().numpy()
            for i, of_words, of_tokens in zip(batch, chances, seen, strict=True):
                found[i] = of_words[: len(windows[i].firsts)], of_tokens[: len(windows[i].ids)]
    return found


def chances_of(tagger: SpanTagger, examples: Sequence[Example], style: int = 0) -> list[np.ndarray]:
    """The chances at the words of each document, float32 [words, 1 + LONGEST]."""
    of_windows = iter(chances_in(tagger, [window for one in examples for window in one.windows], style))
    return [gather(len(one.words), one.windows, [next(of_windows) for _ in one.windows]) for one in examples]


def best_least(examples: Sequence[Example], chances: Sequence[np.ndarray]) -> tuple[float, float]:
    """(span F1, `least` of `spans_in`) where the F1 is best, values compared as `lamlam eval annotation` does."""
    found = []
    for least in LEASTS:
        agreed = total = 0
        for one, of_words in zip(examples, chances, strict=True):
            text = one.document.text
            gold = Counter(text[slice(*call.span)] for call in one.document.calls if call.span is not None)
            marked = Counter({text[slice(*span)] for span, _ in spans_in(of_words, one.words, least)})
            agreed += (gold & marked).total()
            total += gold.total() + marked.total()
        found.append((2 * agreed / max(1, total), least))
    return max(found)


def _loss(tagger: SpanTagger, items: Sequence[tuple[Window, np.ndarray, int]], device: torch.device) -> Tensor:
    batch = collate([window for window, _, _ in items])._replace(style=torch.tensor([style for _, _, style in items]))
    with autocast(device):
        scores = tagger(batch.to(device))
    return span_loss(scores, [target for _, target, _ in items])


def span_loss(scores: Tensor, targets: Sequence[np.ndarray]) -> Tensor:
    """The mean loss (nats) over the words of which something is to be learnt; `scores` [batch, words, 1 + LONGEST]."""
    wanted = torch.zeros(scores.shape)
    for row, target in enumerate(targets):
        wanted[row, : len(target)] = torch.from_numpy(target.astype(np.float32))
    wanted = wanted.to(scores.device)
    of_words = -(wanted * scores.float().log_softmax(-1)).sum(-1)
    mean: Tensor = of_words.sum() / wanted.sum().clamp(min=1)
    return mean


def autocast(device: torch.device) -> torch.autocast:
    """Products in bfloat16 on a GPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def groups_of(tagger: SpanTagger, rate: float) -> list[dict[str, Any]]:
    """The weights that are tuned, each with its rate."""
    layers = tagger.encoder.config.num_hidden_layers
    groups = []
    for name, weight in tagger.named_parameters():
        if name.startswith("encoder.embeddings.word_embeddings"):
            weight.requires_grad_(False)
            continue
        if name.startswith("encoder."):
            layer = int(name.split(".")[3]) if name.startswith("encoder.encoder.layer.") else -1
            groups.append({"params": [weight], "lr": rate * LAYER_DECAY ** (layers - 1 - layer)})
        else:
            groups.append({"params": [weight], "lr": 5 * rate})
    return groups


def batches_of(lengths: Sequence[int], tokens: int, order: random.Random | None = None) -> Iterable[list[int]]:
    """Numbers of windows in batches of at most `tokens`, padding included; shuffled where `order` is given."""
    numbers = list(range(len(lengths)))
    if order is not None:
        order.shuffle(numbers)
    batches: list[list[int]] = []
    near = 1_024 if order is not None else max(1, len(numbers))  # so many are sorted by length
    for first in range(0, len(numbers), near):
        batch: list[int] = []
        for number in sorted(numbers[first : first + near], key=lambda number: lengths[number]):
            if batch and lengths[number] * (len(batch) + 1) > tokens:
                batches.append(batch)
                batch = []
            batch.append(number)
        batches.append(batch)
    if order is not None:
        order.shuffle(batches)
    return batches
