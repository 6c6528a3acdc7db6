"""Biographies: claims against a table, and a judge behind a local server, with every way in which it can fail."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lamlam.errors import LamlamError
from lamlam.evaluate import Judge, factscore, measure_biographies, read_names, read_table
from lamlam.evaluate.biography import FactTable
from lamlam.generate import LookupModel
from tests.evaluate.conftest import ScriptedModel, script

FACTS = {
    "Ada Lovelace": {"London", "10 December 1815"},
    "George Boole": {"Lincoln", "1815", "Ada"},
    "London": {"England"},
}


def test_claims_by_hand():
    table = FactTable(FACTS)
    text = "Ada Lovelace was born on 10 December 1815 in london, England, and not in Lincoln or Londonderry. London!"
    assert table.claims("Ada Lovelace", text) == ["10 december 1815", "london", "england", "lincoln"]
    held = [claim for claim in table.claims("Ada Lovelace", text) if table.supported("Ada Lovelace", claim)]
    assert held == ["10 december 1815", "london", "england"]  # England by way of London
    assert table.claims("Ada Lovelace", "Ada was a person.") == []  # her own name is no claim


def test_figures_by_hand(tokenizer):
    scripts = [
        script(tokenizer, "Ada Lovelace", " lived in London and Lincoln."),
        script(tokenizer, "George Boole", " was a person."),
    ]
    lm = LookupModel(ScriptedModel(tokenizer, scripts), tokenizer, None)
    names = ["Ada Lovelace", "George Boole", "Stranger"]
    result = measure_biographies(lm, names, FactTable(FACTS), "abstain", data="toy", model="scripted")
    assert {name: metric.value for name, metric in result.metrics.items()} == {
        "precision": 0.5, "facts a text": 1.0, "abstains": 0.5,
    }  # fmt: skip
    assert result.notes == ["1 of 3 people are not in the table, and were left out."]
    with pytest.raises(LamlamError, match="no facts about any of the 1 people, such as 'Stranger'"):
        measure_biographies(lm, ["Stranger"], FactTable(FACTS), "abstain", data="toy", model="scripted")


def test_files(tmp_path):
    (tmp_path / "names.txt").write_text("Ada\n\nBoole\n")
    assert sorted(read_names(tmp_path / "names.txt")) == ["Ada", "Boole"]
    assert len(read_names(tmp_path / "names.txt", 1)) == 1
    (tmp_path / "none.txt").write_text("\n")
    for name, says in (("none.txt", "no names in it"), ("missing.txt", "no such file")):
        with pytest.raises(LamlamError, match=says):
            read_names(tmp_path / name)
    (tmp_path / "facts.jsonl").write_text(json.dumps({"subject": "Ada", "relation": "City", "object": "London"}))
    assert read_table(tmp_path / "facts.jsonl").facts == {"Ada": {"London"}}
    (tmp_path / "facts.jsonl").write_text(json.dumps({"subject": "Ada", "relation": "City"}))
    with pytest.raises(LamlamError, match="line 1: no object"):
        read_table(tmp_path / "facts.jsonl")
    (tmp_path / "facts.jsonl").write_text("")
    with pytest.raises(LamlamError, match="no facts in it"):
        read_table(tmp_path / "facts.jsonl")


@pytest.fixture
def serve():
    """Start a chat endpoint whose answer to a prompt is `says(prompt)`; None is a failure of the server."""
    servers = []

    def start(says):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                content = says(asked["messages"][0]["content"])
                if isinstance(content, bytes):
                    body = content
                else:
                    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
                    body = json.dumps(
                        {"id": "1", "object": "chat.completion", "created": 0, "model": "j", "choices": [choice]}
                    ).encode()
                self.send_response(200 if content is not None else 500)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


TEXTS = {"Ada": "Ada was born in London. She was a queen.", "Boole": "Nothing."}
PASSAGES = {"Ada": "Ada, born in London, wrote a program.", "Boole": "Boole taught."}


def judged(url):
    judge = Judge(url, "j", retries=0, timeout=5)
    return factscore(TEXTS, PASSAGES, judge, data="toy", prompt="{name}", model="m", base="none", policy="abstain")


def sensible(prompt):
    if prompt.startswith("Break"):
        return "- Ada was born in London.\n2. Ada was a queen.\n* Ada is Ada." if "Ada" in prompt else "NONE"
    return "Maybe." if "Ada is Ada" in prompt else "True." if "London.\n\nIs" in prompt else "It is False"


def test_factscore_by_hand(serve):
    result = judged(serve(sensible))
    assert result.metrics["precision"].value == 0.5
    assert result.metrics["FActScore"].value == pytest.approx(0.5 * 2.718281828 ** (1 - 10 / 2))
    assert result.metrics["abstains"].value == 0.5
    assert result.metrics["unjudged facts"].value == 1


def test_a_judge_that_is_down(serve):
    with pytest.raises(LamlamError, match=r"does not answer .*; is it up"):
        judged("http://127.0.0.1:9/v1")
    with pytest.raises(LamlamError, match="does not answer"):
        judged(serve(lambda prompt: None))


def test_what_was_judged_before_it_went_down_is_kept(serve):
    result = judged(serve(lambda prompt: sensible(prompt) if "Ada" in prompt else None))
    assert result.metrics["precision"].value == 0.5
    assert any("Only 1 of 2 biographies were judged" in note for note in result.notes)


@pytest.mark.parametrize("nonsense", ["purple", "true or false", ""])
def test_a_judge_that_answers_nonsense(serve, nonsense):
    with pytest.raises(LamlamError, match="answers nonsense: neither true nor false for 3 of 3 facts"):
        judged(serve(lambda prompt: sensible(prompt) if prompt.startswith("Break") else nonsense))


def test_a_server_that_is_no_judge(serve):
    with pytest.raises(LamlamError, match="does not answer"):
        judged(serve(lambda prompt: b"<html>hello</html>"))


def test_no_passages(serve):
    judge = Judge("http://127.0.0.1:9/v1", "j")
    with pytest.raises(LamlamError, match="no passage about any of the 2 people"):
        factscore(TEXTS, {}, judge, data="toy", prompt="{name}", model="m", base="none", policy="abstain")


def test_without_the_package_for_judges(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(LamlamError, match=r"pip install 'lamlam\[openai\]'"):
        Judge("http://127.0.0.1:9/v1", "j")
