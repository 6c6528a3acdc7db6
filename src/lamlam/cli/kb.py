"""`lamlam kb`: build a base, ask it, change it, forget from it, look into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from lamlam.atomic import write_beside
from lamlam.cli.kb_names import app as names_app
from lamlam.cli.terminal import Json, console, emit_json, progress
from lamlam.errors import LamlamError
from lamlam.kb import Added, Fact, KnowledgeBase, Match, Resolution

app = typer.Typer(help="The knowledge base: build, ask, change, forget, look into it.", no_args_is_help=True)
app.add_typer(names_app)

Base = Annotated[Path, typer.Argument(metavar="KB", help="The base: one file.", show_default=False)]
Entity = Annotated[str, typer.Argument(help="The entity, by any spelling of its name.", show_default=False)]
Relation = Annotated[str, typer.Argument(help="The relation.", show_default=False)]
OneRelation = Annotated[str | None, typer.Argument(help="Only this relation.", show_default=False)]
Author = Annotated[str | None, typer.Option(help="Who makes the change, kept in the history.")]
Reason = Annotated[str | None, typer.Option(help="Why, kept in the history.")]
When = Annotated[str, typer.Argument(help="A snapshot's name, or a date or time such as 2026-01-31T12:00.")]
Until = Annotated[str | None, typer.Argument(help="Likewise; without it, now.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Bring back what was forgotten, too.")]


@app.command()
def build(
    documents: Annotated[
        Path, typer.Argument(metavar="DOCS", help="Documents: .parquet, .jsonl, or the peer's .json.")
    ],
    base: Base,
    author: Author = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Build a base from the calls of documents, each fact with the document and the span it comes from.

    A base that was there is replaced when the new one is whole, and with it what it had forgotten: to add to a base,
    use `lamlam kb import`.

    Example: `lamlam kb build documents.parquet facts.db`
    """
    from lamlam.text.files import read_documents

    if base.is_dir():
        raise LamlamError(f"{base} is a folder; name a file in it, such as {base / 'facts.db'}")
    with write_beside(base) as partial:
        with _removed_with_its_log(partial), KnowledgeBase.open(partial, create=True) as kb:
            added = kb.add_documents(progress(read_documents(documents), "documents"), author, reason)
        # A log of the base that is replaced must not be taken for the new one's.
        for log in _logs(base):
            log.unlink(missing_ok=True)
    _report(added, base, json)


@app.command("import")
def import_(
    facts: Annotated[Path, typer.Argument(metavar="FACTS", help="Facts: .parquet, .csv, or the peer's base in .json.")],
    base: Base,
    author: Author = None,
    reason: Reason = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Add the facts of a file to a base, which is made if there is none.

    Example: `lamlam kb import facts.csv facts.db --author "Wikidata 2024"`
    """
    from lamlam.kb.exchange import read_batches, read_facts

    if base.exists():
        with KnowledgeBase.open(base) as kb:
            added = kb.add(progress(read_facts(facts), "facts"), author, reason, force)
    else:
        # A new base is loaded at once, and is there whole or not at all.
        with (
            write_beside(base) as partial,
            _removed_with_its_log(partial),
            KnowledgeBase.open(partial, create=True) as kb,
        ):
            added = kb.load(progress(read_batches(facts), "parts of the file"), author, reason)
    _report(added, base, json)


@app.command()
def export(
    base: Base,
    facts: Annotated[Path, typer.Argument(metavar="FACTS", help="Where to: .parquet, .csv, or the peer's .json.")],
    json: Json = False,
) -> None:
    """Write all facts of a base to a file.

    Example: `lamlam kb export facts.db facts.csv`
    """
    from lamlam.kb.exchange import write_facts

    with KnowledgeBase.open(base) as kb:
        written = write_facts(progress(kb, "facts", len(kb)), facts)
    _say({"facts": written, "file": str(facts)}, f"{written:,} facts written to {facts}", json)


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
            raise LamlamError(_why_not(kb, base, entity, relation))
    _show_matches(matches, json)


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
        taken = kb.resolve(name).name
    if not candidates:
        raise LamlamError(f"no entity in {base} is near {name!r}")
    if json:
        emit_json([{**asdict(one), "taken": one.name == taken} for one in candidates])
        return
    table = _table("entity", "score", "how", "taken")
    for one in candidates:
        _row(table, one.name, f"{one.score:.2f}", one.how, "yes" if one.name == taken else "")
    console.print(table)


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
    _say({"changed": changed}, "set" if changed else "it had this value already; nothing was changed", json)


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

    Example: `lamlam kb forget facts.db "Ada Lovelace" "Birth Date" --dry-run`
    """
    with KnowledgeBase.open(base) as kb:
        gone = kb.forget(entity, relation, value, dry_run, author, reason)
    if json:
        emit_json({"dry_run": dry_run, **asdict(gone)})
        return
    table = _table("entity", "relation", "value")
    for fact in gone.facts:
        _row(table, fact.entity, fact.relation, fact.value)
    console.print(table)
    verb = "would be forgotten" if dry_run else "forgotten"
    console.print(f"{verb}: {len(gone.facts):,} facts, {gone.past:,} former values, {len(gone.aliases):,} aliases")
    if gone.mentions:
        console.print(f"{gone.mentions:,} facts about others have this name as their value; they stay")


@app.command("as-of")
def as_of(base: Base, moment: When, entity: Entity, relation: OneRelation = None, json: Json = False) -> None:
    """Ask for what was known of an entity, or for one relation of it, at a past moment.

    Example: `lamlam kb as-of facts.db 2026-01-31 "Ada Lovelace" "birth date"`
    """
    with KnowledgeBase.open(base) as kb:
        then = kb.as_of(moment)
        matches = then.facts(entity) if relation is None else then.lookup(entity, relation, 10)
        if not matches:
            raise LamlamError(f"{_why_not(then, base, entity, relation)} (as of {moment})")
    _show_matches(matches, json)


@app.command()
def diff(base: Base, since: When, until: Until = None, json: Json = False) -> None:
    """Show what differs between two moments, or a moment and now.

    Example: `lamlam kb diff facts.db 2026-01-31`
    """
    with KnowledgeBase.open(base) as kb:
        changes = kb.diff(since, until)
    if json:
        emit_json([{**asdict(change), "time": change.time.isoformat()} for change in changes])
        return
    table = _table("entity", "relation", "old", "new", "author", "reason")
    for change in changes:
        _row(table, change.entity, change.relation, change.old, change.new, change.author, change.reason)
    console.print(table)


@app.command()
def rollback(base: Base, to: When, author: Author = None, reason: Reason = None, json: Json = False) -> None:
    """Have what held at a moment hold again. What came since stays in the history; what was forgotten stays so.

    Example: `lamlam kb rollback facts.db "before the import" --reason "bad source"`
    """
    with KnowledgeBase.open(base) as kb:
        changed = kb.rollback(to, author, reason)
    _say({"changed": changed}, f"{changed:,} facts and aliases are as they were at {to}", json)


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
        return
    table = _table("name", "time")
    for one in taken:
        _row(table, one.name, one.time.astimezone().strftime("%Y-%m-%d %H:%M:%S"))
    console.print(table)


@app.command()
def backup(
    base: Base,
    copy: Annotated[Path, typer.Argument(metavar="COPY", help="A new file.", show_default=False)],
    json: Json = False,
) -> None:
    """Copy a base while it is in use. What is forgotten later is still in the copy.

    Example: `lamlam kb backup facts.db facts-monday.db`
    """
    with KnowledgeBase.open(base) as kb:
        kb.backup(copy)
    _say({"file": str(copy)}, f"copied to {copy}", json)


@app.command()
def history(base: Base, entity: Entity, relation: OneRelation = None, json: Json = False) -> None:
    """Show what happened to the facts of an entity, oldest first.

    Example: `lamlam kb history facts.db "Ada Lovelace"`
    """
    with KnowledgeBase.open(base) as kb:
        changes = kb.history(entity, relation)
        if not changes:
            raise LamlamError(_why_not(kb, base, entity, relation))
    if json:
        emit_json([{**asdict(change), "time": change.time.isoformat()} for change in changes])
        return
    table = _table("time", "author", "reason", "what", "relation", "old", "new")
    for change in changes:
        when = change.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        _row(table, when, change.author, change.reason, change.what, change.relation, change.old, change.new)
    console.print(table)


@app.command()
def stats(base: Base, json: Json = False) -> None:
    """Count what is in a base, and show its most frequent relations.

    Example: `lamlam kb stats facts.db`
    """
    with KnowledgeBase.open(base) as kb:
        counts = kb.stats()
    if json:
        emit_json(counts)
        return
    relations: dict[str, int] = counts.pop("top_relations")
    table = Table(show_header=False, box=None)
    for what, count in counts.items():
        table.add_row(what, f"{count:,}")
    console.print(table)
    bars = Table("relation", "facts", "", title="most frequent relations", box=None)
    for name, count in relations.items():
        bars.add_row(escape(name), f"{count:,}", "█" * max(1, round(30 * count / max(relations.values()))))
    console.print(bars)


@app.command()
def check(base: Base, json: Json = False) -> None:
    """Check the file and what must hold in it; exit code 1 if something does not.

    Example: `lamlam kb check facts.db`
    """
    with KnowledgeBase.open(base) as kb:
        problems = kb.check()
    if json:
        emit_json({"problems": problems})
    elif problems:
        console.print("\n".join(escape(problem) for problem in problems))
    else:
        console.print("nothing is wrong")
    if problems:
        raise typer.Exit(1)


def _why_not(kb: KnowledgeBase, base: Path, entity: str, relation: str | None) -> str:
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


def _show_matches(matches: list[Match], json: bool) -> None:
    if json:
        emit_json([_as_json(match) for match in matches])
        return
    table = _table("entity", "relation", "value", "source", "score", "how")
    for match in matches:
        fact = match.fact
        _row(table, fact.entity, fact.relation, fact.value, _where(fact), f"{match.score:.2f}", match.how)
    console.print(table)


def _report(added: Added, base: Path, json: bool) -> None:
    counts = {"added": int(added), "known": added.known, "refused": added.refused, "unusable": added.unusable}
    extra = f"; {added.known:,} were there already"
    extra += f"; {added.refused:,} refused as forgotten (--force brings them back)" if added.refused else ""
    extra += f"; {added.unusable:,} calls cannot be facts (an empty part)" if added.unusable else ""
    _say({**counts, "base": str(base)}, f"{added:,} facts added to {base}{extra}", json)


def _say(result: dict[str, Any], line: str, json: bool) -> None:
    if json:
        emit_json(result)
    else:
        console.print(escape(line), soft_wrap=True)


def _as_json(match: Match) -> dict[str, Any]:
    return {**asdict(match.fact), "score": round(match.score, 4), "how": match.how}


def _where(fact: Fact) -> str:
    if fact.source is None:
        return ""
    return fact.source if fact.span is None else f"{fact.source} [{fact.span[0]}:{fact.span[1]}]"


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold")


def _row(table: Table, *cells: str | None) -> None:
    table.add_row(*(escape(cell or "") for cell in cells))


def _logs(base: Path) -> list[Path]:
    return [base.with_name(base.name + suffix) for suffix in ("-wal", "-shm")]


@contextmanager
def _removed_with_its_log(partial: Path) -> Iterator[None]:
    """SQLite removes its log when it closes; if that was cut short, nothing of it stays beside the base."""
    try:
        yield
    finally:
        for log in _logs(partial):
            log.unlink(missing_ok=True)
