from __future__ import annotations

import math

import pytest
import torch

from lamlam.annotate.call_loss import UNLIKELY, CallLoss, drop_unlikely, threshold
from lamlam.annotate.call_tokens import encode_with_calls
from lamlam.annotate.correct import TOO_DENSE, Corrections, correct
from lamlam.model import train_tokenizer
from lamlam.model.presets import new_model
from lamlam.text import Document, Lookup

TEXT = "Ada was born in 1815 in London. She lived in Paris from 1830."
LOOKUPS = [(16, Lookup("Ada", "Born", "1815")), (24, Lookup("Ada", "Birth Place", "London"))]
DOCUMENT = Document.with_lookups("d", TEXT, LOOKUPS)


@pytest.fixture(scope="module")
def scorer():
    torch.manual_seed(0)
    tokenizer = train_tokenizer([TEXT] * 3, 300)
    return CallLoss(new_model("tiny", tokenizer).eval(), tokenizer)


def slow_losses(scorer, document):
    """One call at a time, one token at a time, nothing shared."""
    ids, spans = encode_with_calls(document, scorer._tokenizer)
    found = []
    for first, last in spans:
        total = 0.0
        for place in range(first, last):
            with torch.no_grad():
                logits = scorer._model(torch.tensor([ids[:place]])).logits[0, -1]
            total -= logits.log_softmax(-1)[ids[place]].item()
        found.append(total / (last - first))
    return found


def test_the_loss_of_a_call_is_the_mean_of_its_tokens(scorer):
    assert scorer.losses(DOCUMENT) == pytest.approx(slow_losses(scorer, DOCUMENT), rel=1e-4)
    assert scorer.losses(Document("e", "")) == []


def test_a_document_longer_than_the_window_is_scored_to_its_end(scorer, monkeypatch):
    monkeypatch.setattr(scorer, "_most", 48)
    long = Document.with_lookups("d", TEXT * 4, [(len(TEXT) * n + 16, LOOKUPS[0][1]) for n in range(4)])
    assert len(scorer.losses(long)) == 4
    assert all(map(math.isfinite, scorer.losses(long)))
    longest = Document.with_lookups("d", TEXT, [(16, Lookup("Ada" * 99, "Born", "1815"))])
    assert math.isfinite(scorer.losses(longest)[0])


def test_the_worst_share_goes_and_is_counted():
    corrections = Corrections()
    limit = threshold([1.0, 5.0], 0.5)
    (document,) = drop_unlikely([DOCUMENT], [1.0, 5.0], limit, corrections)
    assert [call.lookup.value for call in document.calls] == ["1815"]
    assert document.text == TEXT
    assert (corrections.kept, corrections.dropped) == (1, {UNLIKELY: 1})
    assert threshold([], 0.1) == math.inf
    assert threshold([3.0, 3.0], 0.1) == 3.0  # none is worse than the others


def test_more_calls_than_the_words_allow_are_dropped_from_the_end():
    lookups = [(place, Lookup("Ada", f"R{place}", TEXT[place : place + 4])) for place in (16, 24, 45, 56)]
    document = Document.with_lookups("d", TEXT, lookups)  # twelve words
    corrected = correct(document, most_per_100=10)
    assert len(corrected.document.calls) == 3
    assert [reason for _, reason in corrected.dropped] == [TOO_DENSE]
    assert correct(document, most_per_100=40).dropped == []
