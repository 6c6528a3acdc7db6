"""`lamlam eval editing`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.evaluate_options import Kb, Limit, Model, Name, Out, Seed, finish, load, opened, refuse_missing
from lamlam.cli.terminal import Json


def editing(
    model: Model,
    edits: Annotated[
        Path,
        typer.Argument(metavar="EDITS", help="CounterFact's rows, and `relation` where known.", show_default=False),
    ],
    kb: Kb = None,
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Edit facts, and see whether it takes, in other words too, and whether all else is as before.

    With --kb the base is edited (a copy of it); without, the weights are, by fine-tuning on each edit.

    Example: `lamlam eval editing model counterfact.parquet --kb facts.db --limit 200`
    """
    refuse_missing(edits, kb)
    from lamlam.evaluate import edit_base, edit_weights, read_edits

    asked = read_edits(edits, limit, seed)
    lm = load(model, None)
    called = name or str(model)
    with opened(kb) as base:
        if base is None:
            result = edit_weights(lm, asked, data=str(edits), model=called, seed=seed, limit=limit)
        else:
            result = edit_base(lm, base, asked, data=str(edits), model=called, seed=seed, limit=limit)
        finish([result], out, json)
