"""Any transformers causal LM over slots, through its own forward and a cache of ours."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Cache

from lamlam.generate.attention import Plan
from lamlam.generate.llama import LlamaForward
from lamlam.generate.output import Scores, Whole
from lamlam.generate.slots import Feed, Forward, SlotCache


class RowsCache(Cache):  # type: ignore[misc]
    """The slots as a transformers model sees them in one run.

    Its rows are the slots `slots`; those of them numbered in `fed` have tokens of their own, which go to `positions`
    (shape (fed, tokens)). It shows positions before `until`.
    """

    def __init__(self, slots: SlotCache) -> None:
        super().__init__(layers=[])
        self._cache = slots
        self.slots = slice(0, 0)
        self.fed = torch.zeros(0, dtype=torch.long)
        self.positions = torch.zeros((0, 0), dtype=torch.long)
        self.until = 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        """Put new keys and values in and give those of all positions; as `Cache.update`."""
        rows = (self.fed + self.slots.start).unsqueeze(1)
        kept = []
        for tensors, new in ((self._cache.keys, key_states), (self._cache.values, value_states)):
            tensors[layer_idx][rows, :, self.positions] = new[self.fed].transpose(1, 2)
            kept.append(tensors[layer_idx][self.slots, :, : self.until])
        return tuple(kept)

    def get_seq_length(self, layer_idx: int = 0, *_: Any) -> int:
        """Positions before this run's; as `Cache.get_seq_length`."""
        return self.until - self.positions.shape[1]

    def get_mask_sizes(self, *_: Any) -> tuple[int, int]:
        """Keys in view and where they begin; as `Cache.get_mask_sizes`."""
        return self.until, 0


class GenericForward:
    """Runs feeds through a transformers model: rows with one token in one run, each row with more in one of its own."""

    overlaps = False

    def __init__(self, model: Any, slots: int) -> None:
        config = model.config
        self.model, self.device = model, torch.device(model.device)
        self.dtype = getattr(model, "dtype", torch.float32)
        self.vocabulary = int(config.vocab_size)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.cache = SlotCache(
            config.num_hidden_layers, slots, heads, width, int(config.max_position_embeddings), self.dtype, self.device
        )
        self._rows = RowsCache(self.cache)

    def refresh(self) -> None:
        """Nothing to do: the weights are the model's own."""

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        """Run the tokens and give the logits after `feed.ends` themselves; shape (ends, vocabulary)."""
        self.cache.reserve(int(feed.positions.max()) + 1)
        plan = Plan(feed, self.dtype, self.device)
        tokens = torch.from_numpy(feed.tokens).to(self.device)
        logits = torch.empty((len(tokens), self.vocabulary), dtype=self.dtype, device=self.device)
        if plan.used:
            alone = slice(0, plan.singles)
            own = plan.slots[alone]
            inputs, positions = tokens.new_zeros(plan.used), tokens.new_zeros(plan.used)
            inputs[own], positions[own] = tokens[alone], plan.positions[alone]
            mask = plan.mask if plan.mask is not None else torch.zeros((1, 1, 1, plan.length), dtype=self.dtype)
            rows = slice(0, plan.used), own, plan.length
            logits[alone] = self._call(inputs.unsqueeze(1), positions.unsqueeze(1), mask, *rows)[own]
        for its, slot, until, _ in plan.runs:
            inputs, positions = tokens[its].unsqueeze(0), plan.positions[its].unsqueeze(0)
            seen = torch.ones((inputs.shape[1], until), dtype=torch.bool, device=self.device)
            hidden = ~seen.tril(until - inputs.shape[1])
            mask = torch.zeros(seen.shape, dtype=self.dtype, device=self.device).masked_fill_(hidden, -torch.inf)
            rows = slice(slot, slot + 1), tokens.new_zeros(1), until
            logits[its.stop - 1] = self._call(inputs, positions, mask[None, None], *rows)[0]
        return logits[torch.from_numpy(feed.ends).to(self.device)]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """As `Forward.logits`."""
        return hidden

    def scores(self, hidden: torch.Tensor) -> Scores:
        """As `Forward.scores`."""
        return Whole(hidden)

    def _call(
        self,
        inputs: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        slots: slice,
        fed: torch.Tensor,
        until: int,
    ) -> torch.Tensor:
        """The logits after the last token of each row; inputs and positions of shape (rows, tokens)."""
        cache = self._rows
        cache.slots, cache.fed, cache.positions, cache.until = slots, fed, positions[fed], until
        output = self.model(
            input_ids=inputs,
            attention_mask=mask.to(self.device),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]  # type: ignore[no-any-return]


def forward_of(model: Any, slots: int) -> Forward:
    """The fastest forward there is for a model."""
    if LlamaForward.runs(model):
        return LlamaForward(model, slots)
    return GenericForward(model, slots)
