"""The whole line once, from documents to a checkpoint, small enough for seconds; and the command line in-process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lamlam.text import Document, Lookup
from lamlam.text.files import write_documents

NAMES = ["Ada Lovelace", "Charles Babbage", "Mary Somerville", "George Boole", "Emmy Noether", "Alan Turing"]
RECIPE = {"model": "tiny", "context": 32, "batch": 2, "steps": 3, "warmup": 1, "log_every": 1}


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Line(NamedTuple):
    """The folder of the line: documents.parquet, facts.db, shards/, recipe.yaml, run/model/."""

    folder: Path
    packed: dict[str, object]
    trained: dict[str, object]


def write_recipe(folder: Path, **more: object) -> Path:
    values = {"data": str(folder / "shards"), "output": str(folder / "run"), **RECIPE, **more}
    path = folder / "recipe.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
    return path


def call_main(arguments: tuple[object, ...]) -> int:
    from lamlam.cli.main import main

    before, sys.argv = sys.argv, ["lamlam", *map(str, arguments)]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


@pytest.fixture
def run_cli(capsys) -> Callable[..., Ran]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        return Ran(call_main(arguments), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def line(tmp_path_factory) -> Line:
    folder = tmp_path_factory.mktemp("line")
    documents = []
    for number, name in enumerate(NAMES):
        text = f"{name} was born on {number + 1} May 18{number}0. "
        lookup = Lookup(name, "Birth Date", f"{number + 1} May 18{number}0")
        documents.append(Document.with_lookups(name, text * 3, [(len(f"{name} was born on "), lookup)]))
    write_documents(documents, folder / "documents.parquet")
    recipe = write_recipe(folder)
    out: list[dict[str, object]] = []
    for arguments in (
        ("kb", "build", folder / "documents.parquet", folder / "facts.db"),
        ("pack", folder / "documents.parquet", folder / "shards", "--vocab", 300),
        ("pretrain", recipe),
    ):
        out.append(_json_of((*arguments, "--json")))
    return Line(folder, *out[1:])


def _json_of(arguments: tuple[object, ...]) -> dict[str, object]:
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert call_main(arguments) == 0
    return dict(json.loads(out.getvalue()))
