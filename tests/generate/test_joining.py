"""Rows that join and leave, prompts of all kinds, constraints: every row is still what the reference makes of it."""

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.generate import Engine, Row, Sampling, abstain, retry, unknown
from lamlam.generate import engine as engine_module
from lamlam.kb import Fact, Match
from tests.generate.conftest import HashBase, make_model
from tests.generate.test_engine import PROMPTS, check, requests_of, run

SAMPLING = Sampling(1.0, seed=11)


def join_and_leave(engine, requests, orders):
    """Each request comes after some steps more; the second is cancelled on the way. Gives those that ran to the end."""
    for request, wait in zip(requests, orders, strict=True):
        engine.add(request)
        for _ in range(wait):
            engine.step()
    engine.cancel(requests[1])
    list(engine.run())
    return [request for request in requests if request is not requests[1]]


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 99), slots=st.integers(1, 4), orders=st.lists(st.integers(0, 6), min_size=5, max_size=5))
def test_rows_join_and_leave_in_any_order(models, tokenizer, seed, slots, orders):
    base = HashBase()
    requests = requests_of(tokenizer, random.Random(seed).sample(PROMPTS, 5), unknown, SAMPLING, 6, 2)
    engine = Engine(models[seed % 3], tokenizer, base, slots=slots)
    left = join_and_leave(engine, requests, orders)
    check(models[seed % 3], tokenizer, base, left)


def test_long_prompts_are_fed_in_pieces(models, tokenizer, monkeypatch):
    monkeypatch.setattr(engine_module, "MOST_TOKENS", 16)
    monkeypatch.setattr(engine_module, "LEAST_PROMPT", 8)
    base = HashBase()
    requests = requests_of(tokenizer, ["Ada " * 40, "é… " * 30, "", "She wrote"], abstain, SAMPLING, 6, 2)
    run(Engine(models[0], tokenizer, base, slots=4), requests)
    check(models[0], tokenizer, base, requests)


def test_prompts_in_ids_may_hold_calls_and_end_within_one(models, tokenizer):
    text, query, answer = tokenizer.encode_text("Ada was born "), tokenizer.encode_query("Ada", "Birth"), []
    answer = tokenizer.encode_answer("London")
    cut = query.index(tokenizer.relation_id)
    prompts = [
        [*text, *query, *answer, *tokenizer.encode_text(" London", first=False)],
        [*text, *query],
        [*text, *query[:-1]],
        [*text, *query[: cut + 1]],
        [*text, *query[: cut - 1]],
        [*text, *query[:1]],
        [*text, *query, *answer, *query[:2]],
        query,
    ]
    for policy in (abstain, retry(1)):
        requests = requests_of(tokenizer, prompts, policy, SAMPLING, 3, 2)
        base = HashBase()
        run(Engine(models[1], tokenizer, base, slots=8), requests)
        check(models[1], tokenizer, base, requests)
    no_lookups = requests_of(tokenizer, prompts, abstain, SAMPLING, 6, 0)
    run(Engine(models[1], tokenizer, HashBase(), slots=8), no_lookups)
    assert all(not request.row.calls and request.row.finish for request in no_lookups)


@pytest.mark.parametrize(
    "broken", [["relation_id"], ["end_id"], ["entity_id", "entity_id"], ["entity_id", "return_id"]]
)
def test_a_prompt_with_a_broken_call(tokenizer, broken):
    with pytest.raises(LamlamError, match="calls are broken"):
        Row(tokenizer, [40, *(getattr(tokenizer, name) for name in broken)], 5, 5, 99)
    value = [*tokenizer.encode_query("Ada", "Birth"), 40]
    with pytest.raises(LamlamError, match="within the value of a call"):
        Row(tokenizer, value, 5, 5, 99)


@pytest.mark.parametrize("size", [30, 37, 38])
def test_prompts_that_fill_the_window(tokenizer, size):
    model, base = make_model(tokenizer, 3, positions=40), HashBase()
    prompts = [[7] * size, [7, 9] * (size // 2), [*[7] * (size - 1), tokenizer.entity_id]]
    requests = requests_of(tokenizer, prompts, unknown, SAMPLING, 50, 9, window=40)
    run(Engine(model, tokenizer, base, slots=2), requests)
    check(model, tokenizer, base, requests)
    assert "window" in {request.row.finish for request in requests}


def test_a_call_that_never_ends_is_taken_back(models, tokenizer, monkeypatch):
    from lamlam.generate import row as row_module

    monkeypatch.setattr(row_module, "MAX_QUERY_TOKENS", 7)
    base = HashBase()
    requests = requests_of(tokenizer, PROMPTS, unknown, Sampling(1.5, seed=3), 12, 4)
    run(Engine(models[1], tokenizer, base, slots=6), requests)
    check(models[1], tokenizer, base, requests)
    assert any(record.outcome == "abstained" for request in requests for record in request.row.calls)


def test_stop_strings_end_the_text(models, tokenizer):
    base = HashBase()
    requests = requests_of(tokenizer, PROMPTS[:4], abstain, SAMPLING, 16, 1, stop=("e", "was", " o"))
    run(Engine(models[2], tokenizer, base, slots=4), requests)
    check(models[2], tokenizer, base, requests)
    assert "stop" in {request.row.finish for request in requests}


class Allowed(NamedTuple):
    pairs: np.ndarray
    hot: np.ndarray


class Names:
    """A constraint by a plain search through all queries; nodes are numbers of what has been written."""

    hot_version = 0
    entity_root = 0

    def __init__(self, tokenizer, facts, hot):
        self.queries = [tuple(tokenizer.encode_query(entity, relation)[1:]) for entity, relation, _ in facts]
        self.written = [()]
        self.is_hot = hot
        self.refreshed = 0

    def after(self, written):
        written = tuple(written)
        return sorted({query[len(written)] for query in self.queries if query[: len(written)] == written != query})

    def allowed(self, nodes):
        hot = np.array([0 if self.is_hot and node == 0 else -1 for node in nodes])
        pairs = [(r, t) for r, n in enumerate(nodes) if hot[r] < 0 for t in self.after(self.written[n])]
        return Allowed(np.array(pairs, np.int64).reshape(-1, 2).T, hot)

    def hot(self, vocabulary):
        table = np.zeros((1, vocabulary), bool)
        table[0, self.after(())] = True
        return table

    def advance(self, nodes, tokens):
        after = []
        for node, token in zip(nodes, tokens, strict=True):
            self.written.append((*self.written[node], token))
            after.append(len(self.written) - 1)
        return np.array(after)

    def refresh(self):
        self.refreshed += 1
        if self.refreshed % 5:
            return False
        self.written = [()]  # all nodes are void
        return True


class NamesBase:
    """Knows every second fact, so that some queries find nothing."""

    def __init__(self, facts):
        self.facts = {(entity, relation): value for entity, relation, value in facts[::2]}
        self.asked = []

    def lookup_many(self, queries):
        self.asked += queries
        values = [self.facts.get(query) for query in queries]
        return [
            v and Match(Fact(*q, v), 1.0, "exact entity, exact relation") for q, v in zip(queries, values, strict=True)
        ]


FACTS = [
    (f"{name} {n}", f"{what}", f"v{n}") for n in range(3) for name in ("Ada", "Adam") for what in ("Born", "Died in")
]


@pytest.mark.parametrize("hot", [False, True])
@pytest.mark.parametrize("policy", [abstain, unknown, retry(2)])
def test_constrained_rows_ask_only_what_the_base_has(models, tokenizer, policy, hot):
    for sampling in (Sampling(), SAMPLING):
        names, base = Names(tokenizer, FACTS, hot), NamesBase(FACTS)
        requests = requests_of(tokenizer, PROMPTS, policy, sampling, 10, 6)
        run(Engine(models[0], tokenizer, base, slots=4, constraint=names), requests)
        assert base.asked
        assert set(base.asked) <= {(entity, relation) for entity, relation, _ in FACTS}
        check(models[0], tokenizer, base, requests, names.after)
        for request in requests:
            if policy is abstain:
                refused = [record.asked for record in request.row.calls if record.time and not record.match]
                assert len(refused) == len(set(refused))  # nothing is asked twice that found nothing
