"""Lookups within `model.generate`, of models that `AutoModelForCausalLM` has loaded."""

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, TextStreamer

from lamlam.errors import LamlamError
from lamlam.generate import CUSTOM_GENERATE, LookupModel, lookup_generate
from lamlam.model import LookupTokenizer, train_tokenizer
from tests.generate.conftest import HashBase, make_model

PROMPTS = ["Ada Lovelace was born", "London. She", "in"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tokenizer = train_tokenizer(["Ada Lovelace was born on 10 December 1815 in London."] * 3, 300)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512, initializer_range=0.4,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # pushed towards calls, by a number that all states have
        model.model.embed_tokens.weight[:, 0] += 4.0
        model.lm_head.weight[list(tokenizer.lookup_ids), 0] += 4.0
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.fixture
def loaded(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    return AutoModelForCausalLM.from_pretrained(folder), tokenizer


def here(folder, **options):
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    return LookupModel(model, LookupTokenizer.load(folder), HashBase()).generate(PROMPTS, **options)


def texts(tokenizer, inputs, out):
    made = out[:, inputs["input_ids"].shape[1] :]
    return tokenizer.batch_decode(made, skip_special_tokens=True)


@pytest.mark.parametrize("way", ["callable", "folder"])
def test_generate_gives_the_text_that_a_lookup_model_gives(folder, loaded, way):
    model, tokenizer = loaded
    inputs = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    if way == "callable":
        how = {"custom_generate": lookup_generate}
    else:
        how = {"custom_generate": CUSTOM_GENERATE, "trust_remote_code": True, "tokenizer": tokenizer}
    out = model.generate(**inputs, **how, kb=HashBase(), max_new_tokens=24, policy="unknown")
    wanted = here(folder, max_new_tokens=24, policy="unknown")
    assert texts(tokenizer, inputs, out) == [one.text for one in wanted]
    assert sum(len(one.calls) for one in wanted) > 0
    told = model.generate(
        **inputs, **how, kb=HashBase(), max_new_tokens=24, policy="unknown", return_dict_in_generate=True
    )
    assert (told.sequences == out).all()
    assert [one.prompt for one in told.generations] == PROMPTS
    assert [[call[:5] for call in one.calls] for one in told.generations] == [
        [call[:5] for call in one.calls] for one in wanted
    ]


@pytest.mark.parametrize("seed", range(3))
def test_spaces_around_calls_are_those_of_the_text(tokenizer, seed):
    model, prompts = make_model(tokenizer, seed), ["Ada", "born in ", "London (", ""]
    wanted = LookupModel(model, tokenizer, HashBase()).generate(prompts, max_new_tokens=20)
    assert any(call.outcome == "answered" for one in wanted for call in one.calls)
    how = {"custom_generate": lookup_generate, "lookup_tokenizer": tokenizer.hf, "kb": HashBase()}
    for prompt, one in zip(prompts, wanted, strict=True):
        ids = torch.tensor([[tokenizer.start_id, *tokenizer.encode_text(prompt)]])
        out = model.generate(ids, **how, max_new_tokens=20, do_sample=False)
        assert tokenizer.decode_piece(out[0, ids.shape[1] :].tolist()).removesuffix("<|endoftext|>") == one.text


def test_settings_mean_what_they_mean_to_transformers(folder, loaded):
    model, tokenizer = loaded
    inputs = tokenizer(PROMPTS[:1], return_tensors="pt")

    def sampled(seed):
        transformers.set_seed(seed)
        return model.generate(
            **inputs, custom_generate=lookup_generate, kb=HashBase(), max_new_tokens=16, do_sample=True,
            temperature=2.0, top_k=50, top_p=0.95, num_return_sequences=2, repetition_penalty=1.1,
        )  # fmt: skip

    one, again, other = sampled(1), sampled(1), sampled(2)
    assert one.shape[0] == 2
    assert one.tolist() == again.tolist() != other.tolist()
    assert one[0].tolist() != one[1].tolist()
    off = model.generate(**inputs, custom_generate=lookup_generate, max_new_tokens=8, return_dict_in_generate=True)
    assert off.generations[0].calls == []
    assert off.sequences.shape[1] <= inputs["input_ids"].shape[1] + 8
    (whole,) = texts(tokenizer, inputs, off.sequences)
    stopped = model.generate(**inputs, custom_generate=lookup_generate, max_new_tokens=8, stop=whole[3])
    assert texts(tokenizer, inputs, stopped) == [whole[: whole.index(whole[3])]]


def test_what_has_no_part_in_it_is_refused(loaded):
    model, tokenizer = loaded
    inputs = tokenizer(PROMPTS[:1], return_tensors="pt")
    for options, said in (
        ({"num_beams": 2}, "num_beams at 1"),
        ({"no_repeat_ngram_size": 2}, "NoRepeatNGramLogitsProcessor has no part"),
        ({"max_time": 5.0}, "MaxTimeCriteria has no part"),
    ):
        with pytest.raises(LamlamError, match=said) as raised:
            model.generate(**inputs, custom_generate=lookup_generate, kb=HashBase(), max_new_tokens=4, **options)
        assert "\n" not in str(raised.value)
    folder = {"custom_generate": CUSTOM_GENERATE, "trust_remote_code": True}
    with pytest.raises(LamlamError, match=r"use LookupModel\.stream"):
        model.generate(**inputs, **folder, streamer=TextStreamer(tokenizer))
    model.config._name_or_path = model.name_or_path = ""
    with pytest.raises(LamlamError, match="lookup_tokenizer="):
        model.generate(**inputs, custom_generate=lookup_generate, max_new_tokens=4)
    again = model.generate(**inputs, custom_generate=lookup_generate, max_new_tokens=4, lookup_tokenizer=tokenizer)
    assert again.shape[0] == 1
