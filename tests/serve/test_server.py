"""The API over real HTTP: completions, streams, lookups, and requests that cannot be answered."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from lamlam.errors import LamlamError
from lamlam.generate import LookupModel, Sampling
from lamlam.serve import create_app, listen

PROMPTS = ["Ada", "Ada Lovelace was born on", "She wrote about the engine ", "é…"]
FACT = {"entity": "Ada Lovelace", "relation": "Birth Date", "value": "10 December 1815", "source": "doc-17"}


def complete(client, **body):
    return client.post("/v1/completions", json={"temperature": 0, "max_tokens": 24, **body})


def stream(client, **body):
    """The events of a stream, `[DONE]` left out, which has to be the last."""
    with client.stream("POST", "/v1/completions", json={"max_tokens": 24, "stream": True, **body}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def without_time(entries):
    assert all(entry["time"] for entry in entries if entry["match" if "match" in entry else "value"])
    return [{**entry, "time": None} for entry in entries]


def test_health_and_models(client):
    assert client.get("/health").json() == {"status": "ok", "model": "tiny", "lookups": True}
    [model] = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"]) == ("tiny", "model")


def test_completions_are_those_of_the_model(client, lm):
    body = complete(client, model="tiny", prompt=PROMPTS, temperature=1, top_p=0.9, seed=7, user="somebody").json()
    expected = lm.generate(PROMPTS, max_new_tokens=24, sampling=Sampling(1.0, top_p=0.9, seed=7))
    assert [choice["text"] for choice in body["choices"]] == [generation.text for generation in expected]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert body["object"] == "text_completion"
    calls = citations = 0
    for choice, generation in zip(body["choices"], expected, strict=True):
        assert choice["finish_reason"] == {"end": "stop"}.get(generation.finish, "length")
        assert [(call["at"], call["entity"], call["relation"], call["outcome"]) for call in choice["calls"]] == [
            (call.at, call.entity, call.relation, call.outcome) for call in generation.calls
        ]
        assert len(choice["citations"]) == len(generation.citations)
        calls, citations = calls + len(choice["calls"]), citations + len(choice["citations"])
        for call in choice["calls"]:
            if call["match"]:
                assert FACT.items() <= call["match"].items()
    assert calls
    usage = body["usage"]
    assert usage["prompt_tokens"] == sum(len(lm.tokenizer.encode_text(prompt)) for prompt in PROMPTS)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 24 * len(PROMPTS)


def test_citations_point_into_the_text(tokenizer, kb):
    """With a model that asks for the date and then writes it."""
    from tests.evaluate.conftest import ScriptedModel

    prompt = "Ada Lovelace was born on"
    script = [tokenizer.start_id, *tokenizer.encode_text(prompt), *tokenizer.encode_query("Ada Lovelace", "Birth Date")]
    script += tokenizer.encode_answer("10 December 1815") + tokenizer.encode_text(" 10 December 1815.", first=False)
    lm = LookupModel(ScriptedModel(tokenizer, [script]), tokenizer, kb)
    with TestClient(create_app(lm, "scripted")) as client:
        [choice] = complete(client, prompt=prompt).json()["choices"]
        last = stream(client, prompt=prompt, temperature=0)[-1]["choices"][0]
    for one in (choice, last):
        [citation], [call] = one["citations"], one["calls"]
        assert choice["text"][citation["start"] : citation["end"]] == "10 December 1815"
        assert FACT.items() <= citation.items()
        assert citation["score"] == 1
        assert call["match"] == {key: citation[key] for key in call["match"]}
        assert call["span"] == [citation["start"], citation["end"]]


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_says_what_the_whole_answer_says(client, seed):
    asked = {"prompt": PROMPTS, "temperature": 1, "seed": seed}
    whole = complete(client, **asked).json()
    *events, usage = stream(client, **asked, stream_options={"include_usage": True})
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    assert len({event["id"] for event in events}) == 1
    for choice in whole["choices"]:
        chunks = [c for event in events for c in event["choices"] if c["index"] == choice["index"]]
        assert "".join(chunk["text"] for chunk in chunks) == choice["text"]
        assert [chunk["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1]["finish_reason"] == choice["finish_reason"]
        for name in ("citations", "calls"):
            assert without_time(chunks[-1][name]) == without_time(choice[name])


def test_a_stream_that_is_left_makes_way(client):
    asked = {"prompt": "Ada", "max_tokens": 400, "stream": True, "temperature": 1}
    for _ in range(5):
        with client.stream("POST", "/v1/completions", json=asked) as response:
            next(response.iter_lines())
    assert complete(client, prompt="Ada", max_tokens=2).status_code == 200


def test_many_at_once_get_what_each_alone_gets(client):
    def choice(prompt):
        [one] = complete(client, prompt=prompt, temperature=1, seed=1).json()["choices"]
        return {**one, "calls": without_time(one["calls"]), "citations": without_time(one["citations"])}

    alone = [choice(prompt) for prompt in PROMPTS]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(choice, PROMPTS)) == alone


def test_requests_run_in_one_batch(lm):
    """A short request that comes while a long one runs is done before it."""
    with TestClient(create_app(lm, "tiny")) as client, ThreadPoolExecutor(2) as threads:
        long = {"max_tokens": 400, "temperature": 1, "logit_bias": None, "seed": 2}
        with client.stream("POST", "/v1/completions", json={"prompt": "é…", "stream": True, **long}) as busy:
            lines = busy.iter_lines()
            next(lines)
            assert threads.submit(complete, client, prompt="Ada", max_tokens=3).result().status_code == 200
            assert sum(1 for line in lines if line) > 10


def test_a_stop_string_ends_the_text(client):
    whole = complete(client, prompt=PROMPTS[1], temperature=1, seed=4).json()["choices"][0]["text"]
    stop = whole[len(whole) // 2 :][:2]
    body = {"prompt": PROMPTS[1], "temperature": 1, "seed": 4, "stop": stop}
    choice = complete(client, **body).json()["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == (whole[: whole.index(stop)], "stop")
    chunks = [event["choices"][0]["text"] for event in stream(client, **body)]
    assert "".join(chunks) == choice["text"]


def test_the_server_lives_while_it_generates(client):
    with client.stream("POST", "/v1/completions", json={"prompt": "Ada", "max_tokens": 100, "stream": True}) as busy:
        started = time.monotonic()
        assert client.get("/health").status_code == 200
        assert time.monotonic() - started < 5
        busy.read()


def test_lookup(client):
    found = client.get("/kb/lookup", params={"entity": "Ada", "relation": "birth date"}).json()
    assert FACT.items() <= found["match"].items()
    assert found["match"]["how"] == "exact entity, exact relation"
    nothing = client.get("/kb/lookup", params={"entity": "Nobody", "relation": "Birth Date"})
    assert (nothing.status_code, nothing.json()["match"]) == (200, None)
    missing = client.get("/kb/lookup", params={"entity": "Ada"})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "relation")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"prompt": ["x"] * 65}, "prompt"),
        ({"prompt": "Ada " * 600}, "prompt"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "max_tokens": 10**9}, "max_tokens"),
        ({"prompt": "x", "temperature": -1}, "temperature"),
        ({"prompt": "x", "temperature": float("nan")}, "temperature"),
        ({"prompt": "x", "top_p": 0}, "top_p"),
        ({"prompt": "x", "seed": 2**70}, "seed"),
        ({"prompt": "x", "n": 2}, "n"),
        ({"prompt": "x", "stop": [""]}, "stop"),
        ({"prompt": "x", "stop": ["a"] * 5}, "stop"),
        ({"prompt": "x", "stream": True, "logprobs": 5}, "logprobs"),
        ([1], None),
    ],
)
def test_bad_requests(client, body, param):
    response = client.post("/v1/completions", content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]


def test_nulls_and_fields_that_others_send_are_fine(client):
    body = {"prompt": "Ada", "max_tokens": None, "top_p": None, "n": 1, "stop": None, "echo": False, "logit_bias": {}}
    assert client.post("/v1/completions", json=body).status_code == 200


def test_what_is_not_there(client):
    broken = client.post("/v1/completions", content=b"{", headers={"content-type": "application/json"})
    other = complete(client, prompt="x", model="gpt-4")
    assert (broken.status_code, other.status_code, other.json()["error"]["code"]) == (400, 404, "model_not_found")
    for response in (client.get("/nothing"), client.get("/v1/completions")):
        assert response.status_code in (404, 405)
        assert response.json()["error"]["type"] == "invalid_request_error"


class BrokenBase:
    """Fails as a base does whose file has gone."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def lookup_many(self, queries):
        raise self.error


@pytest.mark.parametrize("error", [LamlamError("/secret/facts.db is gone"), ValueError("/secret/facts.db")])
def test_failures_tell_nothing_of_the_inside(lm, error):
    app = create_app(LookupModel(lm.model, lm.tokenizer, BrokenBase(error)), "tiny")
    with TestClient(app, raise_server_exceptions=False) as client:
        answers = [
            client.get("/kb/lookup", params={"entity": "Ada", "relation": "Birth Date"}),
            complete(client, prompt=PROMPTS),
        ]
        streamed = complete(client, prompt=PROMPTS, stream=True)
    assert [answer.status_code for answer in answers] == [500, 500]
    for answer in [*answers, streamed]:
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert "server_error" in answer.text
    assert "[DONE]" not in streamed.text


def test_without_a_base(lm):
    with TestClient(create_app(LookupModel(lm.model, lm.tokenizer, None), "tiny")) as client:
        assert client.get("/health").json()["lookups"] is False
        assert complete(client, prompt="Ada").json()["choices"][0]["calls"] == []
        refused = client.get("/kb/lookup", params={"entity": "Ada", "relation": "Birth Date"})
    assert (refused.status_code, "no base" in refused.json()["error"]["message"]) == (404, True)


def test_a_port_that_is_taken():
    with listen("127.0.0.1", 0) as taken, pytest.raises(LamlamError, match="choose another --host or --port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_without_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lamlam.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(LamlamError, match=r"lamlam\[serve\]"):
        import lamlam.serve  # noqa: F401
