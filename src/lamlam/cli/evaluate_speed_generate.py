"""`lamlam eval speed generate`: decoding with lookups against the peer's loop."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from lamlam.cli.evaluate_options import device
from lamlam.cli.terminal import Json, console, emit_json, say


def generate(
    preset: Annotated[str | None, typer.Option(help="The model's shape; llama-382m on a GPU, else tiny.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows at once; 256 on a GPU, else 32.")] = None,
    facts: Annotated[int, typer.Option(min=1, help="Made-up facts in the base.")] = 1_000_000,
    tokens: Annotated[int, typer.Option(min=8, help="Of text that a stream writes.")] = 256,
    requests: Annotated[int, typer.Option(min=1000, help="That run to see whether memory stays flat.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, base and prompts.")] = 0,
    json: Json = False,
) -> None:
    """Tokens a second of decoding with lookups, constrained and greedy, against the peer's loop in the same run.

    Weights are random, and asking is steered: a lookup about every 25 tokens that the model chooses.

    Example: `lamlam eval speed generate --preset tiny --batch 32 --facts 100000`
    """
    from lamlam.evaluate.decode_speed import measure

    chosen = device()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(
            Path(folder),
            preset or ("llama-382m" if chosen == "cuda" else "tiny"),
            facts=facts,
            batch=batch or (256 if chosen == "cuda" else 32),
            tokens=tokens,
            requests=requests,
            seed=seed,
            device=chosen,
        )
    if json:
        figures = {what: value for what, value, _ in result.figures()}
        rates = {name: getattr(result, name)._asdict() for name in ("peer", "one", "many")}
        emit_json({**asdict(result), **rates, "figures": figures})
        return
    table = Table("decoding", "value", "", box=None, header_style="bold")
    for what, value, unit in result.figures():
        table.add_row(what, f"{value:,.2f}", unit)
    console.print(table)
    say(f"{result.model}, base of {result.facts:,} made-up facts, seed {result.seed}, {result.device}")
