"""The likeliest token by NumPy, against a walk through all tokens of every row."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from lamlam.generate.constraint import Only
from lamlam.generate.likeliest import Likeliest
from lamlam.generate.output import Whole

STATES, VOCABULARY = 3, 9
TOKENS = st.sets(st.integers(0, VOCABULARY - 1))


@st.composite
def rows(draw):
    """A row's logits, of few values so that many are equal; its state; what is banned; what alone may come, if so."""
    logits = draw(st.lists(st.integers(-2, 2), min_size=VOCABULARY, max_size=VOCABULARY))
    only = draw(st.none() | st.tuples(TOKENS, st.none() | st.integers(0, 1)))
    return logits, draw(st.integers(0, STATES - 1)), draw(TOKENS), only


@given(
    st.lists(rows(), min_size=1, max_size=5),
    st.lists(TOKENS, min_size=STATES, max_size=STATES),
    st.lists(TOKENS, min_size=2, max_size=2),
)
def test_it_is_the_first_of_the_likeliest_that_may_come(rows, ruled_out, hot):
    table, heated = torch.zeros((STATES, VOCABULARY), dtype=torch.bool), torch.zeros((2, VOCABULARY), dtype=torch.bool)
    for mask, sets in ((table, ruled_out), (heated, hot)):
        for number, tokens in enumerate(sets):
            mask[number, list(tokens)] = True
    wanted, pairs, hot_of, places, banned = [], [], [], [], []
    for place, (logits, state, its_banned, only) in enumerate(rows):
        may = set(range(VOCABULARY)) - ruled_out[state]
        if only is not None:
            listed, hot_row = only
            may = listed | (hot[hot_row] if hot_row is not None else set())
            places.append(place)
            pairs += [(place, token) for token in sorted(listed)]
            hot_of += [(place, hot_row)] if hot_row is not None else []
        may -= its_banned
        banned += [(place, token) for token in its_banned]
        wanted.append(min(may, key=lambda token: (-logits[token], token)) if may else None)

    def columns(pairs):
        return np.array(pairs, np.int64).reshape(-1, 2).T

    only = Only(np.array(places, np.int64), columns(pairs), heated, columns(hot_of)) if places else None
    logits, states = torch.tensor([row[0] for row in rows], dtype=torch.float32), np.array([row[1] for row in rows])
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        got = Likeliest(table)(Whole(logits.to(dtype)), states, columns(banned), only)
        assert all(token in (None, its) for token, its in zip(wanted, got.tolist(), strict=True))
