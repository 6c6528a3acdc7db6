"""Names of real subjects, misspelt, and names of others: the figures of `benchmarks/resolution.py`, over fewer."""

import random
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.data
def test_misspelt_real_names_are_found_and_strangers_are_not_let_in(shared_data, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import names_data
    import resolution

    data = names_data.subjects(shared_data)
    everybody = [name for name in data.names if not names_data.stranger(name)]
    base = sorted(random.Random(1).sample(everybody, 20_000))
    names = resolution.Names(base, data.relations, tmp_path / "names")
    test = resolution.measure(names, data, test=True, queries=600, rng=random.Random(2))
    assert test.share() >= 0.95
    assert test.share("pair") >= 0.95
    assert test.share("stranger") <= 0.03
    assert test.share("absent relation") <= 0.02
    assert test.wrong <= 2
