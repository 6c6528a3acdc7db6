from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamlam.text.files import read_documents
from tests.cli.test_main import PROGRAM

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


@pytest.fixture
def cluster():
    """The address of a Ray cluster of a head that does no work and two workers of one core each."""
    pytest.importorskip("ray", reason="Ray is not installed (lamlam[ray])")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, wait=True)
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_ray_cluster_of_two_workers_does_all_shards(shards, tmp_path, run_cli, cluster):
    # In a process of its own: where warnings are errors, one in a thread of datatrove's has it wait for ever.
    command = [*PROGRAM, "shards", "run", shards, tmp_path / "out", "--engine", "ray", *PATTERNS]
    done = subprocess.run(
        command, env=os.environ | {"RAY_ADDRESS": cluster}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 3 shards done" in done.stdout
    check(tmp_path / "out")
    result = run_cli("kb", "build", tmp_path / "out", tmp_path / "facts.db", "--json")
    assert result.code == 0, result.err


SBATCH = """#!/usr/bin/env bash
# Runs what it is given at once, as every task of its array: what Slurm does on its nodes.
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "${@: -1}")
for task in $(seq 0 "$last"); do SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_JOB_ID=7 bash "${@: -1}" >&2 || exit 1; done
echo 7
"""
SRUN = """#!/usr/bin/env bash
shift 3  # -l -n 1
exec "$@"
"""


def test_the_job_that_slurm_gets_does_every_shard(shards, tmp_path, run_cli, monkeypatch):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", "#!/bin/sh\necho node1\n")):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("SLURM_NODELIST", "node1")
    monkeypatch.setenv("SLURM_NODEID", "0")
    result = run_cli("shards", "run", shards, tmp_path / "out", "--engine", "slurm", "--partition", "long", *PATTERNS)
    assert result.code == 0, result.err
    check(tmp_path / "out")
    (job,) = (tmp_path / "out" / ".shards").rglob("launch_script.slurm")
    assert "#SBATCH --partition=long" in job.read_text()
    assert "#SBATCH --mem-per-cpu=8G" in job.read_text()
