"""Rules of choosing against slow references, and what is written is what was chosen."""

import json

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


@given(documents=scored, share=st.floats(0.1, 4), temperature=st.floats(0.05, 10), seed=st.integers(0, 5))
def test_copies_are_the_expected_ones_rounded(documents, share, temperature, seed):
    difference, tokens = arrays(documents)
    weights = [np.exp((score - max(difference)) / temperature) for score in difference]
    scale = share * sum(tokens) / sum(weight * count for weight, count in zip(weights, tokens, strict=True))
    copies = sampled(difference, tokens, share, temperature, seed)
    for found, weight in zip(copies, weights, strict=True):
        assert np.floor(scale * weight - 1e-9) <= found <= np.ceil(scale * weight + 1e-9)
    assert copies.tolist() == sampled(difference, tokens, share, temperature, seed).tolist()


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
