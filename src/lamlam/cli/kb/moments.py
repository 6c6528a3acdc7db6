"""`lamlam kb snapshot`, `as-of`, `diff` and `rollback`: a base at other moments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from lamlam.cli.kb.app import Author, Base, Entity, OneRelation, Reason, app
from lamlam.cli.kb.show import show_changes, show_matches, show_table, tell_result, why_not
from lamlam.cli.terminal import Json, emit_json, say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase

When = Annotated[str, typer.Argument(help="A snapshot's name, or a date or time such as 2026-01-31T12:00.")]
Until = Annotated[str | None, typer.Argument(help="Likewise; without it, now.", show_default=False)]


@app.command()
def snapshot(
    base: Base,
    name: Annotated[str | None, typer.Argument(help="A name for this moment; without, all are shown.")] = None,
    json: Json = False,
) -> None:
    """Give the present moment a name, for as-of, diff and rollback, or show the named moments.

    Example: `lamlam kb snapshot facts.db "before the import"`
    """
    with KnowledgeBase.open(base) as kb:
        taken = kb.snapshots() if name is None else [kb.snapshot(name)]
    if json:
        emit_json([{**asdict(one), "time": one.time.isoformat()} for one in taken])
    elif taken:
        rows = [(one.name, one.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")) for one in taken]
        show_table(("name", "time"), rows)
    else:
        say("no moment has a name yet; give this one a name after the base")


@app.command("as-of")
def as_of(base: Base, moment: When, entity: Entity, relation: OneRelation = None, json: Json = False) -> None:
    """Ask for what was known of an entity, or for one relation of it, at a past moment.

    Example: `lamlam kb as-of facts.db 2026-01-31 "Ada Lovelace" "birth date"`
    """
    with KnowledgeBase.open(base) as kb:
        then = kb.as_of(moment)
        matches = then.facts(entity) if relation is None else then.lookup(entity, relation, 10)
        if not matches:
            raise LamlamError(f"{why_not(then, base, entity, relation)} (as of {moment})")
    show_matches(matches, json)


@app.command()
def diff(base: Base, since: When, until: Until = None, json: Json = False) -> None:
    """Show what differs between two moments, or a moment and now.

    Example: `lamlam kb diff facts.db 2026-01-31`
    """
    with KnowledgeBase.open(base) as kb:
        changes = kb.diff(since, until)
    if changes or json:
        show_changes(changes, json)
    else:
        say("nothing differs")


@app.command()
def rollback(base: Base, to: When, author: Author = None, reason: Reason = None, json: Json = False) -> None:
    """Have what held at a moment hold again. What came since stays in the history; what was forgotten stays so.

    Example: `lamlam kb rollback facts.db "before the import" --reason "bad source"`
    """
    with KnowledgeBase.open(base) as kb:
        changed = kb.rollback(to, author, reason)
    tell_result({"changed": changed}, f"{changed:,} facts and aliases are as they were at {to}", json)
