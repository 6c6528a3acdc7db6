from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.annotate.judge import (
    SHRINKAGE,
    CallJudge,
    Verdict,
    along,
    axes_of,
    cross_validated,
    fit_weights,
    folded,
    ranked,
)
from lamlam.annotate.readings import FEWEST, least_for, read_readings
from lamlam.errors import LamlamError

chances = st.lists(st.tuples(st.integers(0, 9).map(lambda n: n / 10), st.booleans()), min_size=1, max_size=12)


def verdicts(count=200, seed=0):
    """Calls by two rules, one right nine times in ten, one right once in ten."""
    draw = np.random.default_rng(seed)
    for n in range(count):
        sure = bool(draw.random() < 0.5)
        features = {"always": 1.0, "rule sure" if sure else "rule unsure": 1.0, f"noise {n % 7}": 1.0}
        yield Verdict(features, bool(draw.random() < (0.9 if sure else 0.1)), f"d{n // 2}")


def test_a_judge_learns_which_rule_is_right_and_can_be_read_again(tmp_path):
    judge = CallJudge(fit_weights(list(verdicts())), {"born": 3})
    sure, unsure = ({"always": 1.0, f"rule {name}": 1.0} for name in ("sure", "unsure"))
    assert judge.chance(sure) > 0.65 > 0.35 > judge.chance(unsure)
    assert judge.chance({}) == 0
    judge.write(tmp_path / "judge.json")
    assert CallJudge.read(tmp_path / "judge.json") == judge


def test_the_slope_is_nothing_at_the_weights_that_were_found():
    some = list(verdicts(60))
    weights = fit_weights(some)
    slope = {name: SHRINKAGE * weight for name, weight in weights.items()}
    for one in some:
        odds = sum(value * weights.get(name, 0.0) for name, value in one.features.items())
        for name, value in one.features.items():
            if name in slope:
                slope[name] += value * (1 / (1 + np.exp(-odds)) - one.good)
    assert max(map(abs, slope.values())) < 1e-2


def test_weights_of_the_axes_fold_into_weights_of_the_state():
    draw = np.random.default_rng(0)
    told = [one._replace(state=draw.normal(size=5) + 3) for one in verdicts(60)]
    axes = axes_of(np.array([one.state for one in told]))
    seen = [along(axes, one) for one in told]
    weights = fit_weights(seen)
    others, state = folded(weights, axes)
    for one, with_axes in zip(told, seen, strict=True):
        found = CallJudge(others, {}, state).chance(one.features, one.state)
        assert found == pytest.approx(CallJudge(weights, {}).chance(with_axes.features), abs=1e-4)


def test_a_verdict_is_not_judged_by_what_was_learnt_from_its_document():
    told = [Verdict({"always": 1.0, f"document {n // 3}": 1.0}, n // 3 % 2 == 0, f"d{n // 3}") for n in range(60)]
    found = cross_validated(told)
    assert ranked([CallJudge(fit_weights(told), {}).chance(one.features) for one in told], [x.good for x in told]) == 1
    assert ranked(found, [one.good for one in told]) <= 0.5


@given(chances, st.sampled_from([0.5, 0.8, 1.0]))
def test_the_least_chance_leaves_the_share_that_was_asked_for(pairs, share):
    found, good = zip(*pairs, strict=True)
    least = least_for(found, good, share)

    def reached(at):
        kept = [is_good for chance, is_good in pairs if chance >= at]
        return bool(kept) and sum(kept) >= share * len(kept)

    if any(reached(chance) for chance in found):
        assert least <= min(chance for chance in found if reached(chance))
    else:
        assert least == 1.0 or not reached(least)


@given(chances)
def test_ranking_counts_pairs(pairs):
    found, good = zip(*pairs, strict=True)
    every = [(a, b) for a, is_good in pairs if is_good for b, is_bad in pairs if not is_bad]
    apart = {(a, b) for a, b in every if a == b}
    if every and not apart:
        assert ranked(found, good) == pytest.approx(sum(a > b for a, b in every) / len(every))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no JSON", "line 1: no reading of a call"),
        ('{"document": "d", "entity": "E", "relation": "R", "value": "V", "true": "yes"}', "true or false"),
        ('{"document": "d", "entity": "E", "relation": " ", "value": "V", "true": true}', "a relation"),
        ('{"document": "d", "relation": "R", "value": "V", "true": true}', "'entity'"),
        (json.dumps({"document": "d", "entity": "E", "relation": "R", "value": "V", "true": True}), f"takes {FEWEST}"),
    ],
)
def test_what_is_no_reading_is_one_line(tmp_path, line, message):
    (tmp_path / "readings.jsonl").write_text(line + "\n")
    with pytest.raises(LamlamError, match=message) as caught:
        read_readings(tmp_path / "readings.jsonl")
    assert "\n" not in str(caught.value)
