"""Attention of the tokens of a feed over their slots, in plain PyTorch; works on every device."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from lamlam.generate.slots import Feed, Run


class Plan:
    """How the tokens of a feed attend: rows with one token all together, over the slots as they lie in the cache, and
    each row with more on its own. Made once a run, used by every layer."""

    def __init__(self, feed: Feed, dtype: torch.dtype, device: torch.device) -> None:
        runs = feed.runs()
        singles = [run for run in runs if run.size == 1]
        self.many = [run for run in runs if run.size > 1]
        self.slots = torch.tensor(feed.slots, device=device)
        self.positions = torch.tensor(feed.positions, device=device)
        self.used = max((run.slot + 1 for run in singles), default=0)
        self.length = max((run.position + 1 for run in singles), default=0)
        # Where all slots up to the last have one token each, in order, nothing has to be sorted in.
        self.dense = not self.many and [run.slot for run in singles] == list(range(self.used))
        self.places = torch.tensor([run.place for run in singles], device=device)
        self.single_slots = torch.tensor([run.slot for run in singles], dtype=torch.long, device=device)
        self.mask: torch.Tensor | None = None
        if self.used > 1:
            last = torch.zeros(self.used, dtype=torch.long, device=device)  # slots without a token see one position
            last[self.single_slots] = self.positions[self.places]
            hidden = torch.arange(self.length, device=device) > last.unsqueeze(1)
            self.mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)
            self.mask = self.mask[:, None, None, :]
        self.causal = {run: self._causal(run, device) for run in self.many if run.position}

    def attend(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float) -> torch.Tensor:
        """What each token of the feed sees. `query`: shape (tokens, heads, width); keys and values: those of a layer's
        slots, with the feed's own already in them. Shape as `query`."""
        grouped = query.shape[1] != keys.shape[1]
        if self.dense:
            return self._singles(query, keys, values, scale, grouped)
        seen = torch.empty_like(query)
        if self.used:
            spread = query.new_zeros((self.used, *query.shape[1:]))
            spread[self.single_slots] = query[self.places]
            seen[self.places] = self._singles(spread, keys, values, scale, grouped)[self.single_slots]
        for run in self.many:
            its = slice(run.place, run.place + run.size)
            until = run.position + run.size
            out = scaled_dot_product_attention(
                query[its].transpose(0, 1).unsqueeze(0),
                keys[run.slot : run.slot + 1, :, :until],
                values[run.slot : run.slot + 1, :, :until],
                attn_mask=self.causal.get(run),
                is_causal=run.position == 0,
                scale=scale,
                enable_gqa=grouped,
            )
            seen[its] = out[0].transpose(0, 1)
        return seen

    def _singles(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float, grouped: bool
    ) -> torch.Tensor:
        return scaled_dot_product_attention(
            query.unsqueeze(2),
            keys[: self.used, :, : self.length],
            values[: self.used, :, : self.length],
            attn_mask=self.mask,
            scale=scale,
            enable_gqa=grouped,
        ).squeeze(2)

    @staticmethod
    def _causal(run: Run, device: torch.device) -> torch.Tensor:
        return torch.ones((run.size, run.position + run.size), dtype=torch.bool, device=device).tril(run.position)
