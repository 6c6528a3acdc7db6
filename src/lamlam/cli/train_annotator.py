"""`lamlam train-annotator`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.terminal import Json, emit_json, errors, say


def train_annotator(
    documents: Annotated[
        list[Path], typer.Argument(metavar="DOCS…", help="Marked-up documents; several files may be named.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where the annotator is written.", show_default=False)
    ],
    base: Annotated[
        Path | None,
        typer.Option(metavar="CHECKPOINT", help="Tune this causal language model by LoRA instead of the small tagger."),
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Another encoder than all-MiniLM-L6-v2, as transformers writes one."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that all documents are learnt from.")] = 4,
    frozen: Annotated[int, typer.Option(min=0, help="Lower layers of the encoder that stay as they are.")] = 3,
    held_out: Annotated[int, typer.Option(min=0, max=9, help="The tenth, by title, that is kept to measure with.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the new weights and the order of the documents.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a local annotator on marked-up documents: a tagger of values with names for relations, or a causal model.

    Example: `lamlam train-annotator marked.parquet more.json --out annotator`
    """
    if base is not None:
        _tune(documents, out, base, epochs, held_out, seed, as_json)
        return
    from lamlam.annotate.train_local import train_local

    result = train_local(
        documents,
        out,
        encoder=encoder,
        epochs=epochs,
        frozen=frozen,
        held_out=held_out,
        judged_by=(held_out + 1) % 10,
        seed=seed,
        tell=lambda line: say(line, errors),
    )
    if as_json:
        emit_json({"out": str(out), **result})
        return
    say(f"{out}: learnt from {result['documents']:,} documents, seed {seed}; tenth {held_out} was not looked at")
    say(f"span F1 {result['span_f1']:.3f} on the {result['judged_by']:,} documents that chose the threshold")


def _tune(documents: list[Path], out: Path, base: Path, epochs: int, held_out: int, seed: int, as_json: bool) -> None:
    from lamlam.annotate.gold import read_gold, split_by_title
    from lamlam.annotate.lora import tune_lora

    learn, _ = split_by_title((document for path in documents for document in read_gold(path)), held_out)
    result = tune_lora(base, learn, out, epochs=epochs, seed=seed, tell=lambda line: say(line, errors))
    if as_json:
        emit_json({"out": str(out), **result})
    else:
        say(f"{out}: an adapter for {base}, tuned on {result['documents']:,} documents, seed {seed}")
