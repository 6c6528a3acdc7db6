"""Teaching an encoder what texts are like, before it is taught what to mark up in them.

all-MiniLM-L6-v2 was tuned to tell sentences apart as wholes, and has forgotten much about words. Before the examples
it is trained on many documents that rules and tables of facts marked up, in two tasks at once: to say which word pieces
were masked (Devlin et al. 2019, arXiv 1810.04805), and where the calls are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lamlam.annotate.tagger import Batch, SpanTagger, collate
from lamlam.annotate.tagger_training import Example, autocast, batches_of, groups_of, span_loss

MASKED, KEPT = 0.15, 0.1
"""The share of the word pieces that are asked for, and the share of these that are left as they are."""
OF_MASKED, OF_CALLS = 0.3, 5.0
"""What the two losses count; that of the calls is small, since most words begin none."""


class _Guess(nn.Module):
    """Which word piece stood there, by the encoder's own table of them."""

    def __init__(self, hidden: int, pieces: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.LayerNorm(hidden))
        self.bias = nn.Parameter(torch.zeros(pieces))

    def forward(self, states: Tensor, table: Tensor) -> Tensor:
        guess: Tensor = self.mix(states) @ table.T + self.bias
        return guess


def pretrain(
    tagger: SpanTagger,
    examples: Sequence[Example],
    mask_id: int,
    *,
    epochs: int = 2,
    rate: float = 3e-4,
    seed: int = 0,
    tokens: int = 16_384,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Train all of the tagger but its table of word pieces on documents that rules and facts marked up."""
    device = next(tagger.parameters()).device
    torch.manual_seed(seed)
    order = random.Random(seed)
    items = [item for one in examples for item in one.items()]
    plan = [batch for _ in range(epochs) for batch in batches_of([len(item[0].ids) for item in items], tokens, order)]
    table = tagger.encoder.embeddings.word_embeddings.weight
    guess = _Guess(table.shape[1], table.shape[0]).to(device)
    groups = [{**group, "lr": max(rate, group["lr"])} for group in groups_of(tagger, rate)]
    groups.append({"params": list(guess.parameters()), "lr": 5 * rate})
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=device.type == "cuda")
    warm = max(1, len(plan) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, 1 - step / len(plan)))
    )
    weights = [weight for group in groups for weight in group["params"]]
    tagger.train()
    for number, numbers in enumerate(plan, 1):
        some = [items[i] for i in numbers]
        batch = collate([window for window, _, _ in some]).to(device)
        asked, masked = _mask(batch, mask_id)
        with autocast(device):
            scores, states = tagger.scores_and_states(masked)
            guesses = guess(states[asked], table)
        loss = OF_MASKED * nn.functional.cross_entropy(guesses.float(), batch.ids[asked])
        loss = loss + OF_CALLS * span_loss(scores, [target for _, target, _ in some])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if number % max(1, len(plan) // 10) == 0:
            tell(f"step {number:,} of {len(plan):,}: loss {loss.item():.3f}")


def _mask(batch: Batch, mask_id: int) -> tuple[Tensor, Batch]:
    """Which tokens are asked for [batch, tokens], and the batch with most of them masked."""
    asked = (torch.rand(batch.ids.shape, device=batch.ids.device) < MASKED) & batch.real
    hidden = asked & (torch.rand(batch.ids.shape, device=batch.ids.device) >= KEPT)
    return asked, batch._replace(ids=batch.ids.masked_fill(hidden, mask_id))
