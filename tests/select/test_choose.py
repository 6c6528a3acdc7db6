"""Rules of choosing against slow references, and what is written is what was chosen."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.corpus import ShardDocuments, Windows
from lamlam.errors import LamlamError
from lamlam.select import above_threshold, copies_in_rounds, sampled, top_share, write_selection
from tests.select.test_score import everything

scored = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 3.0]), st.integers(1, 50)), min_size=1, max_size=30)


def arrays(documents):
    return np.array([score for score, _ in documents]), np.array([tokens for _, tokens in documents])


@given(documents=scored, share=st.floats(0, 1))
def test_the_top_share_is_that_of_a_plain_loop(documents, share):
    difference, tokens = arrays(documents)
    wanted, taken = [0] * len(documents), 0
    for number in sorted(range(len(documents)), key=lambda number: (-difference[number], number)):
        if taken < share * sum(tokens):
            wanted[number] = 1
            taken += tokens[number]
    assert top_share(difference, tokens, share).tolist() == wanted


@given(documents=scored, threshold=st.sampled_from([-2.0, 0.0, 0.25, 4.0]))
def test_the_threshold_itself_is_in(documents, threshold):
    difference, _ = arrays(documents)
    assert above_threshold(difference, threshold).tolist() == [int(score >= threshold) for score, _ in documents]


@given(documents=scored, share=st.floats(0.1, 3), temperature=st.floats(0.05, 10), seed=st.integers(0, 5))
def test_copies_are_the_expected_ones_rounded(documents, share, temperature, seed):
    """The expected ones by a slow reference: who would be over the limit is set to it, and the rest shares the rest."""
    difference, tokens = arrays(documents)
    weights = [Fraction(math.exp(score / temperature)) for score in difference]
    full, wanted = set(), Fraction(share) * int(sum(tokens))
    while True:
        others = [number for number in range(len(weights)) if number not in full]
        rest = wanted - 3 * sum(int(tokens[number]) for number in full)
        scale = rest / sum(weights[number] * int(tokens[number]) for number in others) if others else 0
        over = {number for number in others if scale * weights[number] > 3}
        if not over:
            break
        full |= over
    copies = sampled(difference, tokens, share, temperature, seed, at_most=3)
    for number, (found, weight) in enumerate(zip(copies, weights, strict=True)):
        mean = 3 if number in full else float(scale * weight)
        assert np.floor(mean - 1e-6) <= found <= np.ceil(mean + 1e-6)
    assert copies.tolist() == sampled(difference, tokens, share, temperature, seed, at_most=3).tolist()


def test_an_outlier_is_not_all_that_is_drawn():
    """A score far above all others, at a temperature at which the others weigh nothing beside it."""
    difference = np.append(np.random.default_rng(0).normal(0, 0.3, 999), 100.0)
    tokens = np.full(1000, 10)
    copies = sampled(difference, tokens, 0.5, 0.05, seed=0)
    assert copies[-1] == 4
    assert copies.max() == 4
    assert copies @ tokens == pytest.approx(0.5 * 10_000, rel=0.05)
    assert sampled(difference, tokens, 0.0, 0.05, seed=0).sum() == 0


def test_more_than_the_copies_allowed_is_an_error():
    with pytest.raises(LamlamError, match=r"2 copies of every document are less than 2\.5 × their tokens; allow more"):
        sampled(np.zeros(3), np.ones(3, np.int64), 2.5, 0.1, seed=0, at_most=2)


def test_the_draw_comes_out_on_average():
    difference, tokens = np.array([0.0, 0.1, 0.3]), np.array([10, 20, 30])
    mean = np.mean([sampled(difference, tokens, 0.5, 0.1, seed) for seed in range(2000)], axis=0)
    assert mean @ tokens == pytest.approx(0.5 * 60, rel=0.03)
    assert mean[1] / mean[0] == pytest.approx(np.e, rel=0.3)


def test_a_selection_is_a_shard_folder(corpus, tmp_path):
    documents = corpus.documents
    copies = np.array([0, 1, 2, 0, 3, 0, 0, 1, 0, 0, 0, 0])
    info = write_selection(documents, copies, tmp_path / "chosen", {"keep": 0.5})
    chosen = ShardDocuments(tmp_path / "chosen")
    assert (info.documents, info.kind, info.tokenizer) == (7, documents.info.kind, documents.info.tokenizer)
    assert json.loads((tmp_path / "chosen" / "selection.json").read_text()) == {"keep": 0.5}
    every = list(everything(documents))
    wanted = [every[number] for number in (1, 2, 4, 7, 2, 4, 4)]  # copies are in rounds
    assert list(everything(chosen)) == wanted
    rounds = [document.ids.tolist() for document in copies_in_rounds(documents, copies)]
    assert rounds == [document.ids for document in wanted]
    assert len(Windows(tmp_path / "chosen", 16)) > 0


def test_nothing_chosen_and_ones_own_folder_are_errors(corpus, tmp_path):
    with pytest.raises(LamlamError, match="no document is chosen; ask for more"):
        write_selection(corpus.documents, np.zeros(12, np.int64), tmp_path / "chosen", {})
    with pytest.raises(LamlamError, match="holds the shards that are chosen from"):
        write_selection(corpus.documents, np.ones(12, np.int64), corpus.documents.folder, {})
    assert list(tmp_path.iterdir()) == []
