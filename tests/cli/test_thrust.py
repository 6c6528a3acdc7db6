"""`lamlam thrust fit`, on a model of which some questions are what it says anyway."""

import json

import pytest

from lamlam.cli.thrust import _show
from lamlam.evaluate.matching import strict
from lamlam.generate import LookupModel
from lamlam.generate.thrust import Thrust
from tests.cli.conftest import NAMES


def write(path, rows):
    path.write_text("".join(json.dumps({"prompt": prompt, "value": value}) + "\n" for prompt, value in rows))
    return path


@pytest.fixture(scope="module")
def questions(line, tmp_path_factory):
    lm = LookupModel.from_pretrained(line.folder / "run" / "model", device="cpu")
    prompts = [f"{name} was {word}" for name in NAMES for word in ("born", "seen", "a", "not")]
    rows = []
    for prompt, said in zip(prompts, lm.generate(prompts, max_new_tokens=24), strict=True):
        text = said.text.lstrip()
        ends = [end for end in range(1, len(text)) if text[:end].strip() and strict(text, [text[:end]])]
        rows.append((prompt, text[: ends[0]] if ends and len(rows) % 2 else "something else"))
    return write(tmp_path_factory.mktemp("thrust") / "questions.jsonl", rows)


def test_fit_tells_how_it_separates_and_what_asking_comes_to(run_cli, line, questions, tmp_path):
    model, base = line.folder / "run" / "model", line.folder / "facts.db"
    ran = run_cli("thrust", "fit", model, questions, tmp_path / "out", "--kb", base, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    rest = told["held_out"]
    assert rest["questions"] in (11, 12)
    assert 0 < rest["known"] < rest["questions"]
    assert told["right"]["never"] == rest["known"] / rest["questions"]
    assert (told["base"], told["seed"]) == (str(base), 0)
    assert 1 <= told["clusters"] <= 3
    assert Thrust.load(tmp_path / "out").threshold == told["threshold"]
    shown = run_cli("thrust", "fit", model, questions, tmp_path / "out", "--kb", base)
    assert "AUROC" in shown.out
    assert "right when asking always" in shown.out


@pytest.mark.parametrize("accuracy", [0.5, 0.51])
def test_what_is_no_better_than_guessing_is_said(accuracy, capsys):
    told = {"questions": 8, "known": 4, "auroc": 0.4, "known_kept": 0.5, "unknown_asked": 0.5}
    shown = dict.fromkeys(("out", "model", "base", "split", "limit", "right"), None) | {"seed": 0, "clusters": 3}
    _show({**shown, "threshold": 1.0, "held_out": {**told, "balanced_accuracy": accuracy}})
    assert ("no better than guessing: ask always" in capsys.readouterr().out) == (accuracy == 0.5)


def test_a_model_that_knows_nothing_is_told_to_ask_always(run_cli, line, tmp_path):
    rows = write(tmp_path / "q.jsonl", [(f"{name} was {word}", "%%") for name in NAMES for word in "abc"])
    ran = run_cli("thrust", "fit", line.folder / "run" / "model", rows, tmp_path / "out")
    assert ran.code == 1
    assert "ask always" in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert run_cli("thrust", "fit", tmp_path / "nowhere", rows, tmp_path / "out").code == 1
    assert run_cli("thrust", "fit").code == 2
