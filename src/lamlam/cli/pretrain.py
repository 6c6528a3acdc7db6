"""`lamlam pretrain`: a training run from a recipe."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lamlam.cli.terminal import Json, emit_json, errors, say

if TYPE_CHECKING:
    from lamlam.model import LookupTokenizer
    from lamlam.train import Measure, Recipe


def pretrain(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="The recipe: docs/recipes.md has its keys.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value …]", help="Keys of the recipe to set for this run.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model as a recipe says, on a CPU, one GPU, or several (under torchrun).

    Ctrl-C saves the state; the same command goes on where it stopped. The model is then in `output`/model, with the
    curves and report.html beside it.

    Example: `lamlam pretrain recipe.yaml steps=200 output=runs/short`
    """
    from lamlam.train import LogLine, load_recipe
    from lamlam.train import pretrain as run

    resolved = load_recipe(recipe, settings or ())
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("training", total=None, loss="…")

        def show(line: LogLine, steps: int) -> None:
            bar.update(task, total=steps, completed=line.step, loss=f"{line.loss:.3f}")
            # Into a file, twenty lines are enough: log.jsonl has them all.
            shown = line.step == steps or line.step * 20 // steps > (line.step - resolved.log_every) * 20 // steps
            if shown and not errors.is_terminal and not as_json:
                say(f"step {line.step}/{steps}  loss {line.loss:.4f}  {line.rate:,.0f} tokens/s")

        result = run(resolved, show, measure_held_out(resolved))
    if as_json:
        emit_json({"model": str(result.model), "steps": result.steps, "loss": result.loss, "seconds": result.seconds})
    else:
        say(f"{result.model}: {result.steps:,} steps, loss {result.loss:.4f} nats a trained token")


def measure_held_out(recipe: Recipe) -> Measure | None:
    """What measures the paper's perplexities on a recipe's held-out documents; None where it names none.

    Standard, static and normalized; dynamic as well where it names a base.
    """
    if recipe.held_out is None:
        return None
    from lamlam.evaluate import perplexities
    from lamlam.generate import LookupModel
    from lamlam.kb import KnowledgeBase
    from lamlam.text.files import read_documents

    documents = list(islice(read_documents(recipe.held_out), recipe.held_out_documents))

    def measure(model: Any, tokenizer: LookupTokenizer) -> dict[str, float]:
        kb = KnowledgeBase.open(recipe.held_out_base) if recipe.held_out_base else None
        try:
            result = perplexities(
                LookupModel(model, tokenizer, kb),
                documents,
                split=str(recipe.held_out),
                bases={"full": kb} if kb else None,
                context=recipe.context,
                seed=recipe.seed,
            )
        finally:
            if kb is not None:
                kb.close()
        values = {name: getattr(result, name).value for name in ("standard", "static", "normalized")}
        if kb is not None:
            values["dynamic"] = result.dynamic["full"].perplexity.value
        return values

    return measure
