"""A row that takes ordinary tokens together stands where it would after taking them one by one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.generate import Row, State
from lamlam.generate.row import after

WINDOW = 48
KINDS = ["ordinary", "entity", "relation", "return"]
TOKENS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(5, 60)), max_size=40)


def allowed(row, kind):
    """Whether such a token may come, as the grammar has it."""
    inside = row.state
    return {
        "ordinary": True,
        "entity": inside is State.TEXT,
        "relation": inside is State.ENTITY,
        "return": inside is State.RELATION,
    }[kind]


@settings(max_examples=150)
@given(TOKENS, st.integers(1, 20), st.integers(0, 3), st.sampled_from([(), ("e",)]))
def test_calm_rows_may_wait(tokenizer, tokens, max_new_tokens, max_lookups, stop):
    names = {"entity": tokenizer.entity_id, "relation": tokenizer.relation_id, "return": tokenizer.return_id}
    one, lazy = (Row(tokenizer, [7, 8], max_new_tokens, max_lookups, WINDOW, stop=stop) for _ in range(2))
    waiting, calm, state = [], lazy.calm(), lazy.state

    def settled():
        nonlocal waiting, calm, state
        lazy.extend(waiting)
        waiting, calm, state = [], lazy.calm(), lazy.state

    for kind, ordinary in tokens:
        if one.finish is not None or not allowed(one, kind):
            continue
        assert state is one.state  # what is known of it without a look
        token = names.get(kind, ordinary)
        one.push(token)
        if calm and kind in ("ordinary", "relation"):
            waiting, calm, state = [*waiting, token], calm - 1, after(state, kind == "relation")
        else:
            settled()
            lazy.push(token)
            settled()
        assert not waiting or not one.cut
        for row in (one, lazy):
            row.cut = False
            if row.asking is not None:  # neither knows anything
                row.answer(None, "a word" if len(row.ids) % 2 else None)
                row.cut = False
        if not waiting:
            settled()
        if one.restricted:
            assert not calm
    settled()
    assert (lazy.ids, lazy.finish, lazy.state, lazy.restricted) == (one.ids, one.finish, one.state, one.restricted)
    assert [call.asked for call in lazy.calls] == [call.asked for call in one.calls]
    assert lazy.clean.text() == one.clean.text()
