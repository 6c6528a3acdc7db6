"""The training step of the peer's recipe, written again here to be compared with: what it does, as it does it.

Transformers' model as it stands, gradient checkpointing, which tokens train found in each batch row by row, the
cross-entropy of every token over the whole logits, AdamW, bfloat16 autocast. Its mean counts tokens that are left out;
that changes no time, and the mean here is over trained tokens, so that losses can be compared.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional


class LookupIds(NamedTuple):
    """The delimiters between which a returned value stands, and the end of text, which the peer takes for either."""

    returned: int
    end: int
    end_of_text: int


def peer_mask(tokens: torch.Tensor, ids: LookupIds) -> torch.Tensor:
    """Which tokens train, bool, the shape of `tokens` (windows, tokens): all but values, closing and end tokens.

    As the peer does it, on the device but row by row: starts and ends (each may be an end of text, too) are paired by a
    search, every pair is looked at in Python, and what lies between is marked by a running sum.
    """
    starts, ends, stops = ((tokens == token).nonzero() for token in ids)
    marks = torch.zeros_like(tokens, dtype=torch.int32)
    for row in torch.unique(torch.cat([starts[:, 0], ends[:, 0], stops[:, 0]])).tolist():
        own, closing, stop = (found[found[:, 0] == row][:, 1].sort().values for found in (starts, ends, stops))
        opening, closing = (torch.cat([some, stop]).sort().values for some in (own, closing))
        following = torch.searchsorted(closing, opening, right=True)
        paired = following < len(closing)
        first, last = opening[paired], closing[following[paired]]
        alone = torch.searchsorted(opening, last) <= torch.arange(len(opening), device=tokens.device)[paired] + 1
        first, last = first[alone], last[alone]
        of_text = set(stop.tolist())
        kept = torch.tensor(
            [not (a.item() in of_text and b.item() in of_text) for a, b in zip(first, last, strict=True)],
            dtype=torch.bool,
            device=tokens.device,
        )
        for place, value in ((first[kept] + 1, 1), (last[kept], -1)):
            marks[row].index_put_((place,), torch.full_like(place, value, dtype=torch.int32), accumulate=True)
    return ~((torch.cumsum(marks, dim=1) > 0) | (tokens == ids.end) | (tokens == ids.end_of_text))


def peer_step(
    model: Any, optimizer: torch.optim.Optimizer, tokens: torch.Tensor, micro_batch: int, ids: LookupIds
) -> torch.Tensor:
    """One step on `tokens`, int64, shape (windows, context + 1); returns nats a trained token, on the device."""
    total = torch.zeros((), device=tokens.device)
    parts = tokens.split(micro_batch)
    for part in parts:
        with torch.autocast(tokens.device.type, torch.bfloat16):
            logits = model(input_ids=part[:, :-1].contiguous(), use_cache=False).logits
            labels = part[:, 1:].contiguous()
            nats = functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1), reduction="none")
        loss = nats.view_as(labels)[peer_mask(part, ids)[:, 1:]].mean() / len(parts)
        loss.backward()
        total += loss.detach()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total
