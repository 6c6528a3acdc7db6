"""What the commands of speed measured, as results like any other: one page for training, decoding and lookups.

`lamlam eval speed … --json` prints one object. Every number in it becomes a figure, named by where it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamlam.errors import LamlamError
from lamlam.evaluate.task import Definition, Metric, Result

VERSION = 1


def speed_result(path: Path) -> Result:
    """The figures in a file that a command of speed wrote; LamlamError where it holds no JSON object with a number."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LamlamError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LamlamError(f"{path}: no JSON ({error}); write it with `lamlam eval speed … --json`") from error
    figures = dict(_numbers(values, ""))
    if not isinstance(values, dict) or not figures:
        raise LamlamError(f"{path}: no figures of speed in it; write it with `lamlam eval speed … --json`")
    device = str(values.get("device") or values.get("machine") or "not said")
    metrics = {name: Metric(value, unit="number") for name, value in figures.items()}
    return Result(
        Definition("speed", VERSION, path.stem, "one run", "", "as the command that measured them says", "", 0),
        str(values.get("model", "")), device, "none", metrics, 0.0, details=values,
    )  # fmt: skip


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}, {key}" if name else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            own = inner.get("name", number) if isinstance(inner, dict) else number
            yield from _numbers(inner, f"{name} {own}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)
