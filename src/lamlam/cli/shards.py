"""`lamlam shards`: a corpus cut into files, and a command run on all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from lamlam.cli.shard_engine import run_over_shards
from lamlam.cli.terminal import Json, emit_json, progress, say
from lamlam.text.document import Document
from lamlam.text.files import read_documents, write_documents

app = typer.Typer(help="Cut a corpus into files, and run a command on all of them at once.", no_args_is_help=True)


@app.command()
def split(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .parquet, .jsonl, .json or .txt file, or a folder.")],
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the shards are written.")],
    each: Annotated[int, typer.Option(min=1, help="Documents of a shard.")] = 10_000,
    json: Json = False,
) -> None:
    """Cut documents into Parquet files of as many documents each, in their order.

    Example: `lamlam shards split corpus.parquet shards --each 10000`
    """
    documents = progress(read_documents(source), "splitting")
    shards = total = 0
    for shard in _batches(documents, each):
        total += write_documents(shard, out / f"shard-{shards:05}.parquet")
        shards += 1
    if json:
        emit_json({"in": str(source), "out": str(out), "documents": total, "shards": shards})
    else:
        say(f"{total:,} documents from {source} in {shards:,} shards in {out}")


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder of files.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder that gets one output for every file.")],
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND…", help="annotate, convert, correct or pack, with its options.")
    ],
    engine: Annotated[
        Literal["local", "slurm", "ray"],
        typer.Option(help="local: this machine's cores; slurm: an array job; ray: the running cluster."),
    ] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Shards at one time.")] = 2,
    partition: Annotated[str | None, typer.Option(help="For slurm: the queue.")] = None,
    time: Annotated[str, typer.Option(help="For slurm: the longest a shard may take.")] = "24:00:00",
    json: Json = False,
) -> None:
    """Run a command on every file of a folder. Shards that are done are skipped when it is run again.

    Example: `lamlam shards run shards annotated --workers 8 -- annotate --with patterns`
    """
    result = run_over_shards(command, source, out, engine, workers, partition, time)
    if json:
        emit_json({"in": str(source), "out": str(out), "engine": engine, **result})
    else:
        say(f"{result['done']:,} of {result['shards']:,} shards done, in {out}")


def _batches(documents: Iterator[Document], each: int) -> Iterator[Iterator[Document]]:
    while (first := next(documents, None)) is not None:
        yield chain([first], islice(documents, each - 1))
