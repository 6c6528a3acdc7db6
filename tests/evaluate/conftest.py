"""Models whose behaviour is known: one that says what a script says, one that draws every token from one table."""

from types import SimpleNamespace

import pytest
import torch

from lamlam.generate.generic import RowsCache
from lamlam.model import LookupTokenizer, train_tokenizer

TEXT = "Ada Lovelace was born on 10 December 1815 in London. Charles Babbage was born on 26 December 1791. " * 3


@pytest.fixture(scope="session")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer([TEXT], vocab_size=300)


class Columns:
    """Stands in for a cache: the token ids so far, shape (rows, columns)."""

    def __init__(self, ids):
        self.ids = ids

    def batch_select_indices(self, indices):
        self.ids = self.ids[indices]


class ScriptedModel:
    """Goes on as the scripts (token ids, start token included) do that a row follows so far, the first one likeliest;
    ends the text where a row follows none."""

    device = torch.device("cpu")

    def __init__(self, tokenizer: LookupTokenizer, scripts: list[list[int]]) -> None:
        no_layers = {"num_hidden_layers": 0, "num_attention_heads": 1, "hidden_size": 1}
        self.config = SimpleNamespace(vocab_size=len(tokenizer), max_position_embeddings=512, **no_layers)
        self.tokenizer, self.scripts = tokenizer, scripts
        self.fed: dict[tuple[int, int], int] = {}  # slot and position → token

    def __call__(
        self, input_ids, attention_mask=None, position_ids=None, past_key_values=None, logits_to_keep=None, **_
    ):
        if isinstance(past_key_values, RowsCache):
            return SimpleNamespace(logits=self.over_slots(input_ids, position_ids, past_key_values))
        columns = input_ids if past_key_values is None else torch.cat([past_key_values.ids, input_ids], dim=1)
        seen = torch.ones_like(columns) if attention_mask is None else attention_mask
        places = range(columns.shape[1] - 1 if logits_to_keep else 0, columns.shape[1])
        logits = torch.stack([self.after(columns[:, : end + 1], seen[:, : end + 1]) for end in places], dim=1)
        return SimpleNamespace(logits=logits, past_key_values=Columns(columns))

    def over_slots(self, input_ids, position_ids, cache):
        """As the engine calls a model: rows are slots, of which some are fed."""
        logits = torch.zeros((len(input_ids), 1, len(self.tokenizer)))
        for row in cache.fed.tolist():
            slot, positions = cache.slots.start + row, position_ids[row].tolist()
            self.fed.update(zip([(slot, one) for one in positions], input_ids[row].tolist(), strict=True))
            ids = torch.tensor([[self.fed[slot, position] for position in range(positions[-1] + 1)]])
            logits[row] = self.after(ids, torch.ones_like(ids))
        return logits

    def after(self, columns, seen):
        """Logits of the token after some columns."""
        logits = torch.zeros((len(columns), len(self.tokenizer)))
        logits[:, self.tokenizer.eos_id] = 1
        for row, (ids, mask) in enumerate(zip(columns, seen, strict=True)):
            so_far = ids[mask.bool()].tolist()
            for number, script in enumerate(self.scripts):
                if script[: len(so_far)] == so_far and len(script) > len(so_far):
                    token = script[len(so_far)]
                    logits[row, token] = max(logits[row, token], 100 - number)
        return logits


def script(tokenizer, prompt, *parts):
    """Token ids of a text with calls: parts are texts, (entity, relation), or (entity, relation, value)."""
    ids = [tokenizer.start_id, *tokenizer.encode_text(prompt)]
    for part in parts:
        match part:
            case (entity, relation):
                ids += tokenizer.encode_query(entity, relation)
            case (entity, relation, value):
                ids += tokenizer.encode_query(entity, relation) + tokenizer.encode_answer(value)
            case text:
                ids += tokenizer.encode_text(text, first=False)
    return [*ids, tokenizer.eos_id]


class TableModel:
    """Every next token has the same probability at every place: `table`, of shape (vocabulary,)."""

    device = torch.device("cpu")

    def __init__(self, table: torch.Tensor, positions: int = 64) -> None:
        self.config = SimpleNamespace(vocab_size=len(table), max_position_embeddings=positions)
        self.table = table

    def __call__(self, input_ids, use_cache):
        assert input_ids.shape[1] <= self.config.max_position_embeddings
        return SimpleNamespace(logits=self.table.log().expand(*input_ids.shape, -1))
