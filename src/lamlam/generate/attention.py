"""Attention of the tokens of a feed over their slots, in plain PyTorch; works on every device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from lamlam.generate.slots import Feed

SHORT = 8
"""Runs of so many tokens attend together with the rows that have one."""


class RunPlan(NamedTuple):
    """Where the tokens of a run stand in the feed, their slot, how many positions of it there are then, and, but for a
    run from position 0 on, what each token sees: bool, shape (tokens, until)."""

    its: slice
    slot: int
    until: int
    causal: torch.Tensor | None


class Plan:
    """How the tokens of a feed attend: rows with few tokens, `short` at most, all together over the slots as they lie
    in the cache, and each row with more on its own. Made once a run, used by every layer."""

    def __init__(self, feed: Feed, dtype: torch.dtype, device: torch.device, short: int = 1) -> None:
        self.slots = torch.from_numpy(feed.slots).to(device)
        self.positions = torch.from_numpy(feed.positions).to(device)
        self.singles = feed.singles
        few, long, place = [(np.arange(feed.singles), np.zeros(feed.singles, np.int64))], [], feed.singles
        for run in feed.runs:
            size = len(run.tokens)
            if size <= short:
                few.append((np.arange(place, place + size), np.arange(size)))
            else:
                long.append((run, place))
            place += size
        tokens, columns = (np.concatenate(parts) for parts in zip(*few, strict=True))
        own, last = feed.slots[tokens], feed.positions[tokens]
        self.used = int(own.max(initial=-1)) + 1
        self.length = int(last.max(initial=-1)) + 1
        self.width = int(columns.max(initial=0)) + 1
        # Where all slots up to the last have one token each, in order, nothing has to be sorted in.
        self.dense = not feed.runs and self.used == feed.singles and bool((own[1:] > own[:-1]).all())
        if not self.dense:
            self._tokens = torch.from_numpy(tokens).to(device) if long else None
            self._places = torch.from_numpy(own * self.width + columns).to(device)
        self.mask: torch.Tensor | None = None
        if self.used > 1 or self.width > 1:
            newest = np.zeros((self.used, self.width), np.int64)  # what has no token sees one position
            newest[own, columns] = last
            hidden = torch.from_numpy(np.arange(self.length) > newest[..., None]).to(device)
            self.mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)
            self.mask = self.mask.unsqueeze(1)
        self.runs: list[RunPlan] = []
        for run, place in long:
            size = len(run.tokens)
            until = run.position + size
            seen = torch.ones((size, until), dtype=torch.bool, device=device).tril(run.position)
            self.runs.append(RunPlan(slice(place, place + size), run.slot, until, seen if run.position else None))

    def attend(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float) -> torch.Tensor:
        """What each token of the feed sees. `query`: shape (tokens, heads, width); keys and values: those of a layer's
        slots, with the feed's own already in them. Shape as `query`."""
        grouped = query.shape[1] != keys.shape[1]
        if self.dense:
            return self._few(query.unsqueeze(1), keys, values, scale, grouped).squeeze(1)
        few = query if self._tokens is None else query.index_select(0, self._tokens)
        spread = query.new_zeros((self.used * self.width, *query.shape[1:])).index_copy_(0, self._places, few)
        spread = spread.view(self.used, self.width, *query.shape[1:])
        if self.used:
            few = self._few(spread, keys, values, scale, grouped).flatten(0, 1).index_select(0, self._places)
        if self._tokens is None:
            return few
        seen = torch.empty_like(query).index_copy_(0, self._tokens, few)
        for its, slot, until, causal in self.runs:
            out = scaled_dot_product_attention(
                query[its].transpose(0, 1).unsqueeze(0),
                keys[slot : slot + 1, :, :until],
                values[slot : slot + 1, :, :until],
                attn_mask=causal,
                is_causal=causal is None,
                scale=scale,
                enable_gqa=grouped,
            )
            seen[its] = out[0].transpose(0, 1)
        return seen

    def _few(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float, grouped: bool
    ) -> torch.Tensor:
        """Shape (slots, tokens, heads, width), as `query`."""
        return scaled_dot_product_attention(
            query.transpose(1, 2),
            keys[: self.used, :, : self.length],
            values[: self.used, :, : self.length],
            attn_mask=self.mask,
            scale=scale,
            enable_gqa=grouped,
        ).transpose(1, 2)
