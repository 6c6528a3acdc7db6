"""`lamlam demo`: the whole line on a made-up world, in minutes, on a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from lamlam.cli.generate import print_generation
from lamlam.cli.terminal import Json, console, emit_json, errors, say

if TYPE_CHECKING:
    from lamlam.demo.experiment import Demonstration, Findings
    from lamlam.train import LogLine

NAMES = {"standard": "Standard", "lmlm": "LmLm"}


def demo(
    out: Annotated[
        Path, typer.Option(help="The folder to work in; models trained there before are used again.")
    ] = Path("runs/demo"),
    steps: Annotated[int, typer.Option(help="Training steps of each model.", min=1)] = 1600,
    people: Annotated[int, typer.Option(help="People in the training text.", min=1)] = 4000,
    seed: Annotated[int, typer.Option(help="Of the world, the trainings and the questions.")] = 0,
    as_json: Json = False,
) -> None:
    """Train Standard and LmLm on a made-up world, and ask them about people that no training text named.

    Then edit facts in the base and forget some, and ask again. Takes about 6 minutes on 2 cores.

    Example: `lamlam demo --out runs/demo`
    """
    from lamlam.atomic import write_beside
    from lamlam.demo.experiment import KINDS, Demonstration, Scale
    from lamlam.demo.figure import draw_findings

    demonstration = Demonstration(out, Scale(people=people, steps=steps, seed=seed))
    world = demonstration.world
    if not as_json:
        console.print(
            f"A made-up world: {len(world.seen):,} people in the training text, {len(world.unseen)} others only in the "
            f"base, {len(world.facts()):,} facts.\nTwo models of the same size, same text, same steps: "
            "[bold]Standard[/] reads it plainly, [bold]LmLm[/] with its lookup calls."
        )
    demonstration.prepare()
    for kind in KINDS:
        _train(demonstration, kind, quiet=as_json)
    with errors.status("asking, editing, forgetting …"):
        findings = demonstration.measure()
    draw_findings(findings, out / "findings.png")
    with write_beside(out / "findings.json") as partial:
        partial.write_text(json.dumps(findings.to_json(), indent=1, ensure_ascii=False))
    if as_json:
        emit_json(findings.to_json())
        return
    _print_table(findings)
    say(f"Figure: {out / 'findings.png'}   All figures: {out / 'findings.json'}\n")
    _show(demonstration)


def _train(demonstration: Demonstration, kind: str, quiet: bool) -> None:
    with Progress(console=errors, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task(f"training {NAMES[kind]}", total=None)

        def show(line: LogLine, steps: int) -> None:
            bar.update(task, total=steps, completed=line.step)
            if not quiet and not errors.is_terminal and line.step % 320 == 0:
                console.print(f"{NAMES[kind]}: step {line.step}/{steps}, loss {line.loss:.3f}, {line.seconds:.0f} s")

        demonstration.train("lmlm" if kind == "lmlm" else "standard", show)


def _print_table(findings: Findings) -> None:
    table = Table(title="\nHow often the right value is stated", title_justify="left")
    for column in ("", "Standard", "LmLm"):
        table.add_column(column, justify="left" if not column else "right")

    def percent(name: str) -> str:
        result = findings.accuracy[name]
        return f"{result.accuracy:.1%}  ({result.interval[0]:.1%} to {result.interval[1]:.1%})"

    table.add_row("people in the training text", percent("standard seen"), percent("lmlm seen"))
    table.add_row("people only in the base", percent("standard unseen"), percent("lmlm unseen"))
    table.add_row("  the right question asked", "", f"{findings.accuracy['lmlm unseen'].asked_right:.1%}")
    table.add_row("chance (always the most frequent value)", f"{findings.chance:.1%}", f"{findings.chance:.1%}")
    edited, forgotten = findings.edited, findings.forgotten
    table.add_section()
    table.add_row(f"after an edit, give the new value (of {edited.answers})", "", f"{edited.share:.1%}")
    table.add_row(f"after forgetting, still give the old one (of {forgotten.answers})", "", f"{forgotten.share:.1%}")
    console.print(table)
    result = findings.accuracy["lmlm unseen"]
    console.print(
        f"[dim]{result.questions} questions a cell, greedy, base: {result.base}, policy: {result.policy}, "
        f"seed {findings.scale.seed}; in brackets 95 % intervals. "
        + ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in findings.seconds.items())
        + "[/]"
    )


def _show(demonstration: Demonstration) -> None:
    from lamlam.demo.show import scenes

    with demonstration.base() as kb:
        for scene in scenes(demonstration.world, demonstration.model("lmlm", kb), kb):
            console.print(f"[bold]{scene.title}[/]")
            print_generation(scene.generation)
            console.print()
