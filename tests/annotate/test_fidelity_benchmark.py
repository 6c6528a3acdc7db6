"""The measurement of `benchmarks/fidelity.py`, over the peer's 1,749 real documents."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "fidelity.py"


@pytest.mark.data
def test_nearly_all_calls_are_saved_and_every_text_is_its_source(shared_data, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARK.parent)  # for what benchmarks share
    benchmark = runpy.run_path(str(BENCHMARK))
    measured = benchmark["measure"](shared_data / "official")
    assert sum(one.calls for one in measured) == 12630
    assert sum(one.saved for one in measured) >= 0.985 * 12630
    assert benchmark["missed"](measured) == []
