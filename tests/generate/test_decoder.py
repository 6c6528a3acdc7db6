"""The batched decoder equals the slow reference, row by row, whatever else is in the batch."""

import random

import pytest

from lamlam.generate import POLICIES, Row, Sampling, decode
from tests.generate.conftest import HashBase, make_model
from tests.generate.reference import reference_decode

PROMPTS = ["", "Ada", "Ada Lovelace was born on", "She wrote about the engine ", "<|db_entity|> Ada<|db_return|>", "é…"]


def run(model, tokenizer, base, prompts, policy, sampling, max_new_tokens=24, max_lookups=5, window=512):
    rows = [Row(tokenizer, tokenizer.encode_text(p), max_new_tokens, max_lookups, window) for p in prompts]
    for _ in decode(model, tokenizer, base, rows, POLICIES[policy], sampling):
        pass
    return rows


def outcome(row):
    return [(record.asked.entity, record.asked.relation, record.outcome) for record in row.calls]


@pytest.mark.parametrize("policy", ["abstain", "unknown"])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0, seed=1), Sampling(0.8, top_k=20, top_p=0.9, seed=7)])
def test_equals_reference(models, tokenizer, policy, sampling):
    outcomes = set()
    for number, model in enumerate(models):
        prompts = random.Random(number).sample(PROMPTS, len(PROMPTS))
        base = HashBase()
        rows = run(model, tokenizer, base, prompts, policy, sampling)
        for position, row in enumerate(rows):
            expected = reference_decode(
                model, tokenizer, base, row.prompt, POLICIES[policy], sampling, position, 24, 5, 512
            )
            assert (row.ids, outcome(row), row.finish) == (expected.ids, expected.outcomes, expected.finish)
            outcomes |= {record.outcome for record in row.calls}
    assert {"answered", "abstained" if policy == "abstain" else "unknown"} <= outcomes or sampling.temperature == 0


def test_a_small_window_ends_rows_as_in_the_reference(tokenizer):
    finishes = set()
    for seed in range(6):
        model, sampling, base = make_model(tokenizer, seed, positions=40), Sampling(1.0, seed=seed), HashBase()
        rows = run(model, tokenizer, base, PROMPTS, "abstain", sampling, 100, 50, window=40)
        for position, row in enumerate(rows):
            expected = reference_decode(
                model, tokenizer, base, row.prompt, POLICIES["abstain"], sampling, position, 100, 50, 40
            )
            assert (row.ids, outcome(row), row.finish) == (expected.ids, expected.outcomes, expected.finish)
            finishes.add(row.finish)
    assert "window" in finishes


def test_a_call_that_never_ends_is_taken_back(tokenizer, monkeypatch):
    from lamlam.generate import row as row_module
    from tests.generate import reference

    monkeypatch.setattr(row_module, "MAX_QUERY_TOKENS", 3)
    monkeypatch.setattr(reference, "MAX_QUERY_TOKENS", 3)
    model, sampling, base = make_model(tokenizer, 1), Sampling(1.5, seed=3), HashBase()
    rows = run(model, tokenizer, base, PROMPTS, "unknown", sampling)
    for position, row in enumerate(rows):
        expected = reference_decode(
            model, tokenizer, base, row.prompt, POLICIES["unknown"], sampling, position, 24, 5, 512
        )
        assert (row.ids, outcome(row), row.finish) == (expected.ids, expected.outcomes, expected.finish)
    assert any(record.outcome == "abstained" for row in rows for record in row.calls)


def test_every_call_is_well_formed_and_lookups_go_together(models, tokenizer):
    base = HashBase()
    rows = run(models[0], tokenizer, base, PROMPTS * 4, "unknown", Sampling(1.0))
    for row in rows:
        lookup_tokens = [token for token in row.ids[row.prompt_length :] if token in tokenizer.lookup_ids]
        assert lookup_tokens == list(tokenizer.lookup_ids) * (len(lookup_tokens) // 4)
        assert row.text_tokens() <= 24
        assert len(row.calls) <= 5
    assert max(map(len, base.batches)) > 1


def test_without_lookups_no_call_is_made(models, tokenizer):
    rows = run(models[0], tokenizer, None, PROMPTS, "abstain", Sampling(1.0), max_lookups=0)
    assert all(not row.calls and tokenizer.entity_id not in row.ids for row in rows)
    assert any(row.text_tokens() == 24 for row in rows)


def test_value_tokens_are_those_of_training(models, tokenizer):
    rows = run(models[1], tokenizer, HashBase(), PROMPTS * 2, "abstain", Sampling(1.0))
    answered = [(row, record) for row in rows for record in row.calls if record.outcome == "answered"]
    assert answered
    for row, record in answered:
        call = row.ids[record.position : record.position + record.length]
        answer = tokenizer.encode_answer(record.match.fact.value)
        assert call[-len(answer) :] == answer
