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
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Times that all documents are learnt from.", show_default="8; LoRA: 10")
    ] = None,
    weak: Annotated[
        Path | None,
        typer.Option(
            metavar="DOCS",
            help="Many documents that `lamlam annotate --with patterns --with align` marked up, to learn from first.",
        ),
    ] = None,
    most_weak: Annotated[int, typer.Option(min=1, help="How many of them are drawn.")] = 40_000,
    readings: Annotated[
        Path | None,
        typer.Option(
            metavar="READINGS.jsonl",
            help="Verdicts on calls in documents of --weak: they teach a judge, which `annotate --careful` asks.",
        ),
    ] = None,
    held_out: Annotated[int, typer.Option(min=0, max=9, help="The tenth, by title, that is kept to measure with.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the new weights and the order of the documents.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a local annotator on marked-up documents: a tagger of values with names for relations, or a causal model.

    Texts are marked up in the manner of the first file. On a GPU where there is one.

    Example: `lamlam train-annotator marked.parquet more.json --weak weak.parquet --out annotator`
    """
    if base is not None:
        _tune(documents, out, base, epochs, held_out, seed, as_json)
        return
    from lamlam.annotate.train_local import Recipe, train_local

    recipe = Recipe(
        epochs=epochs or Recipe().epochs,
        weak=weak,
        readings=readings,
        most_weak=most_weak,
        held_out=held_out,
        judged_by=(held_out + 1) % 10,
        seed=seed,
    )
    result = train_local(documents, out, encoder=encoder, recipe=recipe, tell=lambda line: say(line, errors))
    if as_json:
        emit_json({"out": str(out), **result})
        return
    say(f"{out}: learnt from {result['documents']:,} documents, seed {seed}; tenth {held_out} was not looked at")
    say(f"span F1 {result['span_f1']:.3f} on the {result['chosen_on']:,} documents that chose the threshold")


def _tune(
    documents: list[Path], out: Path, base: Path, epochs: int | None, held_out: int, seed: int, as_json: bool
) -> None:
    from lamlam.annotate.gold import read_gold, split_by_title
    from lamlam.annotate.lora import EPOCHS, tune_lora

    learn, _ = split_by_title((document for path in documents for document in read_gold(path)), held_out)
    result = tune_lora(base, learn, out, epochs=epochs or EPOCHS, seed=seed, tell=lambda line: say(line, errors))
    if as_json:
        emit_json({"out": str(out), **result})
    else:
        say(f"{out}: an adapter for {base}, tuned on {result['documents']:,} documents, seed {seed}")
