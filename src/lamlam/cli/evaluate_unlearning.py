"""`lamlam eval unlearning`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.evaluate_options import Kb, Limit, Model, Name, Out, Seed, finish, load, opened, refuse_missing
from lamlam.cli.terminal import Json
from lamlam.text.files import read_documents


class Split(StrEnum):
    """TOFU's: how many in a hundred authors are forgotten."""

    forget01 = "01"
    forget05 = "05"
    forget10 = "10"


def unlearning(
    model: Model,
    tofu: Annotated[Path, typer.Argument(metavar="TOFU", help="The folder of TOFU's files.", show_default=False)],
    forget: Annotated[
        list[Split] | None,
        typer.Option(help="How many in a hundred authors to forget; may be given several times. 10, if not given."),
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option(help="The rows of full with their calls: the model is an LmLm. Without, it is a Standard one."),
    ] = None,
    kb: Kb = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of tuning on the data.")] = 5,
    lr: Annotated[float, typer.Option(min=0, help="Of tuning on the data; unlearning takes a tenth of it.")] = 1e-3,
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Learn TOFU's authors, forget some, and compare with a model that never read of them.

    An LmLm forgets by `kb.forget`; a Standard model by gradient ascent, gradient difference and NPO.

    Example: `lamlam eval unlearning model tofu --forget 05 --documents tofu-calls.parquet --kb facts.db`
    """
    refuse_missing(documents, kb)
    from lamlam.evaluate import Tuning, read_tofu, unlearn_base, unlearn_weights

    marked = None if documents is None else list(read_documents(documents))
    data = [read_tofu(tofu, split.value, marked, limit, seed) for split in forget or [Split.forget10]]
    lm, called, tuning = load(model, None), name or str(model), Tuning(epochs, lr, seed=seed)
    with opened(kb) as base:
        if marked is not None:
            results = unlearn_base(lm, base, data, data=str(tofu), model=called, tuning=tuning, limit=limit)
        else:
            less = Tuning(epochs, lr / 10, seed=seed)
            results = unlearn_weights(
                lm, data, data=str(tofu), model=called, tuning=tuning, unlearning=less, limit=limit
            )
        finish(results, out, json)
