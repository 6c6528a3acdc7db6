"""Results as one HTML page: a table of all models per task, then each result with its plots and examples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from lamlam.atomic import write_beside
from lamlam.evaluate.task import Chart, Result

_COLOURS = ("#1f6f8b", "#c8842c", "#6c9a8b", "#9b5c8f", "#7a8794", "#b03a2e")

Failure = tuple[str, str]
"""What could not be measured, and the one line that says why."""


def write_report(
    results: Sequence[Result], path: Path, title: str = "Measured", failures: Sequence[Failure] = ()
) -> None:
    """Write a page about `results`, whole in itself: no other file, no script, nothing from a network."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = cell
    template = environment.from_string(files("lamlam.evaluate").joinpath("report.html.jinja").read_text("utf-8"))
    sections = [
        {
            "task": task,
            "results": some,
            "metrics": metric_names(some),
            # drawn by matplotlib, which escapes what stands in it
            "drawn": [(result, [Markup(svg(chart)) for chart in result.charts]) for result in some],  # noqa: S704
        }
        for task, some in by_task(results)
    ]
    page = template.render(title=title, sections=sections, failures=failures, version=version("lamlam"))
    with write_beside(path) as partial:
        partial.write_text(page, encoding="utf-8")


def by_task(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """The results of each task, tasks in the order in which they first come."""
    tasks = dict.fromkeys(result.definition.task for result in results)
    return [(task, [result for result in results if result.definition.task == task]) for task in tasks]


def metric_names(results: Sequence[Result]) -> list[str]:
    """The metrics of some results, in the order in which they first come."""
    return list(dict.fromkeys(name for result in results for name in result.metrics))


def cell(value: Any) -> str:
    """A cell of a breakdown: a number short, anything else as it is."""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def svg(chart: Chart) -> str:
    """The chart as an SVG element. Series beyond the colours there are begin with the first again."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "lamlam", "font.size": 9}):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes: Any = figure.subplots()
        width = 0.8 / max(1, len(chart.series))
        words = list(dict.fromkeys(str(x) for points in chart.series.values() for x, _ in points))
        for number, (name, points) in enumerate(chart.series.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            if chart.kind == "bars":
                at = [words.index(str(x)) + (number - (len(chart.series) - 1) / 2) * width for x, _ in points]
                axes.bar(at, [y for _, y in points], width * 0.92, label=name, color=colour)
            else:
                axes.plot([x for x, _ in points], [y for _, y in points], "o-", ms=3, label=name, color=colour)
        if chart.kind == "bars":
            crowded = sum(map(len, words)) > 55
            axes.set_xticks(
                range(len(words)), words, rotation=40 if crowded else 0, ha="right" if crowded else "center"
            )
        if chart.y in ("share", "probability"):
            axes.set_ylim(0, 1.02)
        if chart.log_x:
            axes.set_xscale("log")
            tried = sorted({x for points in chart.series.values() for x, _ in points})
            axes.set_xticks(tried, [f"{x:g}" for x in tried])
            axes.minorticks_off()
        axes.set(title=chart.title, xlabel=chart.x, ylabel=chart.y)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        if len(chart.series) > 1:
            axes.legend(frameon=False)
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None})
    text = drawing.getvalue()
    return text[text.index("<svg") :]
