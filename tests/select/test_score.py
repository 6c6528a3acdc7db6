"""Scores are those of a plain float64 reference, and whatever stops the scoring changes none of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.corpus import EncodedDocument, ShardDocuments, encode_document, pack
from lamlam.errors import LamlamError
from lamlam.model import load_model, save_model, train_tokenizer
from lamlam.select import score, score_documents
from lamlam.text import Document
from tests.corpus.test_encode import BYTES, ada, sentencepiece_like

CONTEXT = 48


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    before, score.BLOCK_TOKENS = score.BLOCK_TOKENS, 150
    yield
    score.BLOCK_TOKENS = before


def nats(folder, sequence, trained, context):
    """−log p of the trained tokens after the first, in float64, each window of `context` targets run by itself."""
    model = load_model(folder)[0].double()
    total = 0.0
    for begin in range(0, len(sequence) - 1, context):
        inputs = torch.tensor([sequence[begin : begin + context + 1]])
        with torch.no_grad():
            logs = torch.log_softmax(model(inputs[:, :-1]).logits[0], dim=-1)
        for place, token in enumerate(inputs[0, 1:].tolist()):
            total -= float(logs[place, token]) if trained[begin + place] else 0.0
    return total


def everything(documents):
    for shard in range(len(documents.shards)):
        for number in range(documents.info.shards[shard].documents):
            ids, trained = documents.document(shard, number)
            yield EncodedDocument(ids.tolist(), trained.tolist())


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    return score_documents(*corpus, tmp_path_factory.mktemp("whole") / "scores", CONTEXT)


def test_scores_are_those_of_a_plain_reference(corpus, whole):
    """Values and closing tokens take no part, wherever the windows of a long document cut."""
    encoded = list(everything(corpus.documents))
    assert len(encoded) == 12
    assert any(not all(document.trained) for document in encoded)
    assert any(len(document.ids) > 2 * CONTEXT for document in encoded)
    start = corpus.documents.tokenizer.start_id
    for number, document in enumerate(encoded):
        larger, reference = (
            nats(folder, [start, *document.ids], document.trained, CONTEXT)
            for folder in (corpus.larger, corpus.reference)
        )
        assert whole.larger[number] == pytest.approx(larger, rel=1e-6)
        assert whole.reference[number] == pytest.approx(reference, rel=1e-6)
        assert whole.trained[number] == sum(document.trained)
        assert whole.tokens[number] == len(document.ids)
        expected = (reference - larger) / sum(document.trained)
        assert whole.difference[number] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("tokenizer", [BYTES, sentencepiece_like()], ids=["one-token", "start-and-end"])
def test_documents_come_out_as_they_went_in(tmp_path, tokenizer):
    texts = [ada(), Document("empty", ""), ada()]
    pack(texts, tmp_path / "shards", tokenizer, shard_tokens=10)
    documents = ShardDocuments(tmp_path / "shards")
    assert len(documents.shards) == 2
    assert list(everything(documents)) == [encode_document(text, tokenizer) for text in texts]


@settings(max_examples=8, deadline=None)
@given(stops=st.lists(st.integers(0, 3), max_size=4))
def test_whatever_stops_it_the_scores_are_the_same(corpus, whole, stops):
    """Stopped after any blocks, or while one is written; each time gone on with by the same call."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "scores"
        for blocks in stops:
            left = [blocks]

            def stop(done, left=left):
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                score_documents(*corpus, folder, CONTEXT, on_block=stop)
            (folder / ".00000-000000000.npy.1.partial").write_bytes(b"torn")
        found = score_documents(*corpus, folder, CONTEXT)
        assert all(np.array_equal(a, b) for a, b in zip(found, whole, strict=True))


@pytest.mark.timeout(120)
def test_a_killed_scoring_goes_on(corpus, whole, tmp_path):
    """kill -9 as soon as there is a block; the rest is scored by the same call."""
    folder = tmp_path / "scores"
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, time\nfrom lamlam.corpus import ShardDocuments\nfrom lamlam.select import score, score_documents\n"
        "score.BLOCK_TOKENS = 150\nshards, *rest = sys.argv[1:]\n"
        f"score_documents(ShardDocuments(shards), *rest, {CONTEXT}, on_block=lambda done: time.sleep(0.2))\n"
    )
    arguments = [corpus.documents.folder, corpus.larger, corpus.reference, folder]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.Popen([sys.executable, program, *arguments], env=environment)
    deadline = time.monotonic() + 100
    while not list(folder.glob("*.npy")):
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    done = len(list(folder.glob("*.npy")))
    found = score_documents(*corpus, folder, CONTEXT)
    assert done < len(list(folder.glob("*.npy")))
    assert all(np.array_equal(a, b) for a, b in zip(found, whole, strict=True))


def test_models_are_read_only_where_something_is_left_to_score(corpus, tmp_path, monkeypatch):
    score_documents(*corpus, tmp_path / "scores", CONTEXT)
    monkeypatch.setattr(score, "load_model", lambda *given: pytest.fail("a model was loaded"))
    score_documents(*corpus, tmp_path / "scores", CONTEXT)


def test_other_scores_are_not_gone_on_with(corpus, tmp_path):
    documents, larger, reference = corpus
    folder = tmp_path / "scores"
    score_documents(*corpus, folder, CONTEXT)
    with pytest.raises(LamlamError, match=r"scores holds other scores \(larger, reference differ\)"):
        score_documents(documents, reference, larger, folder, CONTEXT)
    with pytest.raises(LamlamError, match=r"\(context differ\); name another folder, or delete this one"):
        score_documents(*corpus, folder, CONTEXT + 1)
    pack([ada()], tmp_path / "shards", documents.tokenizer)
    with pytest.raises(LamlamError, match=r"\(shards differ\)"):
        score_documents(ShardDocuments(tmp_path / "shards"), larger, reference, folder, CONTEXT)
    (folder / "scores.json").write_text("[")
    with pytest.raises(LamlamError, match=r"scores\.json cannot be read .* to score again"):
        score_documents(*corpus, folder, CONTEXT)


@pytest.mark.parametrize("content", [b"torn", None])
def test_a_spoiled_block_is_named(corpus, tmp_path, content):
    folder = tmp_path / "scores"
    score_documents(*corpus, folder, CONTEXT)
    block = sorted(folder.glob("*.npy"))[1]
    if content:
        block.write_bytes(content)
    else:
        np.save(block, np.zeros((3, 99)))
    with pytest.raises(LamlamError, match=f"{block.name} .*delete it, and it is made again"):
        score_documents(*corpus, folder, CONTEXT)


def test_bad_models_are_named(corpus, tmp_path):
    documents, larger, _ = corpus
    with pytest.raises(LamlamError, match="none is not a checkpoint with safetensors"):
        score_documents(documents, larger, tmp_path / "none", tmp_path / "scores")
    model, tokenizer = load_model(larger)
    save_model(model, train_tokenizer(["other words"], 290), tmp_path / "other")
    with pytest.raises(LamlamError, match=r"have different tokenizers; pack the documents with `--tokenizer"):
        score_documents(documents, larger, tmp_path / "other", tmp_path / "scores")
    with pytest.raises(LamlamError, match="a context of 5000 tokens: choose from 1 to 4096"):
        score_documents(*corpus, tmp_path / "scores", 5000)
    model.model.norm.weight.data[0] = float("nan")
    save_model(model, tokenizer, tmp_path / "nan")
    with pytest.raises(LamlamError, match="document 0 of shard 00000 a likelihood that is not a number"):
        score_documents(documents, larger, tmp_path / "nan", tmp_path / "nans")
    assert not (tmp_path / "scores").exists()


def test_something_else_in_the_folder_is_left_alone(corpus, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(LamlamError, match="holds something else than scores"):
        score_documents(*corpus, tmp_path, CONTEXT)
    with pytest.raises(LamlamError, match="holds something else than scores"):
        score_documents(*corpus, tmp_path / "thesis.tex", CONTEXT)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_model_of_other_weights_is_another_one(corpus, tmp_path):
    """Same path, trained further: its scores are not mixed with the old ones."""
    copy = tmp_path / "larger"
    shutil.copytree(corpus.larger, copy)
    score_documents(corpus.documents, copy, corpus.reference, tmp_path / "scores", CONTEXT)
    model, tokenizer = load_model(copy)
    model.lm_head.weight.data[0, 0] += 1
    save_model(model, tokenizer, copy)
    with pytest.raises(LamlamError, match=r"\(larger differ\)"):
        score_documents(corpus.documents, copy, corpus.reference, tmp_path / "scores", CONTEXT)
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["context"] == CONTEXT
