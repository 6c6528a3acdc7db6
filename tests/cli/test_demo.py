"""`lamlam demo` from the command line, at a scale of seconds."""

from __future__ import annotations

import json

import pytest

from lamlam.demo import experiment


@pytest.fixture
def small(monkeypatch):
    """What the command has no option for, made small too."""
    whole = experiment.Scale

    def scale(**chosen):
        return whole(unseen=5, questions=4, batch=2, context=32, **chosen)

    monkeypatch.setattr(experiment, "Scale", scale)


def test_demo_runs_and_says_what_it_found(small, run_cli, tmp_path):
    out = tmp_path / "[x]"
    ran = run_cli("demo", "--people", 40, "--steps", 2, "--out", out)
    assert ran.code == 0, ran.err
    for text in ("40 people in the training text", "people only in the base", "4 questions a cell", "kb.forget("):
        assert text in ran.out
    assert f"Figure: {out / 'findings.png'}   All figures: {out / 'findings.json'}" in ran.out
    assert "\x1b" not in ran.out + ran.err

    # Again, for machines: the trained models are used again.
    before = (out / "lmlm" / "log.jsonl").read_text()
    ran = run_cli("demo", "--people", 40, "--steps", 2, "--out", out, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found == json.loads((out / "findings.json").read_text())
    assert found["scale"]["people"] == 40
    assert (out / "lmlm" / "log.jsonl").read_text() == before


def test_bad_options_are_said(small, run_cli, tmp_path):
    assert run_cli("demo", "--people", 40, "--steps", 0).code == 2
    (tmp_path / "file").write_text("")
    ran = run_cli("demo", "--people", 40, "--steps", 1, "--out", tmp_path / "file")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
