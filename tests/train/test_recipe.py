import pytest
import yaml

from lamlam.errors import LamlamError
from lamlam.train import load_recipe, make_recipe
from lamlam.train.recipe import save_recipe

MINIMAL = {"data": "shards", "output": "run"}


def test_defaults_are_the_papers():
    recipe = make_recipe(MINIMAL)
    assert (recipe.context, recipe.batch, recipe.epochs, recipe.warmup, recipe.lr) == (1024, 256, 8, 2000, 5e-4)
    assert recipe.optimizer == "adamw"


def test_keys_on_the_command_line_win(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("data: shards\noutput: run\nlr: 1.0e-3\nsteps: 5\n")
    recipe = load_recipe(path, ["steps=7", "lr=2e-3", "model=gpt2-124m", "output=a b"])
    assert (recipe.steps, recipe.lr, recipe.model, str(recipe.output)) == (7, 2e-3, "gpt2-124m", "a b")


def test_a_saved_recipe_is_the_same(tmp_path):
    recipe = make_recipe({**MINIMAL, "steps": 3, "micro_batch": 64})
    save_recipe(recipe, tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert set(yaml.safe_load((tmp_path / "recipe.yaml").read_text())) == set(type(recipe).model_fields)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 1}, r"learning_rate: unknown key \(known keys: data, output, model, "),
        ({"lr": "fast"}, "lr: Input should be a valid number"),
        ({"lr": -1}, "lr: Input should be greater than 0"),
        ({"optimizer": "sgd"}, "optimizer: Input should be 'adamw' or 'muon'"),
        ({"steps": 0, "batch": 1.5}, "batch: .*; steps: "),
        ({"batch": 10, "micro_batch": 4}, "micro_batch 4 does not divide batch 10"),
        ({"data": None}, "data: "),
    ],
)
def test_wrong_values_name_their_keys(values, message):
    with pytest.raises(LamlamError, match=f"recipe: .*{message}") as error:
        make_recipe({**MINIMAL, **values})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"- data", "is not a recipe"),
        (b"", "is not a recipe"),
        (b"output: run", "data: Field required"),
        (b"data: !!python/object/apply:os.system [ls]", "is not YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path, content, message):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(LamlamError, match=message) as error:
        load_recipe(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_wrong_override(tmp_path):
    with pytest.raises(LamlamError, match="no recipe at"):
        load_recipe(tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_text("data: a\noutput: b\n")
    with pytest.raises(LamlamError, match="cannot read 'steps' on the command line: write key=value"):
        load_recipe(tmp_path / "recipe.yaml", ["steps"])
    with pytest.raises(LamlamError, match="cannot read 'steps=\\['"):
        load_recipe(tmp_path / "recipe.yaml", ["steps=["])
