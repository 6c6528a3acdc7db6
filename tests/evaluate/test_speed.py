"""Figures of speed from files of JSON."""

import json
import subprocess
import sys

import pytest

from lamlam.errors import LamlamError
from lamlam.evaluate import speed_result


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


def test_speed_needs_no_more_than_it_uses():
    """Machines that are lent for speed have PyTorch and little else."""
    code = "import sys; sys.modules['pydantic'] = None; import lamlam.evaluate.speed, lamlam.evaluate.decode_speed"
    subprocess.run([sys.executable, "-c", code], check=True)
