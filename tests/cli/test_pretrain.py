"""`lamlam pretrain`: its result, bad recipes, Ctrl-C and a full disk in the middle of it."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess

import pytest

from lamlam.train import read_log
from tests.cli.conftest import write_recipe
from tests.cli.test_main import PROGRAM


def leftovers(folder):
    return [path.name for path in folder.rglob("*") if path.name.endswith((".partial", ".old"))]


def test_the_run_is_whole(line):
    run = line.folder / "run"
    assert line.trained["model"] == str(run / "model")
    assert line.trained["steps"] == 3
    assert {path.name for path in run.iterdir()} == {"model", "log.jsonl", "loss.png", "report.html", "state-00000003"}
    assert line.trained["loss"] == read_log(run)[-1].loss
    assert (run / "model" / "recipe.yaml").is_file()


def test_without_json_each_logged_step_is_a_line(line, run_cli, tmp_path):
    ran = run_cli("pretrain", line.folder / "recipe.yaml", "steps=1", f"output={tmp_path / '[x]'}")
    assert ran.code == 0
    assert [text.split("  ")[0] for text in ran.out.splitlines()] == ["step 1/1", ran.out.splitlines()[-1]]
    assert f"{tmp_path / '[x]'}/model: 1 steps, loss " in ran.out


def test_all_four_perplexities_are_measured_during_training(line, run_cli, tmp_path):
    """Dynamic as well, where the recipe names a base; each stands in the log, the report and the curves."""
    held_out = {"held_out": line.folder / "documents.parquet", "held_out_base": line.folder / "facts.db"}
    recipe = write_recipe(
        tmp_path, data=line.folder / "shards", steps=2, evaluate_every=1, held_out_documents=2, **held_out
    )
    assert run_cli("pretrain", recipe).code == 0
    lines = [json.loads(text) for text in (tmp_path / "run" / "held-out.jsonl").read_text().splitlines()]
    assert [measured.pop("step") for measured in lines] == [1, 2]
    for measured in lines:
        assert set(measured) == {"standard", "static", "normalized", "dynamic"}
        assert all(value > 1 for value in measured.values())
    report = (tmp_path / "run" / "report.html").read_text()
    assert "<th>dynamic</th>" in report
    assert report.count("data:image/png;base64,") == 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["stpes=3"], "stpes: unknown key (known keys: data, output"),
        (["steps"], "cannot read 'steps' on the command line: write key=value"),
        (["steps=many"], "steps: "),
        (["batch=0"], "batch: "),
        (["steps=[1"], "steps=[1"),
        (["model=huge"], "no model preset 'huge'"),
        (["data=none"], "none is not a shard folder"),
        (["lr=1e-3"], "holds another run (lr differ)"),
    ],
)
def test_bad_settings_are_one_line(line, run_cli, settings, says):
    ran = run_cli("pretrain", line.folder / "recipe.yaml", *settings)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert says in ran.err


def test_bad_recipes_are_one_line(run_cli, tmp_path):
    ran = run_cli("pretrain", tmp_path / "none.yaml")
    assert (ran.code, ran.err) == (1, f"error: no recipe at {tmp_path / 'none.yaml'}\n")
    for text, says in (("a: [", "is not YAML"), ("- a", "is not a recipe"), ("model: tiny", "data: Field required")):
        (tmp_path / "recipe.yaml").write_text(text)
        ran = run_cli("pretrain", tmp_path / "recipe.yaml")
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert says in ran.err


def test_shards_of_another_tokenizer(line, run_cli, tmp_path):
    assert run_cli("pack", line.folder / "documents.parquet", tmp_path / "shards", "--vocab", 290).code == 0
    ran = run_cli("pretrain", write_recipe(tmp_path, model=str(line.folder / "run" / "model")))
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "have different tokenizers" in ran.err
    assert not (tmp_path / "run").exists()


def test_ctrl_c_saves_and_the_same_command_goes_on(line, run_cli, tmp_path):
    shutil.copytree(line.folder / "shards", tmp_path / "shards")
    recipe = write_recipe(tmp_path, steps=80, save_every=1000, output=tmp_path / "run")
    process = subprocess.Popen(
        [*PROGRAM, "pretrain", recipe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline().startswith("step ")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    done = read_log(tmp_path / "run")[-1].step
    assert err == f"stopped after step {done} of 80; the same command goes on from there\n"
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "run" / "model").exists()
    assert 0 < done < 80

    ran = run_cli("pretrain", recipe, "--json")
    assert (ran.code, json.loads(ran.out)["steps"]) == (0, 80)
    assert [entry.step for entry in read_log(tmp_path / "run")] == list(range(1, 81))
    assert leftovers(tmp_path) == []


def test_a_full_disk_keeps_the_state_before(line, tmp_path):
    shutil.copytree(line.folder / "shards", tmp_path / "shards")
    shutil.copytree(line.folder / "run" / "state-00000003", tmp_path / "run" / "state-00000003")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run" / "state-00000003").iterdir()}
    state = json.loads(before["state.json"])
    state["run"]["steps"] = 5
    (tmp_path / "run" / "state-00000003" / "state.json").write_text(json.dumps(state))
    before["state.json"] = json.dumps(state).encode()
    done = subprocess.run(
        [*PROGRAM, "pretrain", write_recipe(tmp_path, steps=5)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"error: no space left on the disk for {tmp_path / 'run' / 'state-0000000'}")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run" / "state-00000003").iterdir()} == before
    assert leftovers(tmp_path) == []
