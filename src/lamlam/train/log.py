"""The run's log, one JSON object a line, and the loss curve drawn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from lamlam.atomic import write_beside


class LogLine(NamedTuple):
    """One line of `log.jsonl`. `loss`: nats a trained token, the mean since the line before; `lr`: AdamW's rate;
    `tokens`: input tokens seen so far; `seconds`: of training so far."""

    step: int
    loss: float
    lr: float
    tokens: int
    seconds: float


class TrainingLog:
    """`log.jsonl` of a run's output folder. Opening it drops the lines after `step`: they will be written again."""

    def __init__(self, output: Path, step: int) -> None:
        self.path = output / "log.jsonl"
        self.lines = [line for line in read_log(output) if line.step <= step]
        with write_beside(self.path) as partial:
            partial.write_text("".join(_json(line) for line in self.lines))

    def add(self, line: LogLine) -> None:
        """Append a line; it is on the disk when this returns."""
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(_json(line))

    def draw(self, title: str) -> None:
        """Draw the loss against the step as `loss.png`, beside the log."""
        draw_curves({title: self.lines}, self.path.with_name("loss.png"))


def read_log(output: Path) -> list[LogLine]:
    """The lines of a run's log; empty where there is none. A torn last line is left out."""
    path = output / "log.jsonl"
    lines: list[LogLine] = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(LogLine(**json.loads(line)))
        except (ValueError, TypeError):
            break
    return lines


def draw_curves(runs: dict[str, list[LogLine]], path: Path) -> None:
    """Draw the losses of one or several runs, name → lines, as a PNG."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Any = figure.subplots()
    for name, lines in runs.items():
        axes.plot([line.step for line in lines], [line.loss for line in lines], label=name)
    axes.set(xlabel="optimiser step", ylabel="loss (nats a trained token)")
    axes.grid(alpha=0.3)
    axes.legend()
    with write_beside(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _json(line: LogLine) -> str:
    return json.dumps(line._asdict()) + "\n"
