"""Every row of every batch equals the slow reference, in whatever order rows join and leave."""

import random

import pytest

from lamlam.generate import Engine, Request, Retry, Row, Sampling, abstain, retry, unknown
from tests.generate.conftest import HashBase, make_gpt2
from tests.generate.reference import reference_decode

PROMPTS = ["", "Ada", "Ada Lovelace was born on", "She wrote about the engine ", "<|db_entity|> Ada<|db_return|>", "é…"]


def outcome(row):
    return [(record.asked.entity, record.asked.relation, record.outcome) for record in row.calls]


def check(model, tokenizer, base, requests, allowed=None, beams=1):
    """Each request's row is what the reference makes of its prompt."""
    for request in requests:
        row = request.row
        expected = reference_decode(
            model, tokenizer, base, row.prompt, request.policy, request.sampling, request.seed,
            row.max_new_tokens, row.max_lookups, row.window, row.stop, allowed, beams,
        )  # fmt: skip
        assert (row.finish, outcome(row)) == (expected.finish, expected.outcomes)
        open_call = row.open_call
        assert (row.ids if open_call is None else row.ids[:open_call]) == expected.ids
        assert row.clean.text()[: row.text_end] == expected.text


def requests_of(tokenizer, prompts, policy=abstain, sampling=None, max_new_tokens=24, max_lookups=5, window=512, **row):
    sampling = sampling or Sampling()
    encoded = [tokenizer.encode_text(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
    return [
        Request(
            Row(tokenizer, ids, max_new_tokens, max_lookups, window, **row), policy, sampling, sampling.seed + number
        )
        for number, ids in enumerate(encoded)
    ]


def run(engine, requests):
    for request in requests:
        engine.add(request)
    return list(engine.run())


def grudging(asked, match):
    """A user's policy: refuses what the base says at first, then has a word of its own."""
    if asked.tries < 1:
        return Retry(entity=len(asked.entity) % 2 == 0)
    return "a word" if len(asked.entity) % 3 else None


POLICIES = {"abstain": abstain, "unknown": unknown, "retry": retry(3), "grudging": grudging}
SAMPLINGS = [
    Sampling(),
    Sampling(1.0, seed=1),
    Sampling(0.8, top_k=20, top_p=0.9, seed=7),
    Sampling(1.3, min_p=0.1, repetition_penalty=1.4, seed=3),
    Sampling(repetition_penalty=1.5),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_equals_the_reference(models, tokenizer, policy):
    outcomes = set()
    for number, sampling in enumerate(SAMPLINGS):
        model = models[number % len(models)]
        prompts = random.Random(number).sample(PROMPTS, 4)
        requests = requests_of(tokenizer, prompts, POLICIES[policy], sampling, max_new_tokens=12, max_lookups=4)
        base = HashBase()
        run(Engine(model, tokenizer, base, slots=3), requests)
        check(model, tokenizer, base, requests)
        outcomes |= {record.outcome for request in requests for record in request.row.calls}
    assert {"abstain": "abstained", "unknown": "unknown"}.get(policy, "retried") in outcomes
    assert "answered" in outcomes


def test_other_models_equal_the_reference(tokenizer):
    for seed in range(2):
        model = make_gpt2(tokenizer, seed)
        sampling = Sampling(1.0, seed=seed)
        requests = requests_of(tokenizer, PROMPTS, sampling=sampling, window=128, max_new_tokens=8)
        base = HashBase()
        run(Engine(model, tokenizer, base, slots=4), requests)
        check(model, tokenizer, base, requests)
