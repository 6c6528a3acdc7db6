"""`lamlam eval`: measure a model, and say what each figure was made with. One module a topic, `evaluate_TOPIC`."""

from __future__ import annotations

import typer

from lamlam.cli import evaluate_completion, evaluate_perplexity, evaluate_report, evaluate_speed

app = typer.Typer(help="Measure a model: how it predicts text, what it completes.", no_args_is_help=True)
app.command("perplexity")(evaluate_perplexity.perplexity)
app.command("completion")(evaluate_completion.completion)
app.add_typer(evaluate_speed.app, name="speed")
app.command("consistency")(evaluate_completion.consistency)
app.command("report")(evaluate_report.report)
