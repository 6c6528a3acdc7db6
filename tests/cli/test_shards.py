from __future__ import annotations

import json

import pytest

from lamlam.text.files import read_documents

pytest.importorskip("datatrove", reason="datatrove is not installed (lamlam[scale])")
PATTERNS = ("--", "annotate", "--with", "patterns")


@pytest.fixture
def shards(tmp_path, run_cli):
    rows = [{"id": f"d{n}", "title": "Ada", "text": f"Ada was born in {1800 + n}; she wrote."} for n in range(7)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run_cli("shards", "split", tmp_path / "in.jsonl", tmp_path / "shards", "--each", 3, "--json")
    assert json.loads(result.out)["shards"] == 3
    assert [document.id for document in read_documents(tmp_path / "shards")] == [row["id"] for row in rows]
    return tmp_path / "shards"


def check(out, calls=7):
    found = list(read_documents(out))
    assert [document.id for document in found] == [f"d{n}" for n in range(7)]
    assert sum(len(document.calls) for document in found) == calls


def test_shards_are_done_once_and_a_failed_one_again(shards, tmp_path, run_cli):
    whole = (shards / "shard-00001.parquet").read_bytes()
    (shards / "shard-00001.parquet").write_bytes(b"no Parquet")
    result = run_cli("shards", "run", shards, tmp_path / "out", "--workers", 1, *PATTERNS)
    assert result.code == 1
    assert "of 3 shards failed; run the same command again" in result.err
    first = (tmp_path / "out" / "shard-00000.parquet").stat().st_mtime_ns
    (shards / "shard-00001.parquet").write_bytes(whole)
    result = run_cli("shards", "run", shards, tmp_path / "out", "--workers", 2, "--json", *PATTERNS)
    assert result.code == 0, result.err
    assert '"done": 3' in result.out
    check(tmp_path / "out")
    assert (tmp_path / "out" / "shard-00000.parquet").stat().st_mtime_ns == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{shards}", "{out}", "--", "kb", "build"), "give one of annotate, convert, correct, pack after --"),
        (("{out}", "{out}", *PATTERNS), "no folder with"),
        (("{shards}", "{out}", "--engine", "slurm", *PATTERNS), "--engine slurm needs --partition"),
    ],
)
def test_what_cannot_run_is_one_line(shards, tmp_path, run_cli, arguments, message):
    places = {"shards": shards, "out": tmp_path / "out"}
    result = run_cli("shards", "run", *(argument.format(**places) for argument in arguments))
    assert result.code == 1
    assert message in result.err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_ray_cluster_of_two_workers_does_all_shards(shards, tmp_path, run_cli):
    ray = pytest.importorskip("ray", reason="Ray is not installed (lamlam[ray])")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        result = run_cli("shards", "run", shards, tmp_path / "out", "--engine", "ray", "--workers", 2, *PATTERNS)
        assert result.code == 0, result.err
    finally:
        ray.shutdown()
    check(tmp_path / "out")
    result = run_cli("kb", "build", tmp_path / "out", tmp_path / "facts.db", "--json")
    assert result.code == 0, result.err
