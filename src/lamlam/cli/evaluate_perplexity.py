"""`lamlam eval perplexity`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.evaluate_options import Limit, Model, Name, Out, Seed, finish, load, opened, refuse_missing
from lamlam.cli.terminal import Json, progress
from lamlam.text.files import read_documents


def perplexity(
    model: Model,
    documents: Annotated[
        Path, typer.Argument(metavar="DOCS", help="Held-out documents with their calls.", show_default=False)
    ],
    kb: Annotated[
        str | None, typer.Option("--kb", help="A base made without these documents: dynamic perplexity with it.")
    ] = None,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Dynamic perplexity with a base made of these documents' own calls.")
    ] = False,
    context: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens in view at most, such as the model was trained with; else all it has room for."
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Perplexity on documents: of the plain text (standard), and with calls, by token of the plain text.

    static: of the text, gold calls given; normalized: of the text and the gold queries; dynamic: of the text, with
    the model's own queries at the gold calls' places and what a base answers them.

    Example: `lamlam eval perplexity model held-out.parquet --kb facts.db --oracle`
    """
    refuse_missing(documents, kb)
    from lamlam.evaluate import measure_perplexity, temporary_base

    lm = load(model, None)
    with temporary_base() as own, opened(kb) as full:
        if oracle:
            own.add_documents(islice(read_documents(documents), limit))
        bases = {kind: base for kind, base in (("oracle", own if oracle else None), ("full", full)) if base is not None}
        some = progress(islice(read_documents(documents), limit), "documents", limit)
        result = measure_perplexity(
            lm,
            some,
            data=str(documents),
            bases=bases,
            model=name or str(model),
            context=context,
            seed=seed,
            limit=limit,
        )
        finish([result], out, json)
