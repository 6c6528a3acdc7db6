"""`lamlam eval perplexity`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from lamlam.cli.evaluate_options import Limit, Model, Seed, load, refuse_missing, say_made_with, split_name
from lamlam.cli.terminal import Json, console, emit_json, progress, say
from lamlam.text.files import read_documents


def perplexity(
    model: Model,
    documents: Annotated[
        Path, typer.Argument(metavar="DOCS", help="Held-out documents with their calls.", show_default=False)
    ],
    context: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens in view at most, such as the model was trained with; else all it has room for."
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Perplexity on documents: of the plain text (standard), and with the documents' own calls given.

    static: of the text; normalized: of the text and the queries. Both by token of the plain text.

    Example: `lamlam eval perplexity model held-out.parquet`
    """
    refuse_missing(documents)
    from lamlam.evaluate import perplexities

    lm = load(model, None)
    some = progress(islice(read_documents(documents), limit), "documents", limit)
    result = perplexities(lm, some, split=split_name(documents, limit), model=str(model), context=context, seed=seed)
    if json:
        emit_json(result.to_json())
        return
    table = Table("perplexity", "value", "95 %", box=None, header_style="bold")
    for name in ("standard", "static", "normalized"):
        one = getattr(result, name)
        table.add_row(name, f"{one.value:.3f}", f"{one.interval.low:.3f} to {one.interval.high:.3f}")
    console.print(table)
    say(f"{result.documents:,} documents, {result.calls:,} calls, {result.tokens:,} tokens of plain text")
    say_made_with(result, f", context {result.context}, stride {result.stride}")
