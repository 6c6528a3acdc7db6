"""lm-evaluation-harness on an LmLm: its tasks, with the model's base and without.

    lm_eval --model lamlam --model_args pretrained=model,kb=facts.db --tasks arc_easy

works as soon as the harness looks for the entry points of other packages, which the releases up to 0.4.13 do not. There
`lamlam.yaml`, beside this module, makes the model known where it stands among the tasks; so does

    python -m lamlam.evaluate.harness --model lamlam --model_args pretrained=model,kb=facts.db --tasks arc_easy

which takes every argument of `lm_eval`. With a base the model may ask in what it continues, wherever it would by itself
(not in the context, which is not its to write), and the continuation is scored with the answers in view; without `kb`
its lookups are off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from lamlam.evaluate.probability import AnswerScore, text_scores
from lamlam.generate import LookupModel
from lamlam.kb import KnowledgeBase
from lamlam.model import load_model

_MOST_NEW_TOKENS = 128


@register_model("lamlam")
class LamlamLM(LM):  # type: ignore[misc]
    """A checkpoint (`pretrained`) and, if given, its base (`kb`). `max_new_tokens` where a task does not say."""

    def __init__(
        self,
        pretrained: str,
        kb: str | None = None,
        device: str | None = None,
        batch_size: int | str = 64,
        max_batch_size: int | None = None,
        max_new_tokens: int = _MOST_NEW_TOKENS,
    ) -> None:
        super().__init__()
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.base = KnowledgeBase.open(kb) if kb else None
        self.lm = LookupModel(*load_model(pretrained, chosen, torch.float32), self.base)
        self.batch = batch_size if isinstance(batch_size, int) else 64
        self.most = int(max_new_tokens)

    def loglikelihood(self, requests: list[Instance], **_: Any) -> list[tuple[float, bool]]:
        """log p of each continuation in nats, and whether greedy decoding would write it."""
        scores = self._scores([(str(one.args[0]), str(one.args[1])) for one in requests])
        return [(-score.nats, bool(score.greedy)) for score in scores]

    def loglikelihood_rolling(self, requests: list[Instance], **_: Any) -> list[float]:
        """log p of each text in nats; a text longer than the window in overlapping windows, nothing left out."""
        texts = [str(one.args[0]) for one in requests]
        return [-score.nats for score in text_scores(self.lm, texts, [0] * len(texts))]

    def generate_until(self, requests: list[Instance], **_: Any) -> list[str]:
        """The greedy continuation of each context, cut before the first of its stop strings."""
        texts: dict[int, str] = {}
        by_room: dict[int, list[int]] = {}
        for number, one in enumerate(requests):
            by_room.setdefault(int(one.args[1].get("max_gen_toks", self.most)), []).append(number)
        for room, numbers in by_room.items():
            prompts = [self._fitting(str(requests[number].args[0]), room) for number in numbers]
            made = self.lm.generate(prompts, max_new_tokens=room, batch_size=self.batch)
            texts |= {number: generation.text for number, generation in zip(numbers, made, strict=True)}
        return [_cut(texts[number], one.args[1].get("until") or []) for number, one in enumerate(requests)]

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> list[AnswerScore]:
        texts, starts = [], []
        for context, continuation in pairs:
            bare = context.rstrip(" ")  # as the harness has it: the space belongs to the word after it
            continuation = context[len(bare) :] + continuation
            kept = self._fitting(bare, len(self.lm.tokenizer.encode_text(continuation)))
            texts.append(kept + continuation)
            starts.append(len(kept))
        found: list[AnswerScore] = []
        for first in range(0, len(texts), self.batch):
            some = slice(first, first + self.batch)
            found += text_scores(self.lm, texts[some], starts[some], greedy=True)
        return found

    def _fitting(self, context: str, room: int) -> str:
        """The end of a context that leaves `room` tokens of the window, and as much again for calls if it can."""
        ids = self.lm.tokenizer.encode_text(context)
        window = int(self.lm.model.config.max_position_embeddings)
        most = max(1, window - 2 - (2 * room if 2 * room + 2 < window else room))
        return context if len(ids) <= most else self.lm.tokenizer.decode_piece(ids[-most:])


def _cut(text: str, stops: str | Sequence[str]) -> str:
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0] if stop else text
    return text


if __name__ == "__main__":
    # Run as a module, this file is `__main__`; the class has to be registered once, under its own name.
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
