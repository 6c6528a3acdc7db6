"""`lamlam eval speed lookup`: how fast a base answers."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from lamlam.cli.terminal import Json, console, emit_json, say
from lamlam.kb import KnowledgeBase


def lookup(
    base: Annotated[str, typer.Argument(metavar="KB", help="A base: a file, or a postgresql:// URL.")],
    queries: Annotated[int, typer.Option(min=10, help="Exact lookups; a tenth as many of misspelt names.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of what is asked.")] = 0,
    json: Json = False,
) -> None:
    """Time lookups in a base, warm: exact ones, 256 at once, and misspelt names.

    Example: `lamlam eval speed lookup facts.db --queries 1000`
    """
    from lamlam.evaluate.lookup_speed import measure_lookups

    with KnowledgeBase.open(base) as kb:
        found = measure_lookups(kb, base, queries, seed)
    if json:
        emit_json(found.to_json())
        return
    table = Table("lookups", "value", "", box=None, header_style="bold")
    for what, value, unit in (
        ("exact, median", found.exact_p50_us, "µs"),
        ("exact, 99 in 100 within", found.exact_p99_us, "µs"),
        ("256 at once, median", found.at_once_256_ms, "ms"),
        ("misspelt, median", found.misspelt_p50_ms, "ms"),
        ("misspelt, 99 in 100 within", found.misspelt_p99_ms, "ms"),
        ("misspelt names found", 100 * found.misspelt_found, "%"),
    ):
        table.add_row(what, f"{value:,.2f}", unit)
    console.print(table)
    say(f"base {found.base}, {found.facts:,} facts, {found.queries:,} lookups, seed {found.seed}, {found.device}")
