"""`lamlam kb get`, `search`, `stats` and `check`: what is in a base."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from lamlam.cli.kb.app import Base, Entity, OneRelation, app
from lamlam.cli.kb.show import show_matches, show_table, why_not
from lamlam.cli.terminal import Json, console, counting, emit_json, say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase

_BAR = 30


@app.command()
def get(
    base: Base,
    entity: Entity,
    relation: OneRelation = None,
    k: Annotated[int, typer.Option("--k", min=1, help="At most so many values of the relation.")] = 10,
    json: Json = False,
) -> None:
    """Ask for what is known of an entity, or for one relation of it, the way a model asks.

    Example: `lamlam kb get facts.db "Ada Lovelace" "birth date"`
    """
    with KnowledgeBase.open(base) as kb:
        matches = kb.facts(entity) if relation is None else kb.lookup(entity, relation, k)
        if not matches:
            raise LamlamError(why_not(kb, base, entity, relation))
    show_matches(matches, json)


@app.command()
def search(
    base: Base,
    name: Annotated[str, typer.Argument(help="A name, however misspelt.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 10,
    json: Json = False,
) -> None:
    """Show the entities nearest to a name, with scores: what a lookup would take it for, and what it would not.

    Example: `lamlam kb search facts.db "Ada Lovelase"`
    """
    with KnowledgeBase.open(base) as kb:
        candidates = kb.candidates(name, limit)
        resolved = kb.resolve(name)
    taken = resolved.name
    if not candidates:
        raise LamlamError(f"no entity in {base} is near {name[:80]!r}")
    if json:
        emit_json([{**asdict(one), "taken": one.name == taken} for one in candidates])
        return
    rows = [(one.name, f"{one.score:.2f}", one.how, "yes" if one.name == taken else None) for one in candidates]
    show_table(("entity", "score", "how", "taken"), rows, ("score",))
    if taken is None:
        say(f"none is taken: {resolved.why}")


@app.command()
def stats(base: Base, json: Json = False) -> None:
    """Count what is in a base, and draw how its facts are spread over relations.

    Example: `lamlam kb stats facts.db`
    """
    with KnowledgeBase.open(base) as kb:
        counts = kb.stats()
    if json:
        emit_json(counts)
        return
    relations: dict[str, int] = counts.pop("top_relations")
    show_table(("", "count"), [(what, f"{count:,}") for what, count in counts.items()], ("count",))
    if not relations:
        return
    most = max(relations.values())
    rows = [
        (name, f"{count:,}", f"{count / counts['facts']:.1%}", _bar(count / most)) for name, count in relations.items()
    ]
    others, left = counts["relations"] - len(relations), counts["facts"] - sum(relations.values())
    if others > 0:
        rows.append((f"({others:,} others)", f"{left:,}", f"{left / counts['facts']:.1%}", ""))
    console.print()
    show_table(("relation", "facts", "share", "of all facts"), rows, ("facts", "share"))


def _bar(share: float) -> str:
    """A bar of up to _BAR characters, to an eighth of one."""
    eighths = max(1, round(share * _BAR * 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


@app.command()
def check(base: Base, json: Json = False) -> None:
    """Check the file and what must hold in it; exit code 1 if something does not.

    Example: `lamlam kb check facts.db`
    """
    with KnowledgeBase.open(base) as kb, counting() as tell:
        tell("checking", 0)
        problems = kb.check()
    if json:
        emit_json({"problems": problems})
    else:
        for line in problems or ["nothing is wrong"]:
            say(line)
    if problems:
        raise typer.Exit(1)
