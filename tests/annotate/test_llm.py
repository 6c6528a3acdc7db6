from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.annotate.journal import Journal
from lamlam.annotate.llm import CUT, LLMAnnotator, load_prompt
from lamlam.annotate.sentences import pieces_of
from lamlam.errors import LamlamError
from lamlam.text import Document, parse, render
from lamlam.text.files import read_documents
from tests.annotate.endpoint_server import Behaviour, serving, years

pytest.importorskip("openai", reason="the openai client is not installed (lamlam[openai])")
DOCUMENTS = [Document(str(number), f"In {1900 + number}, X began.") for number in range(6)]


def annotated(tmp_path, behaviour, documents=DOCUMENTS, **more):
    with serving(behaviour) as url:
        settings = {"journal": tmp_path / "answers", "timeout": 0.5, "first_wait": 0.01, "at_once": 3} | more
        with LLMAnnotator.open(url, "m", **settings) as annotator:
            return list(annotator.annotate(documents)), annotator.spent


def test_every_document_comes_back_in_order_with_its_calls_and_its_text(tmp_path):
    behaviour = Behaviour(years, ["meet"])
    found, spent = annotated(tmp_path, behaviour, price=(2.0, 10.0), timeout=30)
    assert [document.text for document in found] == [document.text for document in DOCUMENTS]
    assert [document.calls[0].lookup.value for document in found] == [str(1900 + number) for number in range(6)]
    assert (spent.requests, spent.tokens_read, spent.tokens_written) == (6, 6000, 600)
    assert spent.cost == pytest.approx(6 * (1000 * 2 + 100 * 10) / 1e6)
    assert 1 < behaviour.most_at_once <= 3
    assert not (tmp_path / "answers").exists()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (429, "429, too many requests"),
        (500, "status 500"),
        (503, "status 503"),
        ("hang", "no answer in time"),
        ("html", "the answer is no"),
        ("no completion", "the answer is no completion"),
    ],
)
def test_what_goes_wrong_once_is_tried_again(tmp_path, step, reason):
    found, spent = annotated(tmp_path, Behaviour(years, [step]), DOCUMENTS[:1])
    assert len(found[0].calls) == 1
    ((told, times),) = spent.retries.items()
    assert reason in told
    assert times == 1
    assert not spent.failed


def test_an_endpoint_that_never_works_loses_no_document(tmp_path):
    behaviour = Behaviour(years, [500] * 6)
    found, spent = annotated(tmp_path, behaviour, DOCUMENTS[:2], at_once=1)
    assert [document.text for document in found] == [document.text for document in DOCUMENTS[:2]]
    assert [len(document.calls) for document in found] == [0, 1]
    assert spent.failed == {"status 500": 1}
    # What was answered is kept: the next run asks about the other one only.
    behaviour.asked.clear()
    found, spent = annotated(tmp_path, behaviour, DOCUMENTS[:2])
    assert [len(document.calls) for document in found] == [1, 1]
    assert (len(behaviour.asked), spent.from_journal) == (1, 1)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_is_one_line(tmp_path, status):
    with pytest.raises(LamlamError, match=f"refused .{status}.; mend the key, the model or the address"):
        annotated(tmp_path, Behaviour(years, [status] * 9))


def test_a_truncated_answer_gives_what_it_has_and_is_counted(tmp_path):
    text = "In 1900 X began. " + "Then it went on and on. " * 20 + "In 1950 it ended."
    (found,), spent = annotated(tmp_path, Behaviour(years, ["truncate"]), [Document("d", text)])
    assert found.text == text
    assert [call.lookup.value for call in found.calls] == ["1900"]
    assert spent.dropped[CUT] == 1


def test_calls_that_are_not_in_the_text_are_dropped_and_counted(tmp_path):
    def wrong(text):
        return "Sure! Here: [dblookup('X', 'Year') -> 1066] 1066 [dblookup('X') -> 1] " + years(text) + " [dblookup("

    (found,), spent = annotated(tmp_path, Behaviour(wrong), DOCUMENTS[:1])
    assert found.text == DOCUMENTS[0].text
    assert [call.lookup.value for call in found.calls] == ["1900"]
    assert spent.dropped.total() == 3


def test_a_text_that_holds_our_own_marks_stays_as_it_is(tmp_path):
    text = "[dblookup('A', 'B') -> 1] <|db_entity|> In 1900, [dblookup( began."
    (found,), _ = annotated(tmp_path, Behaviour(years), [Document("d", text)])
    assert found.text == text
    assert [call.lookup.value for call in found.calls] == ["1900"]
    assert parse(render(found), id="d") == found


def test_long_documents_are_cut_at_sentences_and_joined_again(tmp_path):
    text = "\n\n".join(
        f"In {1000 + number} it was so. It went on for a while, and nobody knew why." for number in range(200)
    )
    behaviour = Behaviour(years)
    (found,), _ = annotated(tmp_path, behaviour, [Document("d", text)])
    assert found.text == text
    assert [call.lookup.value for call in found.calls] == [str(1000 + number) for number in range(200)]
    assert len(behaviour.asked) > 3
    assert all(asked.rstrip().endswith(".") for asked in behaviour.asked)


def test_empty_documents_are_not_asked_about(tmp_path):
    behaviour = Behaviour(years)
    found, _ = annotated(tmp_path, behaviour, [Document("a", ""), Document("b", " \n … ")])
    assert [document.text for document in found] == ["", " \n … "]
    assert behaviour.asked == []


def test_requests_keep_to_the_rate(tmp_path):
    began = time.monotonic()
    annotated(tmp_path, Behaviour(years), per_minute=600)
    assert time.monotonic() - began >= 0.5  # six requests, a tenth of a second apart


@given(st.text(alphabet='ab .!?\n"A1', max_size=300), st.integers(5, 60))
def test_pieces_hold_the_whole_text_in_order(text, longest):
    pieces = pieces_of(text, longest)
    assert all(0 < end - start <= longest + 20 for start, end in pieces) or any(c.isspace() for c in text)
    assert "".join("".join(text[start:end].split()) for start, end in pieces) == "".join(text.split())


def test_a_kill_loses_nothing_and_does_nothing_twice(tmp_path):
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"id": d.id, "text": d.text}) + "\n" for d in DOCUMENTS))
    behaviour = Behaviour(lambda text: (time.sleep(0.3), years(text))[1])
    out = tmp_path / "out.jsonl"
    with serving(behaviour) as url:
        command = [
            sys.executable,
            "-c",
            "from lamlam.cli.main import main; main()",
            "annotate",
            str(tmp_path / "in.jsonl"),
            str(out),
        ]
        command += ["--with", "llm", "--endpoint", url, "--llm", "m", "--at-once", "1", "--json"]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ})
        while len(behaviour.asked) < 4:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not out.exists()
        time.sleep(0.4)
        before = len(behaviour.asked)
        result = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    told = json.loads(result.stdout)
    assert told["llm"]["from_journal"] >= 3
    assert told["llm"]["from_journal"] + len(behaviour.asked) - before == len(DOCUMENTS)
    assert [(document.id, len(document.calls)) for document in read_documents(out)] == [(d.id, 1) for d in DOCUMENTS]
    assert not (tmp_path / "out.jsonl.answers").exists()


def test_a_half_written_journal_goes_on_from_its_last_whole_line(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.add("a", 1)
    with pytest.raises(LamlamError, match="another run is writing to it"):
        Journal(tmp_path / "j")
    journal.close()
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"key": "b", "ans')
    journal = Journal(tmp_path / "j")
    assert (len(journal), journal.get("a"), journal.get("b")) == (1, 1, None)
    journal.add("b", 2)
    journal.close()
    journal = Journal(tmp_path / "j")
    assert journal.get("b") == 2
    journal.close(remove=True)
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("content", ["- role: user", "[", "[]", "- {role: user, content: no slot}"])
def test_a_prompt_that_cannot_be_used_is_one_line(tmp_path, content):
    (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(LamlamError, match=r"p\.yaml: ") as caught:
        load_prompt(tmp_path / "p.yaml")
    assert "\n" not in str(caught.value)


def test_our_own_prompt_shows_what_it_asks_for():
    messages = load_prompt()
    shots = [(one["content"], two["content"]) for one, two in zip(messages[1:-1:2], messages[2:-1:2], strict=True)]
    assert shots
    for text, marked in shots:
        document = parse(marked)
        assert document.text == text
        assert all(call.span is not None and call.span[0] == call.at for call in document.calls)
