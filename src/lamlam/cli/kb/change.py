"""`lamlam kb set`, `forget` and `history`: what is changed in a base, and what was."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from lamlam.cli.kb.app import Author, Base, Entity, Force, OneRelation, Reason, Relation, app
from lamlam.cli.kb.show import show_changes, show_table, tell_result, why_not
from lamlam.cli.terminal import Json, emit_json, say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase


@app.command("set")
def set_(
    base: Base,
    entity: Entity,
    relation: Relation,
    value: Annotated[str, typer.Argument(help="The value it has from now on.", show_default=False)],
    author: Author = None,
    reason: Reason = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Replace the values of an entity's relation; the old ones stay in the history.

    Example: `lamlam kb set facts.db "Ada Lovelace" "Birth Date" "10 December 1815" --reason "typo in source"`
    """
    with KnowledgeBase.open(base) as kb:
        changed = kb.set(entity, relation, value, author, reason, force)
    tell_result({"changed": changed}, "set" if changed else "it had this value already; nothing was changed", json)


@app.command()
def forget(
    base: Base,
    entity: Entity,
    relation: OneRelation = None,
    value: Annotated[str | None, typer.Argument(help="Only this value.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    author: Author = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Remove an entity, a relation of it or one value for good: from facts, history, indexes and the file's bytes.

    Aliases, other spellings and misspelt duplicates that say the same go with it: --dry-run shows them first.

    Example: `lamlam kb forget facts.db "Ada Lovelace" "Birth Date" --dry-run`
    """
    with KnowledgeBase.open(base) as kb:
        gone = kb.forget(entity, relation, value, dry_run, author, reason)
    if json:
        emit_json({"dry_run": dry_run, **asdict(gone)})
        return
    show_table(("entity", "relation", "value"), [(fact.entity, fact.relation, fact.value) for fact in gone.facts])
    for alias in gone.aliases:
        say(f"alias: {alias}")
    verb = "would be forgotten" if dry_run else "forgotten"
    say(f"{verb}: {len(gone.facts):,} facts, {gone.past:,} former values, {len(gone.aliases):,} aliases")
    if gone.mentions:
        say(f"{gone.mentions:,} facts about others have this name as their value; they stay")


@app.command()
def history(base: Base, entity: Entity, relation: OneRelation = None, json: Json = False) -> None:
    """Show what happened to the facts of an entity, oldest first.

    Example: `lamlam kb history facts.db "Ada Lovelace"`
    """
    with KnowledgeBase.open(base) as kb:
        changes = kb.history(entity, relation)
        if not changes:
            raise LamlamError(why_not(kb, base, entity, relation))
    show_changes(changes, json)
