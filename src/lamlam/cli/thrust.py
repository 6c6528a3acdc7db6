"""`lamlam thrust`: fit when a model is to ask at all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamlam.cli.evaluate_options import Limit, Model, load, opened, refuse_missing
from lamlam.cli.terminal import Json, emit_json, say

if TYPE_CHECKING:
    from lamlam.evaluate import Question
    from lamlam.generate import LookupModel

app = typer.Typer(help="When to ask at all: fit Thrust to what a model knows by itself.", no_args_is_help=True)

_ROOM = 8  # tokens beyond the longest value's
_MAX_LOOKUPS = 8


@app.callback()
def _group() -> None:
    """A group of commands, of which there is one so far."""


@app.command("fit")
def fit_command(
    model: Model,
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS", help="A .parquet or .jsonl file: prompt, value.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; replaced.", show_default=False)],
    kb: Annotated[
        str | None, typer.Option("--kb", help="Say too what asking always, never and adaptively comes to.")
    ] = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the halves, and starts the clusters.")] = 0,
    json: Json = False,
) -> None:
    """Cluster a model's states on what it knows of half of some questions; set the score from which on it need not ask.

    Which questions it knows by itself is found out by having it answer them without lookups. How well the score tells
    them is measured on the other half.

    Example: `lamlam thrust fit model questions.jsonl thrust --kb facts.db`, then
    `lamlam generate model "Ada Lovelace was born on" --kb facts.db --ask thrust`
    """
    from lamlam.evaluate import read_questions
    from lamlam.generate.thrust import fit, prompt_states

    refuse_missing(model)
    asked = read_questions(questions, limit)
    with opened(kb) as base:
        lm = load(model, base)
        known = _right(lm, asked, lookups=False)
        states = prompt_states(lm.model, lm.tokenizer, [lm.tokenizer.encode_text(one.prompt) for one in asked])
        thrust, told, held_out = fit(states, known, seed, lm.tokenizer.fingerprint())
        compared = None
        if base is not None:
            asks = ~thrust.knows(states)
            rest = [number for number in range(len(asked)) if held_out[number]]
            answered = dict(zip(rest, _right(lm, [asked[number] for number in rest], lookups=True), strict=True))
            adaptively = [answered[number] if asks[number] else known[number] for number in rest]
            compared = {
                "always": sum(answered.values()) / len(rest),
                "never": sum(known[number] for number in rest) / len(rest),
                "adaptively": sum(adaptively) / len(rest),
                "share_asked": float(asks[held_out].mean()),
            }
    thrust.save(out)
    result: dict[str, Any] = {
        "model": str(model),
        "base": kb,
        "split": str(questions),
        "limit": limit,
        "seed": seed,
        "clusters": len(thrust.sizes),
        "threshold": thrust.threshold,
        "held_out": asdict(told),
        "right": compared,
        "out": str(out),
    }
    if json:
        emit_json(result)
    else:
        _show(result)


def _right(lm: LookupModel, asked: list[Question], lookups: bool) -> list[bool]:
    """Which questions the model completes rightly, greedily and strictly (`lamlam eval completion`)."""
    from lamlam.evaluate.matching import strict

    longest = max(len(lm.tokenizer.encode_text(f" {one.value.strip()}", first=False)) for one in asked)
    prompts = [one.prompt for one in asked]
    limit = _MAX_LOOKUPS if lookups else 0
    texts = [one.text for one in lm.generate(prompts, max_new_tokens=longest + _ROOM, max_lookups=limit)]
    return [strict(text, [one.value]) for text, one in zip(texts, asked, strict=True)]


def _show(result: dict[str, Any]) -> None:
    told, right = result["held_out"], result["right"]
    say(f"{result['clusters']} clusters, threshold {result['threshold']:.4g}, written to {result['out']}")
    say(f"held out: {told['questions']} questions, of which the model knows {told['known']} by itself")
    say(
        f"AUROC {told['auroc']:.3f} (0.5 is guessing); at the threshold {told['known_kept']:.1%} of the known go "
        f"without lookups, {told['unknown_asked']:.1%} of the others ask"
    )
    if told["balanced_accuracy"] <= 0.5:
        say("that is no better than guessing: ask always, or give other questions")
    if right is not None:
        say(
            f"right when asking always {right['always']:.1%}, never {right['never']:.1%}, adaptively "
            f"{right['adaptively']:.1%} with lookups on for {right['share_asked']:.1%}"
        )
    limit = "" if result["limit"] is None else f", limit {result['limit']}"
    say(
        f"model {result['model']}, base {result['base'] or 'none'}, split {result['split']}{limit}, policy abstain, "
        f"seed {result['seed']}, greedy decoding"
    )
