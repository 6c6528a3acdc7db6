"""What lm-evaluation-harness measured, as a result like any other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lamlam.evaluate.task import Breakdown, Chart, Definition, Metric, Result

VERSION = 1


def harness_result(
    found: Mapping[str, Any], model: str, base: str, seed: int, limit: int | None, began: float
) -> Result:
    """The outcome of `lm_eval.simple_evaluate`. Intervals are its standard errors, 1.96 to either side."""
    rows: list[tuple[str, str, float]] = []
    metrics: dict[str, Metric] = {}
    for task, figures in found["results"].items():
        for key, value in figures.items():
            metric, _, rest = key.partition(",")
            if not isinstance(value, int | float) or metric.endswith("_stderr") or not rest:
                continue
            error = figures.get(f"{metric}_stderr,{rest}")
            margin = 1.96 * error if isinstance(error, int | float) else None
            share = 0 <= value <= 1
            metrics[f"{task}: {metric}"] = Metric(
                float(value),
                None if margin is None else value - margin,
                None if margin is None else value + margin,
                found.get("n-samples", {}).get(task, {}).get("effective"),
                "share" if share else "number",
            )
            rows.append((task, metric, float(value)))
    versions = ", ".join(f"{task} {version}" for task, version in found.get("versions", {}).items())
    shown = [(f"{task}: {metric}", value) for task, metric, value in rows if 0 <= value <= 1]
    return Result(
        Definition(
            "language understanding", VERSION, ", ".join(found["results"]), f"versions {versions}", "the harness's",
            "the harness's own metrics", "asked in continuations, not in contexts" if base == "full" else "lookups off",
            seed, limit,
        ),
        model, base, "abstain", metrics, time.monotonic() - began,
        [Breakdown("tasks", ("task", "metric", "value"), rows)],
        [Chart("tasks", "bars", "", "", {model: shown})] if shown else (),
    )  # fmt: skip
