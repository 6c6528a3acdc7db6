"""Figures of speed from files of JSON."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from lamlam.cli.evaluate import app
from lamlam.errors import LamlamError
from lamlam.evaluate import speed_result
from lamlam.evaluate.lookup_speed import measure_lookups
from lamlam.kb import Fact, KnowledgeBase


def test_numbers_are_named_by_where_they_stand(tmp_path):
    values = {"device": "CPU", "model": "tiny", "results": [{"name": "ours", "rate": 3}, {"rate": 2.5}], "ok": True}
    (tmp_path / "train.json").write_text(json.dumps(values))
    result = speed_result(tmp_path / "train.json")
    assert {name: metric.value for name, metric in result.metrics.items()} == {
        "results ours, rate": 3.0, "results 2, rate": 2.5,
    }  # fmt: skip
    assert (result.model, result.base, result.definition.data) == ("tiny", "CPU", "train")


@pytest.mark.parametrize("content", ["{", "[1]", "{}", '{"a": "b"}'])
def test_other_files(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(LamlamError, match="lamlam eval speed"):
        speed_result(tmp_path / "x.json")
    with pytest.raises(LamlamError, match="cannot be read"):
        speed_result(tmp_path / "none.json")


def test_lookups_of_a_base_and_the_report_of_them(tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add(Fact(f"Person{chr(97 + n)} Surname{chr(97 + n)}", "Birth Place", f"Town {n}") for n in range(20))
    ran = CliRunner().invoke(app, ["speed", "lookup", str(tmp_path / "facts.db"), "--queries", "300", "--json"])
    assert ran.exit_code == 0, ran.output
    made = json.loads(ran.stdout)
    assert (made["facts"], made["queries"]) == (20, 300)
    assert 0 < made["exact_p50_us"] <= made["exact_p99_us"]
    assert made["misspelt_found"] > 0.5
    (tmp_path / "lookup.json").write_text(ran.stdout)
    assert "at_once_256_ms" in speed_result(tmp_path / "lookup.json").metrics


def test_lookups_of_an_empty_base(tmp_path):
    with (
        KnowledgeBase.open(tmp_path / "empty.db", create=True) as kb,
        pytest.raises(LamlamError, match="no facts in it"),
    ):
        measure_lookups(kb, "empty.db")


def test_speed_needs_no_more_than_it_uses():
    """Machines that are lent for speed have PyTorch and little else."""
    code = "import sys; sys.modules['pydantic'] = None; import lamlam.evaluate.speed, lamlam.evaluate.decode_speed"
    subprocess.run([sys.executable, "-c", code], check=True)
