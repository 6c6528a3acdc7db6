import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from lamlam.errors import LamlamError
from lamlam.model import PRESETS, load_model, new_model, preset_config, save_model, train_tokenizer
from tests.model.test_tokenizer import TOKENIZER, plain_tokenizer

LLAMA2_SIZE = train_tokenizer(["a b c"], 300)


@pytest.mark.parametrize(
    ("preset", "vocabulary", "millions", "shape"),
    [
        ("llama-176m", 32_004, 176.4, (512, 8, 8, 11_008, 4096)),
        ("llama-382m", 32_004, 381.8, (768, 12, 12, 11_008, 4096)),
        ("gpt2-124m", 50_261, 124.4, (768, 12, 12, 3072, 1024)),
        ("gpt2-355m", 50_261, 354.8, (1024, 24, 16, 4096, 1024)),
        ("tiny", 2_048, 1.07, (128, 4, 4, 352, 4096)),
    ],
)
def test_presets_have_the_shapes_of_the_paper(monkeypatch, preset, vocabulary, millions, shape):
    monkeypatch.setattr(type(LLAMA2_SIZE), "__len__", lambda self: vocabulary)
    config = preset_config(preset, LLAMA2_SIZE)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.005)
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    assert (config.hidden_size, layers, heads, inner, config.max_position_embeddings) == shape
    if preset.startswith("llama"):
        assert not config.tie_word_embeddings
        assert (config.head_dim, config.rms_norm_eps, config.rope_parameters["rope_theta"]) == (64, 1e-5, 10_000.0)
    if preset.startswith("gpt2"):
        assert (config.attn_pdrop, config.embd_pdrop, config.resid_pdrop) == (0, 0, 0)


def test_an_unknown_preset_is_named():
    with pytest.raises(LamlamError, match=r"no model preset 'llama-9b': choose tiny, .*or give a checkpoint's folder"):
        new_model("llama-9b", TOKENIZER)
    assert "tiny" in PRESETS


def test_weights_are_drawn_from_the_seed_and_leave_the_global_one_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (new_model("tiny", TOKENIZER, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(one.get_parameter(name), same.get_parameter(name))
    assert not torch.equal(one.get_parameter(name), other.get_parameter(name))


@pytest.mark.parametrize("preset", ["tiny", "gpt2"])
def test_a_checkpoint_is_a_plain_transformers_one(tmp_path, preset):
    if preset == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(TOKENIZER), n_embd=16, n_layer=1, n_head=2))
    else:
        model = new_model("tiny", TOKENIZER)
    save_model(model, TOKENIZER, tmp_path)
    assert not list(tmp_path.glob("*.bin")) + list(tmp_path.glob("*.pt"))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    loaded, tokenizer = load_model(tmp_path)
    inputs = torch.tensor([tokenizer.encode_text("Ada Lovelace")])
    with torch.no_grad():
        assert torch.equal(plain(inputs).logits, loaded(inputs).logits)
    assert not loaded.training


def spoil(folder, what):
    if what == "weights":
        (folder / "model.safetensors").write_bytes(b"torn")
    elif what == "config":
        (folder / "config.json").write_text("{")
    elif what == "missing weights":
        (folder / "model.safetensors").unlink()
    elif what == "foreign tokenizer":
        plain_tokenizer(eos_token="</s>").save_pretrained(folder)
    elif what == "no config":
        (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("weights", "cannot load the checkpoint"),
        ("config", "no tokenizer at|cannot load the checkpoint"),
        ("missing weights", "cannot load the checkpoint"),
        ("foreign tokenizer", "has no lookup tokens"),
        ("no config", r"is not a checkpoint: it has no config\.json"),
    ],
)
def test_a_spoiled_checkpoint_is_named(tmp_path, what, message):
    save_model(new_model("tiny", TOKENIZER), TOKENIZER, tmp_path)
    spoil(tmp_path, what)
    with pytest.raises(LamlamError, match=message) as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_embeddings_have_to_reach_as_far_as_the_tokens(tmp_path):
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(TOKENIZER) - 4, n_embd=16, n_layer=1, n_head=2))
    save_model(model, TOKENIZER, tmp_path)
    with pytest.raises(LamlamError, match="resize the model's embeddings"):
        load_model(tmp_path)
