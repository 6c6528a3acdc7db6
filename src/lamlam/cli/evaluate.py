"""`lamlam eval`: measure a model, and say what each figure was made with. One module a topic, `evaluate_TOPIC`."""

from __future__ import annotations

import typer

from lamlam.cli import (
    evaluate_all,
    evaluate_annotation,
    evaluate_audit,
    evaluate_biography,
    evaluate_completion,
    evaluate_editing,
    evaluate_harness,
    evaluate_memory,
    evaluate_perplexity,
    evaluate_report,
    evaluate_speed,
    evaluate_speed_generate,
    evaluate_speed_lookup,
    evaluate_unlearning,
)

app = typer.Typer(help="Measure a model, each figure with what it was made with.", no_args_is_help=True)
app.command("perplexity")(evaluate_perplexity.perplexity)
app.command("completion")(evaluate_completion.completion)
app.command("consistency")(evaluate_completion.consistency)
app.command("biography")(evaluate_biography.biography)
app.command("unlearning")(evaluate_unlearning.unlearning)
app.command("audit")(evaluate_audit.audit)
app.command("editing")(evaluate_editing.editing)
app.command("memory")(evaluate_memory.memory)
app.command("infusion")(evaluate_memory.infusion)
app.command("harness")(evaluate_harness.harness)
evaluate_speed.app.command("generate")(evaluate_speed_generate.generate)
evaluate_speed.app.command("lookup")(evaluate_speed_lookup.lookup)
evaluate_speed.app.command("report")(evaluate_report.speed_report)
app.command("annotation")(evaluate_annotation.annotation)
app.add_typer(evaluate_speed.app, name="speed")
app.command("all")(evaluate_all.all_of_them)
app.command("report")(evaluate_report.report)
