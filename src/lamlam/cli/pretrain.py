"""`lamlam pretrain`: a training run from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lamlam.cli.terminal import Json, emit_json, errors, say


def pretrain(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="The recipe: docs/recipes.md has its keys.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value …]", help="Keys of the recipe to set for this run.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model as a recipe says, on a CPU, one GPU, or several (under torchrun).

    Ctrl-C saves the state; the same command goes on where it stopped. The model is then in `output`/model, with the
    loss curve beside it as loss.png.

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
                rate = line.tokens / line.seconds
                say(f"step {line.step}/{steps}  loss {line.loss:.4f}  {rate:,.0f} tokens/s")

        result = run(resolved, show)
    if as_json:
        emit_json({"model": str(result.model), "steps": result.steps, "loss": result.loss, "seconds": result.seconds})
    else:
        say(f"{result.model}: {result.steps:,} steps, loss {result.loss:.4f} nats a trained token")
