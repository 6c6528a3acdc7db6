"""`lamlam eval speed`: how fast training and decoding are on this machine, against what they are compared with."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure speed on this machine, as ratios within one run.", no_args_is_help=True)


@app.callback()
def speed() -> None:
    """Measure speed on this machine, as ratios within one run."""
