"""Several shard folders as one: an epoch's order is a function of (seed, epoch), and no window comes twice too soon."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.corpus import Mixture, Windows, pack
from lamlam.errors import LamlamError
from lamlam.model import train_tokenizer
from lamlam.text import Document
from lamlam.train import make_recipe
from lamlam.train.pretrain import step_windows
from tests.corpus.test_encode import BYTES, ada


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("mixture")
    for name, copies in (("a", 5), ("b", 2), ("c", 9)):
        pack([ada()] * copies, root / name, BYTES)
    return [root / name for name in "abc"]


def mixture(folders, shares=None, context=16):
    return Mixture([Windows(folder, context) for folder in folders], shares)


@settings(max_examples=25)
@given(
    sources=st.integers(1, 3),
    shares=st.none() | st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    seed=st.integers(0, 3),
    batch=st.integers(1, 40),
    stops=st.lists(st.integers(1, 5), max_size=4),
)
def test_any_resume_sees_each_window_once_an_epoch(folders, sources, shares, seed, batch, stops):
    """A run that is stopped after any steps, each time made anew, sees what one run sees: whole epochs."""
    make = lambda: mixture(folders[:sources], shares and shares[:sources])  # noqa: E731
    whole = make()
    recipe = make_recipe({"data": "a", "output": "b", "batch": batch, "seed": seed})
    steps = -(-2 * len(whole) // batch)
    seen, step = [], 0
    for length in [*stops, steps]:
        again = make()
        for _ in range(min(length, steps - step)):
            seen.extend(step_windows(again, recipe, step).tolist())
            step += 1
    epochs = [seen[: len(whole)], seen[len(whole) : 2 * len(whole)]]
    for number, epoch in enumerate(epochs):
        assert len(set(epoch)) == len(whole)
        assert epoch == whole.order(seed, number).tolist()
    # Processes take every n-th window of a step: together all of them, none twice.
    first = step_windows(whole, recipe, 0)
    assert Counter(np.concatenate([first[rank::3] for rank in range(3)]).tolist()) == Counter(first.tolist())


def test_shares_are_kept_and_a_larger_folder_shows_all_it_has(folders):
    mixed = mixture(folders, [1, 1, 2])
    lengths = [len(windows) for windows in mixed.sets]
    a, b, c = mixed.taken
    assert abs(a - b) <= 1
    assert abs(c - 2 * b) <= 2
    offset = sum(lengths[:2])
    seen = Counter()
    for epoch in range(12):
        order = mixed.order(0, epoch)
        seen.update(order[order >= offset].tolist())
    assert len(seen) == lengths[2]
    assert max(seen.values()) - min(seen.values()) <= 1


def test_a_batch_over_folders_is_the_folders_own(folders):
    mixed = mixture(folders)
    numbers = mixed.order(0, 0)[:20]
    batch = mixed.batch(numbers)
    offsets = np.cumsum([0, *(len(windows) for windows in mixed.sets)])
    for row, number in enumerate(numbers):
        owner = int(np.searchsorted(offsets, number, side="right")) - 1
        own = mixed.sets[owner].batch(np.array([number - offsets[owner]]))
        assert (batch.inputs[row] == own.inputs[0]).all()
        assert (batch.labels[row] == own.labels[0]).all()
    assert {source.split(",")[0] for source in mixed.sources(numbers)} <= {str(folder) for folder in folders}


def test_positions_start_with_every_document(tmp_path):
    pack([Document("a", "In London."), ada(), Document("b", "")], tmp_path / "shards", BYTES)
    windows = Windows(tmp_path / "shards", 7, apart=True)
    tokens = np.load(tmp_path / "shards" / "00000.tokens.npy")
    place = -1
    for window in range(len(windows)):
        batch = windows.batch(np.array([window]))
        place = -1  # a window's first token counts as 0
        for column in range(min(7, len(tokens) - 1 - 7 * window)):
            place = 0 if batch.inputs[0, column] == BYTES.start_id else place + 1
            assert batch.position_ids[0, column] == place


def test_folders_that_do_not_go_together_are_named(folders, tmp_path):
    pack([ada()], tmp_path / "other", train_tokenizer(["other words"], 270))
    pack([ada()], tmp_path / "standard", BYTES, "standard")
    with pytest.raises(LamlamError, match="packed with different tokenizers"):
        mixture([folders[0], tmp_path / "other"])
    with pytest.raises(LamlamError, match=r"packed for lmlm, .* for standard"):
        mixture([folders[0], tmp_path / "standard"])
