"""Thrust against its formula written out, and what is said where it cannot be fitted."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from lamlam.errors import LamlamError
from lamlam.generate.thrust import Thrust, _best_threshold, fit, prompt_states, separation
from lamlam.model import new_model, train_tokenizer

FLOATS = st.floats(-10, 10, width=32)


def slow_score(centroids, sizes, state):
    """Equation of section 3, one number at a time, N = 1."""
    hidden, clusters = len(state), len(centroids)
    total = [0.0] * hidden
    for centroid, size in zip(centroids, sizes, strict=True):
        way = [float(m) - float(f) for m, f in zip(centroid, state, strict=True)]
        length = math.sqrt(sum(part**2 for part in way))
        for place, part in enumerate(way):
            total[place] += size / length**2 * part / length
    return math.sqrt(sum((part / clusters) ** 2 for part in total))


@given(
    npst.arrays(np.float32, (3, 4), elements=FLOATS),
    st.lists(st.integers(1, 50), min_size=3, max_size=3),
    npst.arrays(np.float32, (2, 4), elements=FLOATS),
)
def test_the_score_is_the_papers(centroids, sizes, states):
    thrust = Thrust(centroids, np.array(sizes), 0.0)
    for state, score in zip(states, thrust.score(states), strict=True):
        assert np.isfinite(score)
        if min(np.linalg.norm(centroids - state, axis=1)) > 1e-3:
            assert score == pytest.approx(slow_score(centroids, sizes, state), rel=1e-6, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=12))
def test_the_threshold_is_the_best_there_is(pairs):
    scores, known = np.array([float(score) for score, _ in pairs]), np.array([label for _, label in pairs])

    def balanced(threshold):
        parts = [(scores[known] >= threshold).mean() if known.any() else 0.0]
        parts.append((scores[~known] < threshold).mean() if not known.all() else 0.0)
        return sum(parts)

    best = max(balanced(threshold) for threshold in np.arange(-0.5, 6.0, 0.5))
    assert balanced(_best_threshold(scores, known)) == pytest.approx(best)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(4, 30), st.integers(4, 30))
@example(114737548, 4, 4)  # k-means leaves a cluster empty
def test_clusters_of_what_is_known_tell_it_from_what_is_far_from_all(seed, known, unknown):
    rng = np.random.default_rng(seed)
    centers = np.eye(8, dtype=np.float32)[:3] * 10
    near = centers[rng.integers(0, 3, 4 * known)] + rng.normal(0, 0.5, (4 * known, 8))
    far = rng.normal(0, 1, (unknown, 8)) * 60
    states = np.concatenate([near, far]).astype(np.float32)
    labels = [True] * len(near) + [False] * len(far)
    thrust, told, held_out = fit(states, labels, seed=seed % 1000)
    assert told.questions == held_out.sum() == len(near) // 2 + len(far) // 2
    assert told.known == held_out[: len(near)].sum() == len(near) // 2
    assert told.auroc > 0.9
    assert thrust.sizes.sum() == len(near) - told.known
    assert 1 <= len(thrust.centroids) <= max(3, math.ceil(len(near) ** 0.25))


def test_many_that_are_not_known_do_not_draw_the_clusters_to_them():
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(0, 1, (40, 8)), rng.normal(4, 1, (400, 8))
    states = np.concatenate([known, unknown]).astype(np.float32)
    _, told, _ = fit(states, [True] * 40 + [False] * 400)
    assert told.auroc > 0.9


def test_separation_counts_what_it_says():
    told = separation(np.array([1.0, 2.0, 3.0, 3.0]), np.array([False, True, True, False]), 2.5)
    assert told.auroc == (1 + 1 + 0 + 0.5) / 4
    assert (told.known_kept, told.unknown_asked, told.balanced_accuracy) == (0.5, 0.5, 0.5)
    assert (told.questions, told.known) == (4, 2)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([True] * 15, "at least 16"),
        ([False] * 20, "hardly any .* ask always"),
        ([True] * 19 + [False], "nearly all .* ask never"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_in_one_line(known, said):
    with pytest.raises(LamlamError, match=said) as raised:
        fit(np.zeros((len(known), 2), np.float32), known)
    assert "\n" not in str(raised.value)


def test_questions_that_are_all_alike_have_one_cluster():
    thrust, told, _ = fit(np.ones((20, 2), np.float32), [True, False] * 10)
    assert len(thrust.centroids) == 1
    assert told.auroc == 0.5


def test_saved_and_loaded_it_scores_the_same(tmp_path):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(40, 6)).astype(np.float32)
    thrust = fit(states, [True, False] * 20, fingerprint="f").thrust
    thrust.save(tmp_path / "thrust")
    loaded = Thrust.load(tmp_path / "thrust")
    assert (loaded.score(states) == thrust.score(states)).all()
    assert (loaded.threshold, loaded.fingerprint) == (thrust.threshold, "f")
    for name, damage in (("thrust.json", "{"), ("thrust.json", json.dumps({"format": 9})), ("thrust.safetensors", "x")):
        (tmp_path / "thrust" / name).write_text(damage)
        with pytest.raises(LamlamError, match="no fitted Thrust") as raised:
            Thrust.load(tmp_path / "thrust")
        assert "\n" not in str(raised.value)
    with pytest.raises(LamlamError, match="lamlam thrust fit"):
        Thrust.load(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def tiny():
    tokenizer = train_tokenizer(["Ada Lovelace was born on 10 December 1815."] * 3, 300)
    return new_model("tiny", tokenizer).eval(), tokenizer


def test_states_do_not_depend_on_the_batch(tiny):
    model, tokenizer = tiny
    prompts = [tokenizer.encode_text(text) for text in ("Ada", "Ada Lovelace was born on", "", "10 December")]
    together = prompt_states(model, tokenizer, prompts)
    for prompt, state in zip(prompts, together, strict=True):
        with torch.inference_mode():
            ids = torch.tensor([[tokenizer.start_id, *prompt]])
            alone = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0, -1].numpy()
        np.testing.assert_allclose(state, alone, atol=1e-4)
        np.testing.assert_allclose(prompt_states(model, tokenizer, [prompt], 1)[0], alone, atol=1e-4)


def test_another_model_or_tokenizer_is_refused(tiny):
    model, tokenizer = tiny
    thrust = Thrust(np.zeros((1, 3), np.float32), np.ones(1, np.int64), 0.0)
    with pytest.raises(LamlamError, match="another model"):
        thrust.asks(model, tokenizer, [[5]])
    width = model.config.hidden_size
    thrust = Thrust(np.zeros((1, width), np.float32), np.ones(1, np.int64), 0.0, "other")
    with pytest.raises(LamlamError, match="another tokenizer"):
        thrust.asks(model, tokenizer, [[5]])
    thrust = Thrust(np.zeros((1, width), np.float32), np.ones(1, np.int64), math.inf, tokenizer.fingerprint())
    assert thrust.asks(model, tokenizer, [[5], [6, 7]]) == [True, True]
    thrust.threshold = 0.0
    assert thrust.asks(model, tokenizer, [[5], [6, 7]]) == [False, False]
