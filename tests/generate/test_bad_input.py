"""What may go wrong while a text is written, and the answer to each."""

import pytest
import torch

from lamlam.errors import LamlamError
from lamlam.generate import Answered, Asked, Engine, LookupModel, Retry, Sampling, Text, abstain, unknown
from lamlam.kb import Fact, KnowledgeBase
from tests.evaluate.conftest import ScriptedModel, script
from tests.generate.conftest import HashBase, make_model
from tests.generate.test_engine import PROMPTS, check, requests_of, run


class Failing(HashBase):
    """Goes away when it is asked for the second time."""

    def lookup_many(self, queries):
        if len(self.batches) == 1:
            raise LamlamError("the base facts.db is gone")
        return super().lookup_many(queries)


def test_a_base_that_goes_away_fails_those_who_ask_it(models, tokenizer):
    base = Failing()
    requests = requests_of(tokenizer, [*PROMPTS, "Ada", "x"], unknown, Sampling(1.0, seed=1), 14, 4)
    run(Engine(models[1], tokenizer, base, slots=2), requests)
    failed = [request for request in requests if request.row.finish == "failed"]
    assert failed
    assert all(str(request.error) == "the base facts.db is gone" for request in failed)
    rest = [request for request in requests if request.row.finish != "failed" and not request.row.calls]
    check(models[1], tokenizer, HashBase(), rest)


class Gone:
    """A base that is not there any more."""

    def lookup_many(self, queries):
        raise LamlamError("the base facts.db is gone")


def test_whoever_asks_a_base_that_is_gone_is_told(tokenizer):
    lm = LookupModel(born(tokenizer, "London", "London"), tokenizer, Gone())
    with pytest.raises(LamlamError, match="is gone"):
        lm.generate(["Ada"])
    with pytest.raises(LamlamError, match="is gone"):
        list(lm.stream("Ada"))
    assert lm.engine(1).idle


def test_a_closed_base(models, tokenizer, tmp_path):
    kb = KnowledgeBase.open(tmp_path / "facts.db", create=True)
    lm = LookupModel(models[0], tokenizer, kb)
    kb.close()
    with pytest.raises(LamlamError, match="closed"):
        lm.generate(PROMPTS, sampling=Sampling(1.0))


def born(tokenizer, value, *more):
    """A model that says where Ada was born, whatever the base says, twice."""
    parts = [" was born in ", ("Ada", "Birth Place", value), f" {value}, yes, ", ("Ada", "Birth Place", more[0])]
    text = script(tokenizer, "Ada", *parts, f" {more[0]}.")
    return ScriptedModel(tokenizer, [text])


@pytest.fixture
def kb(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as base:
        base.add([Fact("Ada", "Birth Place", "London", source="doc-1"), Fact("Ada", "Birth Date", "1815")])
        yield base


def test_an_edit_while_a_text_is_written_is_seen_by_the_next_call(tokenizer, kb):
    lm = LookupModel(born(tokenizer, "London", "Paris"), tokenizer, kb)
    answers = []
    for event in lm.stream("Ada"):
        if isinstance(event, Answered):
            answers.append(event.match and event.match.fact.value)
            kb.set("Ada", "Birth Place", "Paris")
        last = event
    assert answers == ["London", "Paris"]
    assert [citation.match.fact.value for citation in last.citations] == ["London", "Paris"]
    assert last.citations[0].match.fact.source == "doc-1"
    assert last.citations[0].time < last.citations[1].time
    then = kb.lookup("Ada", "Birth Place", as_of=last.citations[0].time)
    assert then is not None
    assert then.fact.value == "London"


def test_what_is_forgotten_while_a_text_is_written_is_not_answered_again(tokenizer, kb):
    lm = LookupModel(born(tokenizer, "London", "London"), tokenizer, kb)
    events = []
    for event in lm.stream("Ada"):
        events.append(event)
        if isinstance(event, Answered) and event.match:
            kb.forget("Ada", "Birth Place")
    assert [type(event) for event in events if not isinstance(event, Text)][:4] == [Asked, Answered] * 2
    assert [call.outcome for call in events[-1].calls] == ["answered", "abstained"]


def test_a_prompt_of_a_million_characters(models, tokenizer):
    lm = LookupModel(models[0], tokenizer, HashBase())
    with pytest.raises(LamlamError, match=r"1,000,000 characters, more than the model's window of 512 tokens holds"):
        lm.generate(["x" * 1_000_000])


def test_a_policy_that_fails_fails_its_row_only(models, tokenizer):
    def broken(asked, match):
        raise ValueError("no")

    base, sampling = HashBase(), Sampling(1.0, seed=2)
    requests = requests_of(tokenizer, PROMPTS, broken, sampling, 14, 4)
    requests += requests_of(tokenizer, PROMPTS, abstain, sampling, 14, 4)
    run(Engine(models[0], tokenizer, base, slots=16), requests)
    assert {type(request.error) for request in requests[:6]} <= {ValueError, type(None)}
    assert any(request.error for request in requests[:6])
    check(models[0], tokenizer, base, requests[6:])


def test_other_misuse_is_said(models, tokenizer):
    lm = LookupModel(models[0], tokenizer, HashBase())
    with pytest.raises(LamlamError, match="needs a base with a prefix index"):
        lm.generate(["Ada"], constrained=True)
    with pytest.raises(LamlamError, match="needs a base that tells its nearest names"):
        lm.generate(["Ada"], policy="nearest")
    with pytest.raises(LamlamError, match="batch_size has to be at least 1"):
        lm.generate(["Ada"], batch_size=0)
    with pytest.raises(LamlamError, match="an empty stop string"):
        lm.generate(["Ada"], stop="")
    with pytest.raises(LamlamError, match="token ids outside the tokenizer's"):
        lm.generate([[999]])


def test_nearest_puts_in_the_nearest_fact(tokenizer, kb):
    text = script(tokenizer, "Ada", " was born in ", ("Adda", "Place of Birth", "London"), " London.")
    lm = LookupModel(ScriptedModel(tokenizer, [text]), tokenizer, kb)
    [generation] = lm.generate(["Ada"], policy="nearest")
    [citation] = generation.citations
    assert (citation.match.fact.value, generation.text) == ("London", " was born in London.")


def test_weights_that_are_trained_on_are_taken_over(tokenizer):
    model = make_model(tokenizer, 4)
    lm = LookupModel(model, tokenizer, None)
    before = lm.generate(["Ada"], max_new_tokens=12)[0].text
    other = make_model(tokenizer, 5)
    with torch.no_grad():
        for mine, its in zip(model.parameters(), other.parameters(), strict=True):
            mine.copy_(its)
    after = lm.generate(["Ada"], max_new_tokens=12)[0].text
    assert after == LookupModel(other, tokenizer, None).generate(["Ada"], max_new_tokens=12)[0].text != before


def test_streams_may_run_side_by_side(models, tokenizer):
    lm = LookupModel(models[1], tokenizer, HashBase())
    alone = [list(lm.stream(prompt, max_new_tokens=8)) for prompt in PROMPTS[:2]]
    streams = [lm.stream(prompt, max_new_tokens=8) for prompt in PROMPTS[:2]]
    together = [[next(stream)] for stream in streams]
    for stream, events in zip(streams, together, strict=True):
        events += stream
    assert [[type(e) for e in events] for events in together] == [[type(e) for e in events] for events in alone]
    assert [events[-1].text for events in together] == [events[-1].text for events in alone]


def test_retry_is_a_policy_of_so_many_times():
    from lamlam.generate import retry

    with pytest.raises(LamlamError, match="retry 0 times"):
        retry(0)
    assert retry(1)(Asked("a", "b"), None) == Retry()
    assert retry(1)(Asked("a", "b", 1), None) is None
