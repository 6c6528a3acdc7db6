from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from lamlam.annotate import copying
from lamlam.annotate.call_tokens import encode_source, pieces_to_mark
from lamlam.annotate.copying import CopyingAnnotator
from lamlam.annotate.lora import tune_lora
from lamlam.errors import LamlamError
from lamlam.model import train_tokenizer
from lamlam.model.checkpoint import save_model
from lamlam.model.presets import new_model
from lamlam.text import Document, parse, render

MARKED = [
    parse(f"{name} was born in [dblookup('{name}', 'Birth Year') -> {year}] {year}.", id=name)
    for name, year in (("Ada", 1815), ("Bea", 1890), ("Cy", 1702), ("Di", 1644))
]
TEXTS = ["", " ", "Ada was born in 1815.", "Zoë 😀\n\nsaid <|db_end|> [dblookup( in 1900. ", "a" * 40, "\r\nx\r\n"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([document.text for document in MARKED] * 4 + ["Birth Year Ada Bea Cy Di"], 320)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("margin", [-1000.0, 0.0, 1000.0])
def test_whatever_the_model_is_the_text_stays(tokenizer, text, margin, monkeypatch):
    monkeypatch.setattr(copying, "MOST_PART_TOKENS", 3)
    annotator = CopyingAnnotator(new_model("tiny", tokenizer).eval(), tokenizer, margin)
    (document,) = annotator.annotate([Document("d", text)])
    assert document.text == text
    assert parse(render(document), id="d").text == text
    assert margin > -1000 or document.calls == ()
    for call in document.calls:
        assert call.span is None or text[slice(*call.span)] == call.lookup.value
        assert all(0 < len(part) <= 40 for part in call.lookup)


def test_the_logits_are_those_of_a_run_without_a_cache(tokenizer):
    model = new_model("tiny", tokenizer).eval()
    annotator = CopyingAnnotator(model, tokenizer)
    ids = [tokenizer.start_id, *tokenizer.encode_text("Ada was born")]
    logits, cache = annotator._step(ids[:1], None)
    for token in ids[1:]:
        logits, cache = annotator._step([token], cache)
    with torch.no_grad():
        assert torch.allclose(logits, model(torch.tensor([ids])).logits[0, -1].float(), atol=1e-4)


@given(st.text(alphabet="ab. \n😀Z", max_size=120), st.integers(min_value=10, max_value=60))
def test_pieces_hold_all_of_the_text_and_fit_into_the_room(tokenizer, text, room):
    pieces = list(pieces_to_mark(text, tokenizer, room, longest=40))
    parts = [text[slice(*piece)] for piece in pieces]
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(before[1] <= after[0] for before, after in pairwise(pieces))
    assert all(len(part.strip()) < 2 or 3 * len(encode_source(part, tokenizer)) <= room for part in parts)


def model_that_knows_the_words(tokenizer, tied):
    """A causal model that has seen the words of `MARKED`, but no call."""
    torch.manual_seed(0)
    config = new_model("tiny", tokenizer).config
    config.tie_word_embeddings = tied
    model = AutoModelForCausalLM.from_config(config)
    said = [
        f"{call.lookup.entity} Birth Year {call.lookup.value} {document.text}"
        for document in MARKED
        for call in document.calls
    ]
    rows = [[tokenizer.start_id, *tokenizer.encode_text(text), tokenizer.eos_id] for text in said]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for row in 40 * rows:
        ids = torch.tensor([row])
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT's call
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_a_tuned_adapter_makes_the_calls_that_it_was_shown(tokenizer, tied, tmp_path):
    pytest.importorskip("peft", reason="PEFT is not installed (lamlam[lora])")
    (tmp_path / "base").mkdir()
    save_model(model_that_knows_the_words(tokenizer, tied), tokenizer, tmp_path / "base")
    result = tune_lora(tmp_path / "base", MARKED, tmp_path / "adapter", epochs=40, rate=3e-3)
    assert result["losses"][-1] < 0.2 * result["losses"][0]
    annotator = CopyingAnnotator.load(tmp_path / "adapter")
    found = list(annotator.annotate(Document(document.id, document.text) for document in MARKED))
    assert found == MARKED


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT's call
def test_nothing_to_tune_on_is_said(tokenizer, tmp_path):
    pytest.importorskip("peft", reason="PEFT is not installed (lamlam[lora])")
    (tmp_path / "base").mkdir()
    save_model(new_model("tiny", tokenizer), tokenizer, tmp_path / "base")
    with pytest.raises(LamlamError, match="no document has a call"):
        tune_lora(tmp_path / "base", [Document("d", "x")], tmp_path / "other")
