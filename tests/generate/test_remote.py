"""`RemoteLookupModel` against a real server: the same generations as here, and a line for all that goes wrong."""

import socket
from contextlib import ExitStack
from itertools import pairwise

import pytest
import torch

from lamlam.errors import LamlamError
from lamlam.generate import Generation, LookupModel, RemoteLookupModel, Sampling, Text
from lamlam.generate.remote_client import Boundary, Sent
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import train_tokenizer
from lamlam.text.tokens import RETURN
from tests.generate.completions_server import KEY, Endpoint, running
from tests.generate.conftest import HashBase, make_model
from tests.generate.test_joining import FACTS

HASH_BASE = HashBase()
PROMPTS = ["Ada Lovelace was born", "", "10 December 1815 in"]


@pytest.fixture(scope="module")
def server(tokenizer):
    with running(Endpoint(make_model(tokenizer, 0), tokenizer)) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(server):
    yield server
    fresh = Endpoint(server.model, server.tokenizer, url=server.url)
    vars(server).update(vars(fresh))


@pytest.fixture(scope="module")
def plain():
    """An engine that tells no ids, of a model that writes ASCII, a byte a token."""
    tokenizer = train_tokenizer(["x"], vocab_size=261)
    model = make_model(tokenizer, 1)
    with torch.no_grad():
        other = [token for token in range(257) if not tokenizer.decode_piece([token]).isascii()]
        model.lm_head.bias[other] = -50.0
    with running(Endpoint(model, tokenizer, tells_ids=False)) as endpoint:
        yield endpoint


@pytest.fixture
def remote(endpoint):
    """Makes a model over the endpoint, and closes it."""
    with ExitStack() as stack:

        def make(url=endpoint.url, kb=HASH_BASE, **more):
            made = RemoteLookupModel(url, endpoint.tokenizer, kb, **{"retries": 0, **more})
            return stack.enter_context(made)

        yield make


def without_times(generations):
    return [
        (
            one.text,
            one.finish,
            [call._replace(time=None) for call in one.calls],
            [citation._replace(time=None) for citation in one.citations],
        )
        for one in generations
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"policy": "unknown"},
        {"policy": "retry"},
        {"max_lookups": 0},
        {"max_lookups": 2},
        {"stop": ["e", "Lon"]},
    ],
    ids=str,
)
def test_it_generates_what_is_generated_here(endpoint, remote, options):
    here = LookupModel(endpoint.model, endpoint.tokenizer, HashBase())
    wanted = without_times(here.generate(PROMPTS, max_new_tokens=14, **options))
    got = without_times(remote().generate(PROMPTS, max_new_tokens=14, **options))
    assert got == wanted
    if options.get("max_lookups", 9) > 2 and "stop" not in options:
        assert sum(len(one[2]) for one in got) > 1


@pytest.mark.parametrize("options", [{}, {"policy": "unknown"}, {"max_lookups": 2}, {"stop": ["e", "Lon"]}], ids=str)
def test_so_does_an_engine_that_tells_no_ids(plain, options):
    """For texts that are written in only one way. Others may be tokenised otherwise than the model wrote them."""
    prompts = ["Ada", "", "London. ", "in 1815"]
    here = LookupModel(plain.model, plain.tokenizer, HashBase())
    with RemoteLookupModel(plain.url, plain.tokenizer, HashBase(), retries=0) as there:
        wanted = without_times(here.generate(prompts, max_new_tokens=14, **options))
        assert without_times(there.generate(prompts, max_new_tokens=14, **options)) == wanted
    assert not there.client.tells_ids


@pytest.mark.parametrize("options", [{}, {"policy": "retry"}, {"stop": ["e", "Lon"]}], ids=str)
def test_so_does_an_engine_that_tells_ids_as_llama_cpp_does(endpoint, remote, options):
    endpoint.as_llama, endpoint.tells_ids, endpoint.honours_stop = True, False, False
    here, there = LookupModel(endpoint.model, endpoint.tokenizer, HashBase()), remote()
    wanted = without_times(here.generate(PROMPTS, max_new_tokens=14, **options))
    assert without_times(there.generate(PROMPTS, max_new_tokens=14, **options)) == wanted
    assert events_of(there, PROMPTS[0], max_new_tokens=14, **options)[-1] == wanted[0]
    assert there.client.tells_ids
    assert there.window == 512
    assert not any(body.get("stream") for body in endpoint.requests)  # its pieces leave ids out


def test_an_engine_that_takes_text_alone_is_refused_in_one_line(endpoint, remote):
    endpoint.faults = ["422"]
    there = remote(model="tiny", window=512)
    with pytest.raises(LamlamError, match="an engine that takes token ids as a prompt") as raised:
        there.generate(["Ada"])
    assert "\n" not in str(raised.value)


def test_lookups_off_prompts_with_calls_and_budgets(endpoint, remote):
    tokenizer = endpoint.tokenizer
    off = remote(kb=None)
    assert all(not one.calls for one in off.generate(PROMPTS, max_new_tokens=10))
    prompt = [*tokenizer.encode_text("Ada was born on"), *tokenizer.encode_query("Ada", "Birth Date")]
    here = LookupModel(endpoint.model, tokenizer, HashBase())
    there = remote()
    assert without_times(there.generate([prompt], max_new_tokens=5)) == without_times(
        here.generate([prompt], max_new_tokens=5)
    )
    assert there.generate([], max_new_tokens=5) == []
    assert there.generate(["Ada"], max_new_tokens=0)[0].text == ""
    assert there.window == 512
    for prompt, stop, said in (
        ("Ada " * 600, (), "shorten it"),
        ("x" * 1_000_000, (), "1,000,000 characters, more than the model's window of 512"),
        ([10**6], (), "token ids outside"),
        ("Ada", [""], "an empty stop string"),
    ):
        with pytest.raises(LamlamError, match=said):
            there.generate([prompt], stop=stop)
    with pytest.raises(LamlamError, match="list of prompts"):
        there.generate("Ada")


def test_prompts_go_out_as_ids_with_the_prefix_before_them(endpoint, remote):
    there = remote()
    there.generate([PROMPTS[0]], max_new_tokens=14)
    prompts = [body["prompt"] for body in endpoint.requests[1:]]
    longer = sum(two[: len(one)] == one for one, two in pairwise(prompts))
    taken_back = sum(len(two) <= len(one) for one, two in pairwise(prompts))
    assert longer + taken_back >= len(prompts) - 1  # what the engine has cached is what comes again
    assert longer >= len(prompts) // 2


def test_ordinary_characters_that_look_like_a_lookup_token_end_nothing(endpoint, remote):
    names, there = endpoint.tokenizer, remote()
    sent = Sent([names.start_id], 9, Boundary(names.return_id, RETURN), ["."], {}, Sampling(), 0)
    for text, ends in ((f"see {RETURN}", False), ("see it.", False), ("see it", True)):
        told = there._untold_end(names.encode_text(text), True, sent)
        assert told == ([names.eos_id] if ends else [])
    assert there._untold_end([*names.encode_text("see"), names.return_id], True, sent) == []
    assert there._untold_end(names.encode_text("see"), False, sent) == []


def test_sampling_goes_to_the_engine(endpoint, remote):
    there = remote()
    sampling = Sampling(temperature=0.7, top_k=5, top_p=0.9, seed=3, min_p=0.1, repetition_penalty=1.2)
    one = there.generate(PROMPTS, max_new_tokens=8, sampling=sampling)
    assert without_times(one) == without_times(there.generate(PROMPTS, max_new_tokens=8, sampling=sampling))
    body = endpoint.requests[-1]
    told = {name: body[name] for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")}
    assert told == {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.2}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("hang", "did not answer within 0.5 second"),
        ("429", "answered 429"),
        ("500", "answered 500"),
        ("503", "answered 503"),
        ("401", "answered 401"),
        ("html", "ending in /v1"),
        ("truncated", "broke off"),
        ("half", "cannot be read"),
        ("empty", "no completion"),
        ("other", "no completion"),
        ("strings", "no numbers"),
        ("strange", "tokenizer does not have"),
    ],
)
def test_what_goes_wrong_is_one_line_without_the_key(endpoint, remote, fault, said):
    there = remote(timeout=0.5, api_key=KEY, model="tiny", window=512)
    there.generate(["Ada"], max_new_tokens=1)
    endpoint.faults = [fault]
    with pytest.raises(LamlamError, match=said) as raised:
        there.generate(["Ada"], max_new_tokens=3)
    line = str(raised.value)
    assert "\n" not in line
    assert KEY not in line
    assert len(line) < 400
    assert len(there.generate(["Ada"], max_new_tokens=3)) == 1  # and the next one is well again


def test_what_may_pass_is_tried_again(endpoint, remote):
    there = remote(retries=2)
    endpoint.faults = ["429", "503"]
    assert len(there.generate(["Ada"], max_new_tokens=2)) == 1
    assert endpoint.faults == []


@pytest.mark.parametrize("lacking", ["honours_bias", "honours_stop"])
def test_an_engine_that_cannot_do_it_is_found_out_before_the_first_token(endpoint, remote, lacking):
    endpoint.tells_ids = False
    setattr(endpoint, lacking, False)
    with pytest.raises(LamlamError, match="does not give back the token"):
        remote().generate(["Ada"])


def test_what_is_no_endpoint(endpoint, remote):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(LamlamError, match="cannot be reached"):
            remote(nobody).generate(["Ada"])
    with pytest.raises(LamlamError, match="answered 404"):
        remote(endpoint.url + "/nowhere").generate(["Ada"])
    endpoint.models = ("one", "two")
    with pytest.raises(LamlamError, match="the models one, two; say which"):
        remote().generate(["Ada"])
    endpoint.models, endpoint.tells_window = ("tiny",), False
    with pytest.raises(LamlamError, match="give window="):
        remote().generate(["Ada"])


def test_a_base_or_a_policy_that_fails_is_told(endpoint, remote):
    there = remote()

    def fails(asked, match):
        raise LamlamError("the base has gone")

    with pytest.raises(LamlamError, match="the base has gone"):
        there.generate(PROMPTS, max_new_tokens=30, policy=fails)


def events_of(model, prompt, **options):
    """A stream's text before each other event, these events, and its end."""
    events, text = [], ""
    for event in model.stream(prompt, **options):
        if isinstance(event, Text):
            text += event.text
        elif isinstance(event, Generation):
            events += [text, *without_times([event])]
        else:
            events += [text, event]
    return events


@pytest.mark.parametrize("options", [{}, {"policy": "retry"}, {"max_lookups": 1}, {"stop": ["e", "Lon"]}], ids=str)
def test_it_streams_what_is_streamed_here(endpoint, plain, options):
    for server in (endpoint, plain):
        here = LookupModel(server.model, server.tokenizer, HashBase())
        with RemoteLookupModel(server.url, server.tokenizer, HashBase(), retries=0) as there:
            for prompt in ("Ada", "in 1815"):
                wanted = events_of(here, prompt, max_new_tokens=12, **options)
                assert events_of(there, prompt, max_new_tokens=12, **options) == wanted


def test_a_stream_tells_text_before_its_stretch_ends(endpoint, remote):
    there = remote(kb=None)
    pieces = [event for event in there.stream("Ada", max_new_tokens=12) if isinstance(event, Text)]
    assert len(pieces) > 3
    assert len([body for body in endpoint.requests if body.get("stream")]) == 1


def test_a_stream_that_breaks_off_is_one_line(endpoint, remote):
    there = remote(timeout=0.5, model="tiny", window=512)
    there.generate(["Ada"], max_new_tokens=1)
    for fault, said in (("hang", "did not answer"), ("500", "answered 500"), ("html", "answered")):
        endpoint.faults = [fault]
        with pytest.raises(LamlamError, match=said) as raised:
            list(there.stream("Ada", max_new_tokens=3))
        assert "\n" not in str(raised.value)


@pytest.fixture
def kb(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as base:
        base.add([Fact(entity, relation, value) for entity, relation, value in FACTS[::2]])
        yield base


@pytest.mark.parametrize("policy", ["abstain", "unknown", "retry"])
def test_constrained_it_asks_what_is_asked_here(endpoint, remote, kb, policy):
    options = {"max_new_tokens": 10, "policy": policy, "constrained": True, "max_lookups": 4}
    here, there = LookupModel(endpoint.model, endpoint.tokenizer, kb), remote(kb=kb)
    wanted = without_times(here.generate(PROMPTS, **options))
    assert without_times(there.generate(PROMPTS, **options)) == wanted
    assert events_of(there, PROMPTS[0], **options)[-1] == wanted[0]
    asked = [(call.entity, call.relation) for one in wanted for call in one[2]]
    assert asked
    assert set(asked) <= {(fact.entity, fact.relation) for fact in kb}


def test_where_queries_cannot_be_constrained_it_says_so(endpoint, plain, remote, kb):
    with pytest.raises(LamlamError, match="needs a base with a prefix index"):
        remote().generate(["Ada"], constrained=True)
    there = RemoteLookupModel(plain.url, plain.tokenizer, kb, retries=0)
    with there, pytest.raises(LamlamError, match="tells no token ids"):
        there.generate(["Ada"], constrained=True)


def test_an_engine_without_allowed_token_ids_is_told_by_biases(endpoint, remote, kb):
    options = {"max_new_tokens": 10, "constrained": True, "max_lookups": 4}
    wanted = without_times(remote(kb=kb).generate(PROMPTS, **options))
    endpoint.honours_allowed = False
    assert without_times(remote(kb=kb).generate(PROMPTS, **options)) == wanted
    there = remote(kb=kb)
    there.generate(["Ada"], max_new_tokens=0)  # it is tried before biases are left out
    endpoint.honours_bias = False
    with pytest.raises(LamlamError, match="ruled out; it has to take logit_bias"):
        there.generate(PROMPTS, **options)
