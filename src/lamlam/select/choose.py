"""From scores to how often each document is taken: int64, shape (documents,), 0 for those that are left out.

Shares are of tokens, not of documents: what a training costs is tokens.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def top_share(difference: Floats, tokens: Counts, share: float) -> Counts:
    """The best-scored documents, until they hold `share` (over 0, at most 1) of the tokens: the paper's rule.

    The one that crosses that line is in; of equal scores, the earlier document is.
    """
    order = np.argsort(-difference, kind="stable")
    before = np.cumsum(tokens[order]) - tokens[order]
    copies = np.zeros(len(tokens), np.int64)
    copies[order[before < share * tokens.sum()]] = 1
    return copies


def above_threshold(difference: Floats, threshold: float) -> Counts:
    """The documents whose score is `threshold` or more."""
    return (difference >= threshold).astype(np.int64)


def sampled(difference: Floats, tokens: Counts, share: float, temperature: float, seed: int) -> Counts:
    """As many tokens as `share` of all (it may be over 1), a document's expected copies in proportion to
    exp(score / `temperature`): a high temperature takes all alike, a low one repeats the best.

    Expected copies are rounded up or down by chance, so that they come out on average; a function of `seed`.
    """
    weights = np.exp((difference - difference.max()) / temperature)
    expected = share * tokens.sum() * weights / (weights @ tokens)
    copies: Counts = np.floor(expected + np.random.default_rng(seed).random(len(tokens))).astype(np.int64)
    return copies
