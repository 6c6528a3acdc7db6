"""`lamlam kb resolve`, `alias`, `synonym`, `aliases`, `synonyms`: names of entities and relations."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.kb.show import show_table
from lamlam.cli.terminal import Json, console, emit_json, say
from lamlam.kb import KnowledgeBase
from lamlam.kb.fact import OtherNames
from lamlam.kb.name_files import add_from, write_names

app = typer.Typer()

Base = Annotated[Path, typer.Argument(metavar="KB", help="The base: one file.", show_default=False)]
Author = Annotated[str | None, typer.Option(help="Who makes the change, kept in the history.")]
Reason = Annotated[str | None, typer.Option(help="Why, kept in the history.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take it back; it stays in the history.")]
Force = Annotated[bool, typer.Option("--force", help="Take names that were forgotten, too.")]
Past = Annotated[bool, typer.Option("--past", help="Show those too that were taken back.")]
Embeddings = Annotated[
    str | None, typer.Option(help="Find relations by meaning, too: all-MiniLM-L6-v2, or a model's folder.")
]
FromFile = Annotated[Path | None, typer.Option("--from", help="Add those of a CSV file instead of showing them.")]
ToFile = Annotated[Path | None, typer.Option("--to", help="Write them to a CSV file instead of showing them.")]


@app.command()
def resolve(
    base: Base,
    entity: Annotated[str, typer.Argument(help="A name, however it is written.", show_default=False)],
    relation: Annotated[str | None, typer.Argument(help="A relation of it.", show_default=False)] = None,
    embeddings: Embeddings = None,
    json: Json = False,
) -> None:
    """Show what a lookup takes a name for, how, and how sure it is; or why it takes it for nothing, and what came near.

    Example: `lamlam kb resolve facts.db "Macdonald-Paterson, Thomas" university`
    """
    with KnowledgeBase.open(base, embeddings=embeddings) as kb:
        of_entity = kb.resolve(entity)
        found = [of_entity] if relation is None or of_entity.name is None else [of_entity, kb.resolve(entity, relation)]
    if json:
        emit_json([asdict(one) for one in found])
        return
    for asked, one in zip((entity, relation), found, strict=False):
        taken = f"{one.name!r} ({one.how}, {one.score:.2f})" if one.name is not None else f"nothing: {one.why}"
        say(f"{asked!r} is taken for {taken}")
        for near in one.candidates:
            if near.name != one.name and near.score > 0:
                say(f"    near it: {near.name!r} ({near.score:.2f})")


@app.command()
def alias(
    base: Base,
    alias: Annotated[str, typer.Argument(help="The other name.", show_default=False)],
    entity: Annotated[str, typer.Argument(help="The entity that it names.", show_default=False)],
    remove: Remove = False,
    author: Author = None,
    reason: Reason = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Give an entity another name, under which lookups find it.

    Example: `lamlam kb alias facts.db "Countess of Lovelace" "Ada Lovelace" --reason "her title"`
    """
    with KnowledgeBase.open(base) as kb:
        if remove:
            changed = kb.remove_alias(alias, entity, author, reason)
        else:
            changed = kb.add_alias(alias, entity, author, reason, force)
    _tell(changed, remove, f"{alias!r} for {entity!r}", json)


@app.command()
def synonym(
    base: Base,
    synonym: Annotated[str, typer.Argument(help="The other name.", show_default=False)],
    relation: Annotated[str, typer.Argument(help="The relation that it names.", show_default=False)],
    remove: Remove = False,
    author: Author = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Give a relation another name, before the synonyms that lamlam brings.

    Example: `lamlam kb synonym facts.db university "Educated At"`
    """
    with KnowledgeBase.open(base) as kb:
        change = kb.remove_synonym if remove else kb.add_synonym
        changed = change(synonym, relation, author, reason)
    _tell(changed, remove, f"{synonym!r} for {relation!r}", json)


@app.command()
def aliases(
    base: Base,
    from_file: FromFile = None,
    to_file: ToFile = None,
    past: Past = False,
    author: Author = None,
    reason: Reason = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Show the aliases of entities with who gave them, when and why; or read or write them as CSV.

    The file has the columns alias and entity, and if they are known author and reason.

    Example: `lamlam kb aliases facts.db --from aliases.csv --author "Wikidata 2024"`
    """
    _many(base, "aliases", from_file, to_file, past, author, reason, force, json)


@app.command()
def synonyms(
    base: Base,
    from_file: FromFile = None,
    to_file: ToFile = None,
    past: Past = False,
    author: Author = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Show the synonyms that a base has for its relations; or read or write them as CSV.

    The file has the columns synonym and relation, and if they are known author and reason.

    Example: `lamlam kb synonyms facts.db --to synonyms.csv`
    """
    _many(base, "synonyms", from_file, to_file, past, author, reason, False, json)


def _many(
    base: Path,
    kind: OtherNames,
    from_file: Path | None,
    to_file: Path | None,
    past: bool,
    author: str | None,
    reason: str | None,
    force: bool,
    json: bool,
) -> None:
    if from_file is not None and to_file is not None:
        raise typer.BadParameter("name one file, to read or to write")
    with KnowledgeBase.open(base) as kb:
        if from_file is not None:
            added = add_from(kb, kind, from_file, author, reason, force)
            _say({"added": added, "file": str(from_file)}, f"{added:,} {kind} added from {from_file}", json)
            return
        names = kb.other_names(kind, past)
    if to_file is not None:
        write_names(names, kind, to_file)
        _say({kind: len(names), "file": str(to_file)}, f"{len(names):,} {kind} written to {to_file}", json)
    elif json:
        emit_json([{**asdict(one), "time": _iso(one.time), "ended": _iso(one.ended)} for one in names])
    elif not names:
        console.print(f"the base has no {kind} of its own")
    else:
        rows = [
            (one.name, one.of, _shown(one.time), _shown(one.ended) if past else None, one.author, one.reason)
            for one in names
        ]
        show_table(("name", "of", "since", "until", "author", "reason"), rows)


def _tell(changed: bool, remove: bool, what: str, json: bool) -> None:
    done, not_done = ("taken back", "there was none such") if remove else ("added", "it was there already")
    _say({"changed": changed}, f"{done}: {what}" if changed else f"{not_done}: {what}", json)


def _say(result: dict[str, object], line: str, json: bool) -> None:
    if json:
        emit_json(result)
    else:
        say(line)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _shown(time: datetime | None) -> str:
    return "" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
