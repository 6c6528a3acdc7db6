"""How facts, changes and counts look at the terminal: plain tables, without the columns that have nothing in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lamlam.cli.terminal import console, emit_json, say, visible
from lamlam.kb import Change, Fact, KnowledgeBase, Match, Resolution

_LONGEST = 300


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str | None]], right: Sequence[str] = ()) -> None:
    """Print rows under their columns; those in `right` are numbers."""
    there = [place for place in range(len(columns)) if not rows or any(row[place] for row in rows)]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place in there:
        short = columns[place] in (*right, "time", "what")  # to be read at a glance, so never broken
        justify: Literal["left", "right"] = "right" if columns[place] in right else "left"
        table.add_column(columns[place], justify=justify, overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*(cell(row[place] or "") for place in there))
    console.print(table)


def cell(text: str) -> RenderableType:
    """A cell: what would move the cursor is written out, and on a terminal what is very long is cut."""
    if console.is_terminal and len(text) > _LONGEST:
        return Text(f"{visible(text[:_LONGEST])}… ({len(text):,} characters)")
    return Text(visible(text))


def show_matches(matches: Sequence[Match], json: bool) -> None:
    """Print facts that were found, with how sure that is."""
    if json:
        emit_json([{**match.fact._asdict(), "score": round(match.score, 4), "how": match.how} for match in matches])
        return
    rows = [
        (
            *(match.fact.entity, match.fact.relation, match.fact.value, _valid(match.fact), _where(match.fact)),
            *(f"{match.score:.2f}", match.how),
        )
        for match in matches
    ]
    show_table(("entity", "relation", "value", "valid", "source", "score", "how"), rows, ("score",))


def show_changes(changes: Sequence[Change], json: bool) -> None:
    """Print what happened, in its order; the entity only where there are several."""
    if json:
        emit_json([{**asdict(change), "time": change.time.isoformat()} for change in changes])
        return
    several = len({change.entity for change in changes}) > 1
    rows = [
        (
            change.time.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            *(change.entity if several else None, change.relation, change.what, change.old, change.new),
            *(change.author, change.reason),
        )
        for change in changes
    ]
    show_table(("time", "entity", "relation", "what", "old", "new", "author", "reason"), rows)


def tell_result(result: dict[str, Any], line: str, json: bool) -> None:
    """Print what was done, as one object or as one line."""
    if json:
        emit_json(result)
    else:
        say(line)


def why_not(kb: KnowledgeBase, base: str, entity: str, relation: str | None) -> str:
    """Why a lookup found nothing, in one line, with what came near."""
    found = kb.resolve(entity)
    if found.name is None:
        return f"no match in {base} for the entity {entity[:80]!r}: {_came_near(found)}"
    if relation is None:
        return f"nothing is known of {found.name!r} in {base}"
    return f"{found.name!r} has no match for {relation[:80]!r} in {base}: {_came_near(kb.resolve(entity, relation))}"


def _came_near(found: Resolution) -> str:
    near = ", ".join(f"{one.name} ({one.score:.2f})" for one in found.candidates if one.score > 0)
    return f"{found.why}{': ' if near else ''}{near}"


def _where(fact: Fact) -> str | None:
    if fact.source is None:
        return None
    return fact.source if fact.span is None else f"{fact.source} [{fact.span[0]}:{fact.span[1]}]"


def _valid(fact: Fact) -> str | None:
    if fact.valid_from == fact.valid_to:
        return fact.valid_from
    return f"{fact.valid_from or ''} to {fact.valid_to or ''}".strip()
