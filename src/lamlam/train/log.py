"""The run's logs, one JSON object a line, and the curves drawn from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamlam.atomic import write_beside


class LogLine(NamedTuple):
    """One line of `log.jsonl`. `loss`: nats a trained token, the mean since the line before; `lr`: AdamW's rate;
    `tokens`: input tokens seen so far; `seconds`: of training so far; `rate`: tokens a second since the line before;
    `utilisation`: share of the GPUs' datasheet peak, None where that is not known; `memory`: GiB at the peak, on the
    GPU or, without one, of the process; `left`: seconds to the end at this rate."""

    step: int
    loss: float
    lr: float
    tokens: int
    seconds: float
    rate: float = 0.0
    utilisation: float | None = None
    memory: float = 0.0
    left: float = 0.0


class TrainingLog:
    """`log.jsonl` and `held-out.jsonl` of a run's output folder. Opening it drops the lines after `step`: they will be
    written again."""

    def __init__(self, output: Path, step: int) -> None:
        self.output = output
        self.lines = [line for line in read_log(output) if line.step <= step]
        self.measured = [line for line in read_measurements(output) if line["step"] <= step]
        for name, lines in (("log.jsonl", [line._asdict() for line in self.lines]), ("held-out.jsonl", self.measured)):
            if lines or (output / name).exists() or name == "log.jsonl":
                with write_beside(output / name) as partial:
                    partial.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def add(self, line: LogLine) -> None:
        """Append a line of training; the system has it when this returns."""
        self.lines.append(line)
        with (self.output / "log.jsonl").open("a") as file:
            file.write(json.dumps(line._asdict()) + "\n")

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Append what was measured on held-out documents, name → perplexity."""
        self.measured.append({"step": step, **values})
        with (self.output / "held-out.jsonl").open("a") as file:
            file.write(json.dumps(self.measured[-1]) + "\n")

    def draw(self, title: str) -> None:
        """Draw loss.png, and perplexity.png where there are measurements, beside the logs."""
        draw_curves({title: self.lines}, self.output / "loss.png")
        if self.measured:
            names = [name for name in self.measured[0] if name != "step"]
            curves = {
                name: [(line["step"], line[name]) for line in self.measured if name in line] for name in sorted(names)
            }
            _draw(curves, self.output / "perplexity.png", "perplexity on held-out documents")


def read_log(output: Path) -> list[LogLine]:
    """The lines of a run's log; empty where there is none. A torn last line is left out."""
    lines: list[LogLine] = []
    for values in _read(output / "log.jsonl"):
        try:
            lines.append(LogLine(**values))
        except TypeError:
            break
    return lines


def read_measurements(output: Path) -> list[dict[str, float]]:
    """What was measured on held-out documents during a run: `step`, and a perplexity by each name."""
    return [values for values in _read(output / "held-out.jsonl") if "step" in values]


def draw_curves(runs: Mapping[str, Sequence[LogLine]], path: Path) -> None:
    """Draw the losses of one or several runs, name → lines, as a PNG."""
    curves = {name: [(line.step, line.loss) for line in lines] for name, lines in runs.items()}
    _draw(curves, path, "loss (nats a trained token)")


def _draw(curves: Mapping[str, Sequence[tuple[float, float]]], path: Path, what: str) -> None:
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Any = figure.subplots()
    for name, points in curves.items():
        axes.plot([step for step, _ in points], [value for _, value in points], label=name)
    axes.set(xlabel="optimiser step", ylabel=what)
    axes.grid(alpha=0.3)
    axes.legend()
    with write_beside(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _read(path: Path) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            values = json.loads(line)
        except ValueError:
            break
        if not isinstance(values, dict):
            break
        lines.append(values)
    return lines
