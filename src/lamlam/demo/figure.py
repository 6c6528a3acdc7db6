"""The demonstration's figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamlam.atomic import write_beside
from lamlam.demo.experiment import Findings

_STANDARD, _LMLM = "#9aa5b1", "#1f6f8b"


def draw_findings(findings: Findings, path: Path) -> None:
    """Draw value accuracy on seen and unseen people, and what editing and forgetting did, as a PNG."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for offset, kind, name, colour in ((-0.19, "standard", "Standard", _STANDARD), (0.19, "lmlm", "LmLm", _LMLM)):
        results = [findings.accuracy[f"{kind} {split}"] for split in ("seen", "unseen")]
        heights = [100 * result.accuracy for result in results]
        errors = [
            [100 * (result.accuracy - result.interval[0]) for result in results],
            [100 * (result.interval[1] - result.accuracy) for result in results],
        ]
        bars = left.bar(
            [offset, 1 + offset], heights, 0.36, label=name, color=colour, yerr=errors, capsize=3, ecolor="#444444"
        )
        left.bar_label(bars, fmt="%.1f", padding=6)
    left.axhline(100 * findings.chance, color="#c0392b", linewidth=1, linestyle=":", label="chance")
    left.set_xticks([0, 1], ["people in the training text", "people only in the base"])
    left.set(ylabel="right values (%)", title="Value accuracy")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False)

    heights = [100 * findings.edited.share, 100 * findings.forgotten.share]
    bars = right.bar([0, 1], heights, 0.5, color=_LMLM)
    right.bar_label(bars, fmt="%.1f", padding=3)
    right.set_xticks([0, 1], ["after an edit:\ngive the new value", "after forgetting:\nstill give the old value"])
    right.set(ylabel="LmLm's answers (%)", title="Changing the base")
    for axes in (left, right):
        _tidy(axes)
    with write_beside(path) as partial:
        figure.savefig(partial, format="png", dpi=130)


def _tidy(axes: Any) -> None:
    axes.set_ylim(0, 115)
    axes.set_yticks(range(0, 101, 20))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
