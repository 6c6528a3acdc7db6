"""How likely a model finds a given answer to a prompt, with its own lookups or without.

With a base, the model asks in the answer wherever it would (`lamlam.evaluate.own_calls`, places "own"), the base
answers, and the answer's tokens are scored with that in view; queries and returned values are not scored.

An answer's token is scored among the tokens that can come where it stands. A call cannot: it has been made there, or
taken back, or the model is without a base, and so the decoder would not let it be opened. Else a model that would
rather ask would seem to know nothing: what it says there instead, right or wrong, would have next to no probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamlam.corpus import encode_document
from lamlam.evaluate.own_calls import likeliest_tokens, with_own_calls
from lamlam.evaluate.scoring import in_query, token_nlls, windowing
from lamlam.generate import LookupModel
from lamlam.text import Document


class AnswerScore(NamedTuple):
    """`nats`: −log p of the answer's tokens, `tokens` of them; `hits`: lookups that the base answered in it. `greedy`:
    each of them is the likeliest at its place; None where that was not asked."""

    nats: float
    tokens: int
    hits: int
    greedy: bool | None = None

    @property
    def probability(self) -> float:
        """The geometric mean of the tokens' probabilities: p(answer) to the power of 1 / its tokens."""
        return float(np.exp(-self.nats / max(1, self.tokens)))


def answer_scores(lm: LookupModel, pairs: Sequence[tuple[str, str]]) -> list[AnswerScore]:
    """The score of each (prompt, answer); a space between the two is put in where there is none."""
    prompts = [prompt.rstrip() for prompt, _ in pairs]
    texts = [f"{prompt} {answer.strip()}" for prompt, (_, answer) in zip(prompts, pairs, strict=True)]
    return text_scores(lm, texts, [len(prompt) for prompt in prompts])


def text_scores(
    lm: LookupModel, texts: Sequence[str], starts: Sequence[int], greedy: bool = False
) -> list[AnswerScore]:
    """The score of each text from its character `starts[i]` on, given what stands before."""
    plain = [Document("", text) for text in texts]
    if lm.kb is not None:
        rewritten = with_own_calls(lm, plain, "own", starts)
        documents, hits = [one.document for one in rewritten], [one.hits for one in rewritten]
    else:
        documents, hits = plain, [0] * len(plain)
    encoded = [encode_document(document, lm.tokenizer) for document in documents]
    sequences = [[lm.tokenizer.start_id, *one.ids[:-1]] for one in encoded]
    never = lm.tokenizer.lookup_ids
    nlls = token_nlls(lm.model, sequences, windowing(lm.model), never=never)
    room = int(lm.model.config.max_position_embeddings)
    likeliest = likeliest_tokens(lm.model, [one[:room] for one in sequences], never) if greedy and texts else None
    scores = []
    for i, (one, nll) in enumerate(zip(encoded, nlls, strict=True)):
        scored = np.array(one.trained[:-1], bool) & ~in_query(one.ids[:-1], lm.tokenizer)
        # Tokenizers cut words at their spaces: where the answer begins with one, so does its first token.
        scored[: len(lm.tokenizer.encode_text(texts[i][: starts[i]]))] = False
        best = None
        if likeliest is not None:
            same = np.array(likeliest[i])[: len(scored)] == np.array(one.ids[: min(len(scored), len(likeliest[i]))])
            best = len(same) == len(scored) and bool(same[scored].all())
        scores.append(AnswerScore(float(nll[scored].sum()), int(scored.sum()), hits[i], best))
    return scores
