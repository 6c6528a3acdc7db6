"""lm-evaluation-harness on a real checkpoint with a local task, with a base and without."""

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")

from lm_eval.api.instance import Instance
from typer.testing import CliRunner

from lamlam.cli.evaluate import app
from lamlam.errors import LamlamError
from lamlam.evaluate.harness import LamlamLM
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import new_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore")  # the harness and its data library warn of their own affairs

TASK = """
task: towns
dataset_path: json
dataset_kwargs:
  data_files: {data}
test_split: train
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: label
metric_list:
  - metric: acc
metadata:
  version: 1
"""


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("harness")
    save_model(new_model("tiny", tokenizer), tokenizer, folder / "model")
    with KnowledgeBase.open(folder / "facts.db", create=True) as kb:
        kb.add([Fact("Ada", "Birth Place", "London")])
    rows = [{"question": f"Person {i} was born in", "choices": ["London", "Paris"], "label": i % 2} for i in range(6)]
    (folder / "towns.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "tasks").mkdir()
    (folder / "tasks" / "towns.yaml").write_text(TASK.format(data=folder / "towns.jsonl"))
    return folder


def requests(kind, *arguments):
    return [Instance(kind, {}, one, 0) for one in arguments]


def test_log_probabilities_are_those_of_the_text(folder):
    lm = LamlamLM(str(folder / "model"))
    pairs = [("Ada was born in", " London"), ("Ada was born in ", "London"), ("", "Ada was born in London")]
    (first, _), (spaced, _), (alone, _) = lm.loglikelihood(requests("loglikelihood", *pairs))
    assert first == pytest.approx(spaced)
    [before, whole] = lm.loglikelihood_rolling(
        requests("loglikelihood_rolling", ("Ada was born in",), ("Ada was born in London",))
    )
    assert first == pytest.approx(whole - before, rel=1e-4)
    assert alone == pytest.approx(whole, rel=1e-4)


def test_greedy_is_what_the_model_would_write(folder):
    lm = LamlamLM(str(folder / "model"))
    [text] = lm.generate_until(requests("generate_until", ("Ada was born in", {"max_gen_toks": 4, "until": []})))
    [(_, greedy), (_, other)] = lm.loglikelihood(
        requests("loglikelihood", ("Ada was born in", text), ("Ada was born in", text + " London"))
    )
    assert not other
    assert greedy or "\ufffd" in text or text == ""


def test_stop_strings_and_long_contexts(folder):
    lm = LamlamLM(str(folder / "model"))
    [whole] = lm.generate_until(requests("generate_until", ("Ada", {"max_gen_toks": 8})))
    if whole:
        [cut] = lm.generate_until(requests("generate_until", ("Ada", {"max_gen_toks": 8, "until": [whole[1:3]]})))
        assert cut == whole[: whole.index(whole[1:3])]
    assert len(lm.loglikelihood(requests("loglikelihood", ("word " * 5000, " London")))) == 1


@pytest.mark.parametrize("base", [True, False])
def test_a_local_task(folder, base, tmp_path):
    arguments = ["harness", folder / "model", "--tasks", "towns", "--include", folder / "tasks", "--limit", 4, "--json"]
    arguments += ["--kb", folder / "facts.db"] if base else []
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert ran.exit_code == 0, ran.exception or ran.output
    [made] = json.loads(ran.stdout.splitlines()[-1])["results"]
    assert made["base"] == ("full" if base else "none")
    assert 0 <= made["metrics"]["towns: acc"]["value"] <= 1


def test_the_harness_finds_the_model_by_its_name():
    """By an entry point, and by the file of tasks for releases that do not look for those."""
    from lm_eval.tasks._yaml_loader import load_yaml

    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    module, _, name = project["project"]["entry-points"]["lm_eval.models"]["lamlam"].partition(":")
    assert getattr(import_module(module), name) is LamlamLM
    group = load_yaml(str(files("lamlam.evaluate").joinpath("lamlam.yaml")))
    assert (group["task"], group["metadata"]["model"]) == ([], LamlamLM)


@pytest.mark.slow
def test_the_harness_own_command(folder):
    tasks = f"{files('lamlam.evaluate').joinpath('lamlam.yaml')},towns"
    arguments = ["--model", "lamlam", "--model_args", f"pretrained={folder / 'model'},kb={folder / 'facts.db'}"]
    arguments += ["--tasks", tasks, "--include_path", str(folder / "tasks"), "--device", "cpu"]
    ran = subprocess.run([sys.executable, "-m", "lm_eval", *arguments], capture_output=True, text=True, timeout=110)
    assert ran.returncode == 0, ran.stderr
    assert "|towns|" in ran.stdout


def test_without_the_harness(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    ran = CliRunner().invoke(app, ["harness", str(folder / "model"), "--tasks", "towns"])
    assert "pip install 'lamlam[lm-eval]'" in str(ran.exception)


def test_data_that_cannot_be_had(folder, tmp_path):
    (tmp_path / "gone.yaml").write_text(TASK.format(data=tmp_path / "gone.jsonl").replace("towns", "gone"))
    ran = CliRunner().invoke(app, ["harness", str(folder / "model"), "--tasks", "gone", "--include", str(tmp_path)])
    assert isinstance(ran.exception, LamlamError)
    assert "a task's data cannot be had" in str(ran.exception)


def test_a_task_that_there_is_not(folder, monkeypatch):
    # Looking through the harness's own thousands of tasks takes seconds.
    monkeypatch.setattr("lm_eval.tasks.TaskManager", lambda **_: SimpleNamespace(all_tasks=["towns"]))
    ran = CliRunner().invoke(app, ["harness", str(folder / "model"), "--tasks", "nonsense"])
    assert isinstance(ran.exception, LamlamError)
    assert "no task 'nonsense'" in str(ran.exception)
