"""`lamlam pack` on real documents, and what it says of input that is no good."""

from __future__ import annotations

import json

import pytest

from lamlam.corpus import read_info


def test_the_counts_are_those_of_the_shards(line):
    info = read_info(line.folder / "shards")
    assert line.packed == {
        "shards": str(line.folder / "shards"), "kind": "lmlm", "vocabulary": 300,
        "documents": 6, "tokens": info.tokens, "trained": info.trained,
    }  # fmt: skip
    assert 0 < info.trained < info.tokens


def test_standard_shards_share_the_tokenizer_and_leave_the_calls_out(line, run_cli, tmp_path):
    shards = tmp_path / "[x]"
    ran = run_cli(
        "pack", line.folder / "documents.parquet", shards, "--kind", "standard", "--tokenizer", line.folder / "shards"
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{shards}: 6 documents, ")
    ours, theirs = read_info(shards), read_info(line.folder / "shards")
    assert ours.tokenizer == theirs.tokenizer
    assert ours.tokens < theirs.tokens


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--vocab", "20"], "a vocabulary of 20 is too small"),
        (["--tokenizer", "none"], "no tokenizer at none: no such folder"),
    ],
)
def test_bad_options_are_one_line(line, run_cli, tmp_path, options, says):
    ran = run_cli("pack", line.folder / "documents.parquet", tmp_path / "out", *options)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert says in ran.err
    assert list(tmp_path.iterdir()) == []


def test_bad_documents_leave_nothing(run_cli, tmp_path):
    assert "cannot be read" in run_cli("pack", tmp_path / "none.jsonl", tmp_path / "out").err
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"text": "a"}) + '\n{"text"\n')
    ran = run_cli("pack", bad, tmp_path / "out")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "bad.jsonl, line 2" in ran.err
    assert list(tmp_path.iterdir()) == [bad]


def test_a_foreign_folder_is_not_replaced(line, run_cli, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    ran = run_cli("pack", line.folder / "documents.parquet", tmp_path, "--vocab", 300)
    assert ran.code == 1
    assert "holds something else than shards" in ran.err
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert "is a file; name a folder" in run_cli("pack", tmp_path / "x.jsonl", tmp_path / "thesis.tex").err
