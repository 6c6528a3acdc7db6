"""`LookupModel`: generating and streaming agree, citations hold their values, and what is wrong is said."""

from dataclasses import replace

import pytest
import torch

from lamlam.errors import LamlamError
from lamlam.generate import Answered, Asked, Generation, LookupModel, Row, Sampling, Text
from lamlam.generate.prose import certain_text, written
from tests.evaluate.conftest import ScriptedModel
from tests.generate.conftest import HashBase, make_model

PROMPTS = ["Ada Lovelace was born on", "She wrote about", "", "é…"]
SAMPLINGS = [Sampling(), Sampling(1.0, seed=1)]


@pytest.fixture(scope="module")
def lm(tokenizer) -> LookupModel:
    """A random model that asks all the time, and soon ends its questions."""
    model = make_model(tokenizer, 0)
    with torch.no_grad():
        model.lm_head.bias[[tokenizer.relation_id, tokenizer.return_id]] += 2.5
    return LookupModel(model, tokenizer, HashBase())


@pytest.mark.parametrize("policy", ["abstain", "unknown"])
def test_a_stream_tells_what_generate_writes(lm, policy):
    some_asked = False
    for sampling in SAMPLINGS:
        wholes = lm.generate(PROMPTS, max_new_tokens=16, max_lookups=6, policy=policy, sampling=sampling)
        for number, (prompt, whole) in enumerate(zip(PROMPTS, wholes, strict=True)):
            same = replace(sampling, seed=sampling.seed + number)
            events = list(lm.stream(prompt, max_new_tokens=16, max_lookups=6, policy=policy, sampling=same))
            assert "".join(event.text for event in events if isinstance(event, Text)) == whole.text
            last = events[-1]
            assert isinstance(last, Generation)
            assert [call[:3] for call in last.calls] == [call[:3] for call in whole.calls]
            assert [citation[:3] for citation in last.citations] == [citation[:3] for citation in whole.citations]
            asked = [(event.entity, event.relation) for event in events if isinstance(event, Asked)]
            answers = [event.match for event in events if isinstance(event, Answered)]
            # A call that never ended was taken back without being asked.
            calls = [(call.entity, call.relation) for call in whole.calls]
            assert [call for call in calls if call in asked] == asked
            assert len(answers) == len(asked)
            some_asked |= bool(asked)
    assert some_asked


@pytest.mark.parametrize("policy", ["abstain", "unknown"])
def test_without_a_match_the_policy_decides(lm, tokenizer, policy):
    outcomes = set()
    for sampling in SAMPLINGS:
        for generation in lm.generate(PROMPTS, max_new_tokens=16, max_lookups=6, policy=policy, sampling=sampling):
            outcomes |= {(call.match is None, call.outcome) for call in generation.calls}
            assert not any(token in generation.text for token in ("<|db_", "db_end"))
    no_match = "abstained" if policy == "abstain" else "unknown"
    # Under either policy, a call that never ends is taken back.
    assert (
        {(False, "answered"), (True, no_match)}
        <= outcomes
        <= {(False, "answered"), (True, no_match), (True, "abstained")}
    )


def scripted(tokenizer, prompt: str, *pieces: list[int]) -> LookupModel:
    """A model that goes on with `pieces` after `prompt`, the base's answers among them, and then ends the text."""
    ids = [tokenizer.start_id, *tokenizer.encode_text(prompt), *(token for piece in pieces for token in piece)]
    return LookupModel(ScriptedModel(tokenizer, [ids]), tokenizer, HashBase())


def test_a_citation_holds_the_value(tokenizer):
    base = HashBase()
    [match] = base.lookup_many([("Ada", "Birth Place")])
    assert match is not None
    value = match.fact.value
    text = tokenizer.encode_text
    lm = scripted(
        tokenizer,
        "Ada",
        text(" was born in ", first=False),
        tokenizer.encode_query("Ada", "Birth Place"),
        tokenizer.encode_answer(value),
        text(f" {value} and died.", first=False),
    )
    [generation] = lm.generate(["Ada"])
    assert (generation.text, generation.finish) == (f" was born in {value} and died.", "end")
    [citation] = generation.citations
    assert generation.text[citation.start : citation.end] == value
    assert citation.match == match
    assert [(call.at, call.outcome) for call in generation.calls] == [(len(" was born in "), "answered")]


def test_half_a_character_is_not_told(tokenizer):
    ids = tokenizer.encode_text(" né 🜁 x", first=False)
    assert len(ids) > len(" né 🜁 x")  # the last two characters take several tokens each
    lm = scripted(tokenizer, "Ada", ids)
    *texts, whole = [event.text for event in lm.stream("Ada")]
    assert "".join(texts) == whole == " né 🜁 x"
    assert not any("\ufffd" in text for text in texts)
    assert len(texts) > 2


def test_certain_text_keeps_back_a_space_until_the_end(tokenizer):
    row = Row(tokenizer, [], 9, 0, 99)
    for token in tokenizer.encode_text("a "):
        row.push(token)
    assert (written(row), certain_text(row)) == ("a ", "a")
    row.push(tokenizer.eos_id)
    assert certain_text(row) == "a "


def test_a_stream_leaves_gradients_as_they_were(lm):
    assert torch.is_grad_enabled()
    events = lm.stream("Ada", max_new_tokens=24)
    next(events)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    with torch.no_grad():
        next(events)
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_without_a_base_nothing_is_asked(models, tokenizer):
    lm = LookupModel(models[0], tokenizer, None)
    for generation in lm.generate(PROMPTS, max_new_tokens=24, sampling=Sampling(1.0)):
        assert (generation.calls, generation.citations) == ([], [])


def test_batches_do_not_change_the_text(lm):
    few, many = (lm.generate(PROMPTS, max_new_tokens=16, batch_size=size) for size in (3, 64))
    assert [generation.text for generation in few] == [generation.text for generation in many]
    assert lm.generate([]) == []
    assert [generation.text for generation in lm.generate(["Ada"], max_new_tokens=0)] == [""]


def test_a_prompt_that_does_not_fit(lm, tokenizer):
    window = lm.model.config.max_position_embeddings
    byte = "\x01"  # one token each
    assert len(tokenizer.encode_text(byte * 3)) == 3
    [generation] = lm.generate([byte * (window - 2)])
    assert generation.finish == "window"
    with pytest.raises(LamlamError, match=rf"the prompt has {window + 3} tokens.* window {window}: shorten it by 5$"):
        lm.generate(["Ada", byte * (window + 3)])
    with pytest.raises(LamlamError, match="shorten it by 1"):
        next(lm.stream(byte * (window - 1)))


def test_misuse_is_said(lm):
    with pytest.raises(LamlamError, match=r"generate\(\[prompt\]\)"):
        lm.generate("Ada")
    with pytest.raises(
        LamlamError, match="no policy 'guess': choose abstain, unknown, retry, nearest, or give a function"
    ):
        lm.generate(["Ada"], policy="guess")
    with pytest.raises(LamlamError, match="no policy 'guess'"):
        next(lm.stream("Ada", policy="guess"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"temperature": -0.1}, "temperature -0.1 is not a number from 0 on"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"temperature": float("inf")}, "temperature inf"),
        ({"top_p": 0.0}, r"top_p 0.0 is not"),
        ({"top_p": 1.5}, r"top_p 1.5 is not"),
        ({"top_p": float("nan")}, r"top_p nan is not"),
        ({"top_k": 0}, "top_k 0 keeps no token"),
        ({"min_p": 1.5}, "min_p 1.5 is not between 0 and 1"),
        ({"repetition_penalty": 0.0}, "repetition_penalty 0.0 is not a number above 0"),
    ],
)
def test_samplings_bad_values(values, says):
    with pytest.raises(LamlamError, match=says):
        Sampling(**values)
