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
from lamlam.errors import LamlamError

if TYPE_CHECKING:
    from lamlam.generate import Generation, LookupModel
    from lamlam.kb import Match


class NoMatch(StrEnum):
    """What `--policy` takes."""

    abstain = "abstain"
    unknown = "unknown"
    nearest = "nearest"
    retry = "retry"


def generate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint folder.")],
    prompt: Annotated[str, typer.Argument(help="The text to go on with.")],
    kb: Annotated[
        str | None, typer.Option(help="The base to ask, a file or a postgresql:// URL; without one, lookups are off.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Ask the base as it was: an ISO date or time, or the name of a snapshot.")
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(min=0, help="Tokens of new text; neither prompt nor lookups count.")
    ] = 128,
    policy: Annotated[
        NoMatch,
        typer.Option(
            help="Where the base has no match. abstain: take the call back. unknown: say so. nearest: take the nearest "
            "fact, however far. retry: have another query written, twice at most."
        ),
    ] = NoMatch.abstain,
    ask: Annotated[
        str, typer.Option(help="Whether to ask at all: always, never, or as a fitted Thrust says (its folder).")
    ] = "always",
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token; above it, sample.")] = 0.0,
    top_k: Annotated[int | None, typer.Option(help="Sample among the k likeliest tokens.")] = None,
    top_p: Annotated[float, typer.Option(help="Sample among the likeliest tokens that together reach p.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Only tokens at least this share as likely as the likeliest.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1: make what the text has unlikelier.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    stop: Annotated[
        list[str] | None, typer.Option(help="End the text before this; may be given several times.")
    ] = None,
    max_lookups: Annotated[int, typer.Option(min=0, help="Lookups at most.")] = 64,
    constrained: Annotated[
        bool, typer.Option("--constrained", help="Ask only for entities and relations that the base has.")
    ] = False,
    beams: Annotated[
        int, typer.Option(min=1, help="With --constrained: search for each query by a beam so wide; 1 is greedy.")
    ] = 1,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print text as it comes; with --json, an object a line for each event.")
    ] = False,
    show_lookups: Annotated[bool, typer.Option("--show-lookups", help="Show what was asked and answered.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a prompt, looking facts up in a base on the way.

    Example: `lamlam generate runs/demo/lmlm/model "Ada Lovelace was born on" --kb facts.db --show-lookups`
    """
    from lamlam.generate import LookupModel, Sampling
    from lamlam.generate.thrust import Thrust
    from lamlam.kb import KnowledgeBase

    if as_of is not None and kb is None:
        raise LamlamError("--as-of says when to ask a base; name the base with --kb")
    if constrained and kb is None:
        raise LamlamError("--constrained asks only for what a base has; name the base with --kb")
    if beams > 1 and not constrained:
        raise LamlamError("--beams searches among the queries of a base; it needs --constrained")
    if ask not in ("always", "never") and not Path(ask).is_dir():
        raise LamlamError(f"--ask takes always, never, or the folder of a fitted Thrust, and there is none at {ask!r}")
    sampling = Sampling(temperature, top_k, top_p, seed, min_p, repetition_penalty)
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "max_lookups": max_lookups,
        "policy": policy.value,
        "sampling": sampling,
        "stop": stop or (),
        "constrained": constrained,
        "beams": beams,
        "ask": ask if ask in ("always", "never") else Thrust.load(ask),
    }
    with KnowledgeBase.open(kb) if kb else nullcontext() as base:
        if base is not None and as_of is not None:
            base = base.as_of(as_of)
        lm = LookupModel.from_pretrained(model, base)
        made_with = {"base": kb, "as_of": as_of, "policy": policy.value, "seed": seed}
        if stream:
            if as_json:
                _stream_json(lm, prompt, made_with, options)
            else:
                _stream(lm, prompt, show_lookups, options)
            return
        [result] = lm.generate([prompt], **options)
    if as_json:
        emit_json({**made_with, **_as_json(result)})
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


def _stream(lm: LookupModel, prompt: str, show_lookups: bool, options: dict[str, Any]) -> None:
    from lamlam.generate import Answered, Asked, Text

    console.print(f"[dim]{escape(prompt)}[/]", end="")
    for event in lm.stream(prompt, **options):
        if isinstance(event, Text):
            console.print(escape(event.text), end="")
        elif show_lookups and isinstance(event, Asked):
            console.print(f"[cyan]{escape(f'[{event.entity} | {event.relation} -> ')}[/]", end="")
        elif show_lookups and isinstance(event, Answered):
            console.print(f"[cyan]{escape(event.match.fact.value if event.match else 'no match')}][/]", end="")
    console.print()


def _stream_json(lm: LookupModel, prompt: str, made_with: dict[str, Any], options: dict[str, Any]) -> None:
    """Print each event as an object in a line; the last is what `--json` prints without a stream."""
    from lamlam.generate import Answered, Asked, Text

    for event in lm.stream(prompt, **options):
        if isinstance(event, Text):
            emit_json({"text": event.text})
        elif isinstance(event, Asked):
            emit_json({"asked": asdict(event)})
        elif isinstance(event, Answered):
            emit_json({"answered": _match_json(event.match)})
        else:
            emit_json({**made_with, **_as_json(event)})


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
                "match": _match_json(entry.match),
                "time": entry.time.isoformat() if entry.time else None,
            }
            for entry in getattr(result, name)
        ]
    return state


def _match_json(match: Match | None) -> dict[str, Any] | None:
    return None if match is None else {**match._asdict(), "fact": match.fact._asdict()}
