"""Models whose behaviour is known: one that says what a script says, one that draws every token from one table."""

from types import SimpleNamespace

import pytest
import torch

from lamlam.model import LookupTokenizer, train_tokenizer

TEXT = "Ada Lovelace was born on 10 December 1815 in London. Charles Babbage was born on 26 December 1791. " * 3


@pytest.fixture(scope="session")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer([TEXT], vocab_size=300)


class ScriptedModel:
    """Goes on as the scripts (token ids, start token included) do that a row follows so far, the first one likeliest;
    ends the text where a row follows none."""

    device = torch.device("cpu")

    def __init__(self, tokenizer: LookupTokenizer, scripts: list[list[int]]) -> None:
        self.config = SimpleNamespace(vocab_size=len(tokenizer), max_position_embeddings=512)
        self.tokenizer, self.scripts = tokenizer, scripts

    def __call__(self, input_ids, attention_mask, past_key_values, **kwargs):
        columns = input_ids if past_key_values is None else torch.cat([past_key_values, input_ids], dim=1)
        logits = torch.zeros((len(columns), 1, len(self.tokenizer)))
        logits[:, 0, self.tokenizer.eos_id] = 1
        for row, (ids, seen) in enumerate(zip(columns, attention_mask, strict=True)):
            so_far = ids[seen.bool()].tolist()
            for number, script in enumerate(self.scripts):
                if script[: len(so_far)] == so_far and len(script) > len(so_far):
                    token = script[len(so_far)]
                    logits[row, 0, token] = max(logits[row, 0, token], 100 - number)
        return SimpleNamespace(logits=logits, past_key_values=columns)


class TableModel:
    """Every next token has the same probability at every place: `table`, of shape (vocabulary,)."""

    device = torch.device("cpu")

    def __init__(self, table: torch.Tensor, positions: int = 64) -> None:
        self.config = SimpleNamespace(vocab_size=len(table), max_position_embeddings=positions)
        self.table = table

    def __call__(self, input_ids, use_cache):
        assert input_ids.shape[1] <= self.config.max_position_embeddings
        return SimpleNamespace(logits=self.table.log().expand(*input_ids.shape, -1))
