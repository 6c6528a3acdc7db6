"""`report.html` of a run: its curves, how fast it was, and the recipe, in one file that needs no other."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import yaml

from lamlam.atomic import write_beside
from lamlam.train.log import LogLine, TrainingLog
from lamlam.train.recipe import Recipe

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}"
    "img{max-width:100%}pre{background:#f6f6f6;padding:1rem;overflow:auto}"
)
_ROWS = 20


def write_report(recipe: Recipe, kind: str, steps: int, log: TrainingLog) -> None:
    """Write the report, from the logs and the curves that lie beside them."""
    title = f"{recipe.model if recipe.shape is None else 'a Llama'}, {kind}: step {log.lines[-1].step:,} of {steps:,}"
    parts = [f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>{escape(title)}</h1><p>{escape(_standing(log.lines[-1]))}</p>")
    for name in ("loss.png", "perplexity.png"):
        if (path := log.output / name).is_file():
            parts.append(f'<p><img alt="{name}" src="data:image/png;base64,{_encoded(path)}">')
    if log.measured:
        names = [name for name in log.measured[-1] if name != "step"]
        rows = [
            [f"{line['step']:,}", *(f"{line.get(name, float('nan')):.3f}" for name in names)] for line in log.measured
        ]
        parts.append("<h2>Perplexity on held-out documents</h2>" + _table(["step", *names], rows[-_ROWS:]))
    every = max(1, len(log.lines) // _ROWS)
    shown = log.lines[every - 1 :: every]
    rows = [[f"{line.step:,}", f"{line.loss:.4f}", f"{line.lr:.2e}", f"{line.rate:,.0f}"] for line in shown]
    parts.append("<h2>Training</h2>" + _table(["step", "loss", "learning rate", "tokens/s"], rows))
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    parts.append(f"<h2>Recipe</h2><pre>{escape(text)}</pre>")
    with write_beside(log.output / "report.html") as partial:
        partial.write_text("\n".join(parts), encoding="utf-8")


def _standing(line: LogLine) -> str:
    used = "" if line.utilisation is None else f", {line.utilisation:.1%} of the datasheet's peak"
    left = "" if line.left < 1 else f"; about {_time(line.left)} left"
    return (
        f"Loss {line.loss:.4f} nats a trained token after {line.tokens:,} tokens in {_time(line.seconds)}; "
        f"{line.rate:,.0f} tokens/s{used}, {line.memory:.1f} GiB at the peak{left}."
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"
