"""How a measurement over the peer's files ends: what was measured as a table, what was missed, and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "official"
Measured = TypeVar("Measured")


def run(
    description: str | None,
    measure: Callable[[Path], list[Measured]],
    show: Callable[[list[Measured]], None],
    missed: Callable[[list[Measured]], Sequence[str]],
) -> int:
    """Measure the files of `--data`, print them and the bars that were missed; 1 where one was, or there is no file."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the peer's corpus files")
    arguments = parser.parse_args()
    measured = measure(arguments.data)
    if not measured:
        print(f"{arguments.data}: no corpus file (*.json) there; give the folder with --data", file=sys.stderr)
        return 1
    show(measured)
    lines = missed(measured)
    for line in lines:
        print(f"missed: {line}")
    return 1 if lines else 0
