"""The measurement of `benchmarks/official_corpus.py`, over all 1,749 real documents."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "official_corpus.py"


@pytest.mark.data
def test_every_call_of_the_real_corpora_is_accounted_for(shared_data, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARK.parent)  # for what benchmarks share
    benchmark = runpy.run_path(str(BENCHMARK))
    measured = benchmark["measure"](shared_data / "official", tmp_path)
    assert sum(one.report.documents for one in measured) == 1749
    assert sum(one.openings for one in measured) == 12630
    assert benchmark["missed"](measured) == []
