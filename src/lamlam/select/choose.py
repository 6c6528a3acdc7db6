"""From scores to how often each document is taken: int64, shape (documents,), 0 for those that are left out.

Shares are of tokens, not of documents: what a training costs is tokens.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lamlam.errors import LamlamError

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


def sampled(
    difference: Floats, tokens: Counts, share: float, temperature: float, seed: int, at_most: int = 4
) -> Counts:
    """As many tokens as `share` of all (it may be over 1), a document's expected copies in proportion to
    exp(score / `temperature`), and no more than `at_most`: a high temperature takes all alike, a low one repeats the
    best.

    Expected copies are rounded up or down by chance, so that they come out on average; a function of `seed`. Without a
    limit, a single outlier among the scores could be all that is drawn; up to four times, repeated text trains about as
    well as new text (Muennighoff et al., arXiv 2305.16264). LamlamError where `at_most` copies of all are too few.
    """
    if share > at_most:
        raise LamlamError(f"{at_most} copies of every document are less than {share} × their tokens; allow more copies")
    logs, wanted = difference / temperature, share * tokens.sum()

    def expected(shift: float) -> Floats:
        return np.exp(np.minimum(logs + shift, np.log(at_most)))

    # The shift at which expected copies hold the tokens wanted, between one that surely gives too few and all at most.
    with np.errstate(divide="ignore"):
        low, high = np.log(share) - logs.max(), np.log(at_most) - logs.min()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if expected(middle) @ tokens >= wanted else (middle, high)
    copies: Counts = np.floor(expected(high) + np.random.default_rng(seed).random(len(tokens))).astype(np.int64)
    return copies
