from __future__ import annotations

import pytest
import torch

from lamlam.annotate import copying
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


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT's call
def test_tuning_lowers_the_loss_and_its_adapter_marks_text_up(tokenizer, tmp_path):
    pytest.importorskip("peft", reason="PEFT is not installed (lamlam[lora])")
    (tmp_path / "base").mkdir()
    save_model(new_model("tiny", tokenizer), tokenizer, tmp_path / "base")
    result = tune_lora(tmp_path / "base", MARKED, tmp_path / "adapter", epochs=60, rate=5e-3)
    assert result["losses"][-1] < 0.75 * result["losses"][0]  # of a random model an adapter can change only so much
    annotator = CopyingAnnotator.load(tmp_path / "adapter")
    found = annotator.annotate(Document(document.id, document.text) for document in MARKED)
    assert [document.text for document in found] == [document.text for document in MARKED]
    with pytest.raises(LamlamError, match="no document has a call"):
        tune_lora(tmp_path / "base", [Document("d", "x")], tmp_path / "other")
