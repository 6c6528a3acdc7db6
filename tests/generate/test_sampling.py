"""Random numbers by hash, against the same arithmetic on Python's integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamlam.generate.sampling import uniform

NUMBERS = st.integers(0, 2**64 - 1)


def mixed(number):
    number = (number + 0x9E3779B97F4A7C15) % 2**64
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ number >> 27) * 0x94D049BB133111EB % 2**64
    return number ^ number >> 31


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1))
def test_draws_are_the_hash_of_seed_and_number(pairs):
    seeds, draws = np.array(pairs, np.uint64).T
    points = uniform(seeds, draws)
    assert points.tolist() == [(mixed(mixed(seed) ^ draw) >> 32) / 2**32 for seed, draw in pairs]
    assert ((points >= 0) & (points < 1)).all()
