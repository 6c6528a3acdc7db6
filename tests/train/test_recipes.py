"""The recipes in recipes/ load, name shapes that are the paper's, and train where that fits a test."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from lamlam.corpus import pack
from lamlam.model.presets import PRESETS
from lamlam.train import load_recipe, pretrain
from tests.corpus.test_encode import BYTES, ada

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.yaml"))
# Parameters at the paper's vocabulary of 32,004 words (GPT-2: 50,261).
PARAMETERS = {"llama-176m": 176.5e6, "llama-382m": 382e6, "gpt2-124m": 124.4e6, "gpt2-355m": 354.8e6}


def test_the_papers_models_are_there():
    assert {path.stem for path in RECIPES} == {*PARAMETERS, "tiny", "smoke"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads(path):
    recipe = load_recipe(path)
    assert recipe.output == Path("runs") / path.stem
    if path.stem in PARAMETERS:
        assert (recipe.lr, recipe.warmup, recipe.context, recipe.batch, recipe.epochs) == (5e-4, 2000, 1024, 256, 8)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_the_shape_has_the_papers_size(name, parameters):
    words = 32_004 if name.startswith("llama") else 50_261
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(PRESETS[name](vocab_size=words))
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(parameters, rel=0.003)


@pytest.mark.parametrize("name", ["tiny", "smoke"])
def test_a_recipe_trains(name, tmp_path):
    pack([ada()] * 12, tmp_path / "shards", BYTES)
    path = next(path for path in RECIPES if path.stem == name)
    settings = [f"data={tmp_path / 'shards'}", f"output={tmp_path / 'run'}", "steps=2", "context=32", "batch=2"]
    assert pretrain(load_recipe(path, settings)).steps == 2
    saved = load_recipe(tmp_path / "run" / "model" / "recipe.yaml")
    assert saved == load_recipe(path, settings)
