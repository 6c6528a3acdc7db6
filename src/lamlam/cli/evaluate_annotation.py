"""`lamlam eval annotation`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lamlam.atomic import write_beside
from lamlam.cli.evaluate_options import Seed
from lamlam.cli.terminal import Json, console, emit_json, progress, say
from lamlam.text.files import read_documents

if TYPE_CHECKING:
    from lamlam.evaluate.annotation import AnnotationResult


def annotation(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Documents with the calls to compare with.")],
    predicted: Annotated[Path, typer.Argument(metavar="PRED", help="The same documents with calls to measure.")],
    by: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Also by the values of this field of the documents' meta.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="PAGE.html", help="Write both annotations side by side, in colour.")
    ] = None,
    page_documents: Annotated[int, typer.Option(min=1, help="How many documents the page shows.")] = 100,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Precision, recall and F1 of calls against gold ones: spans, values, entities, relations, exact and soft.

    Also whether the texts are the same to the character (fidelity), and how many calls stand in 100 words.

    Example: `lamlam eval annotation gold.parquet annotated.parquet --page compared.html`
    """
    from lamlam.evaluate.annotation import measure_annotation, measure_groups, pair_up
    from lamlam.evaluate.annotation_page import write_page

    pairs, extra = pair_up(progress(read_documents(gold), "gold"), progress(read_documents(predicted), "predicted"))
    results = [measure_annotation(pairs, seed=seed), *(measure_groups(pairs, by, seed) if by else [])]
    if page is not None:
        heading = f"{gold} and {predicted}"
        with write_beside(page) as beside:
            beside.write_text(write_page(pairs[:page_documents], heading), encoding="utf-8")
    if json:
        made_with = {"gold": str(gold), "predicted": str(predicted), "seed": seed, "without_gold": extra}
        emit_json(made_with | {"results": [result.to_json() for result in results]})
        return
    for result in results:
        _show(result)
    say(f"gold {gold}, predicted {predicted}, seed {seed}" + (f"; {extra:,} predicted without gold" if extra else ""))


def _show(result: AnnotationResult) -> None:
    gold, predicted = result.calls_per_100_words()
    share = result.faithful / max(1, result.documents - result.missing)
    missing = f", {result.missing:,} missing" if result.missing else ""
    say(f"{result.group}: {result.documents:,} documents{missing}, fidelity {share:.1%}")
    say(f"calls per 100 words: gold {gold:.2f}, predicted {predicted:.2f}")
    low, high = result.span_interval
    say(f"span F1 {result.exact['span'].f1:.3f} (95 %: {low:.3f} to {high:.3f})")
    table = Table("", "precision", "recall", "F1", "soft precision", "recall", "F1", box=None, header_style="bold")
    for name, exact in result.exact.items():
        soft = result.soft[name]
        figures = (exact.precision, exact.recall, exact.f1, soft.precision, soft.recall, soft.f1)
        table.add_row(escape(name), *(f"{figure:.3f}" for figure in figures))
    console.print(table)
