"""`lamlam generate`: text with its lookups."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lamlam.cli.terminal import Json, console, emit_json

if TYPE_CHECKING:
    from lamlam.generate import Generation, LookupModel, Sampling


class NoMatch(StrEnum):
    """What `--policy` takes."""

    abstain = "abstain"
    unknown = "unknown"


def generate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint folder.")],
    prompt: Annotated[str, typer.Argument(help="The text to go on with.")],
    kb: Annotated[Path | None, typer.Option(help="The base to ask; without one, lookups are off.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Tokens of new text; neither prompt nor lookups count.")] = 128,
    policy: Annotated[
        NoMatch, typer.Option(help="Where the base has no match. abstain: take the call back. unknown: say so.")
    ] = NoMatch.abstain,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token; above it, sample.")] = 0.0,
    top_k: Annotated[int | None, typer.Option(help="Sample among the k likeliest tokens.")] = None,
    top_p: Annotated[float, typer.Option(help="Sample among the likeliest tokens that together reach p.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    stream: Annotated[bool, typer.Option("--stream", help="Print text as it comes.")] = False,
    show_lookups: Annotated[bool, typer.Option("--show-lookups", help="Show what was asked and answered.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a prompt, looking facts up in a base on the way.

    Example: `lamlam generate runs/demo/lmlm/model "Ada Lovelace was born on" --kb facts.db --show-lookups`
    """
    from lamlam.generate import LookupModel, Sampling
    from lamlam.kb import KnowledgeBase

    sampling = Sampling(temperature, top_k, top_p, seed)
    with KnowledgeBase.open(kb) if kb else nullcontext() as base:
        lm = LookupModel.from_pretrained(model, base)
        if stream and not as_json:
            _stream(lm, prompt, max_new_tokens, policy.value, sampling, show_lookups)
            return
        [result] = lm.generate([prompt], max_new_tokens=max_new_tokens, policy=policy.value, sampling=sampling)
    if as_json:
        emit_json({"base": str(kb) if kb else None, "policy": policy.value, "seed": seed, **_as_json(result)})
        return
    print_generation(result, show_lookups)


def print_generation(result: Generation, show_lookups: bool = False) -> None:
    """Print the prompt and the text, cited spans numbered, and below it the fact behind each number."""
    console.print(f"[dim]{escape(result.prompt)}[/]{_cited(result)}")
    for number, citation in enumerate(result.citations, 1):
        fact = citation.match.fact
        source = f", source {fact.source}" if fact.source else ""
        console.print(
            f"  [cyan]\\[{number}][/] {escape(f'{fact.entity} | {fact.relation} | {fact.value}')}"
            f" [dim]({escape(citation.match.how)}, {citation.match.score:.2f}{escape(source)})[/]"
        )
    if show_lookups:
        for call in result.calls:
            answer = call.match.fact.value if call.match else "no match"
            console.print(f"  asked {escape(f'({call.entity}, {call.relation}) -> {answer}')} [dim]{call.outcome}[/]")


def _stream(
    lm: LookupModel, prompt: str, max_new_tokens: int, policy: Any, sampling: Sampling, show_lookups: bool
) -> None:
    from lamlam.generate import Asked, Text

    console.print(f"[dim]{escape(prompt)}[/]", end="")
    for event in lm.stream(prompt, max_new_tokens=max_new_tokens, policy=policy, sampling=sampling):
        if isinstance(event, Text):
            console.print(escape(event.text), end="")
        elif show_lookups and isinstance(event, Asked):
            console.print(f"[cyan]{escape(f'[{event.entity} | {event.relation} -> ')}[/]", end="")
        elif show_lookups and not isinstance(event, Asked):
            console.print(f"[cyan]{escape(event.match.fact.value if event.match else 'no match')}][/]", end="")
    console.print()


def _cited(result: Generation) -> str:
    """The text as rich markup, the number of its citation after each cited span."""
    parts, position = [], 0
    for number, citation in enumerate(result.citations, 1):
        before, cited = result.text[position : citation.start], result.text[citation.start : citation.end]
        parts.append(f"{escape(before)}[bold]{escape(cited)}[/][cyan]\\[{number}][/]")
        position = citation.end
    return "".join(parts) + escape(result.text[position:])


def _as_json(result: Generation) -> dict[str, Any]:
    state = asdict(result)
    for name in ("citations", "calls"):
        state[name] = [
            {
                **entry._asdict(),
                "match": {**entry.match._asdict(), "fact": entry.match.fact._asdict()} if entry.match else None,
            }
            for entry in getattr(result, name)
        ]
    return state
