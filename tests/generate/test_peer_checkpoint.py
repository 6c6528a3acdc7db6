"""A checkpoint of the peer's shape generates with lookups, whichever way its tokenizer is written down in."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import load_model
from tests.model.peer_tokenizer import FORMS, peer


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_of_the_peers_shape_loads_asks_and_cites(form, tmp_path):
    tokenizer = peer(form)
    config = LlamaConfig(
        vocab_size=32_004, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    tokenizer.save(tmp_path / "model")
    model, its = load_model(tmp_path / "model")
    assert model.get_input_embeddings().num_embeddings == 32_004
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add([Fact("Ko Itakura", "Position", "center-back")])
        lm = LookupModel(model, its, kb)
        # Random weights do not ask by themselves; once they have begun to, there is one thing that the base can answer.
        prompt = [*its.encode_text("Ko Itakura is the"), its.entity_id]
        (made,) = lm.generate([prompt], max_new_tokens=4, max_lookups=1, constrained=True)
    (call,) = made.calls
    assert (call.entity, call.relation, call.outcome) == ("Ko Itakura", "Position", "answered")
    assert call.match.fact.value == "center-back"
