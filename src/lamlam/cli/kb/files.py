"""`lamlam kb build`, `import`, `export` and `backup`: bases from files, and files from bases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamlam.cli.kb.app import Author, Base, Force, Reason, app
from lamlam.cli.kb.show import tell_result
from lamlam.cli.terminal import Json, counting, progress, say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase

if TYPE_CHECKING:
    from lamlam.kb.importing import Imported

Language = Annotated[str, typer.Option(help="Whose labels and texts are taken from Wikidata and N-Triples.")]


@app.command()
def build(
    documents: Annotated[
        Path, typer.Argument(metavar="DOCS", help="Documents: .parquet, .jsonl, the peer's .json, or a folder.")
    ],
    base: Annotated[Path, typer.Argument(metavar="KB", help="The base: one file.", show_default=False)],
    author: Author = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Build a base from the calls of documents, each fact with the document and the span it comes from.

    A base that was there is replaced when the new one is whole, and with it what it had forgotten: to add to a base,
    use `lamlam kb import`.

    Example: `lamlam kb build documents.parquet facts.db`
    """
    from lamlam.kb.importing import build

    if base.is_dir():
        raise LamlamError(f"{base} is a folder; name a file in it, such as {base / 'facts.db'}")
    with counting() as tell:
        built = build(documents, base, author, reason, tell)
    _report(built, str(base), json)


@app.command("import")
def import_(
    facts: Annotated[
        Path,
        typer.Argument(
            metavar="FACTS",
            help="Facts: .parquet, .csv, the peer's .json, .nt, a Wikidata dump, documents; packed with .gz or .bz2.",
        ),
    ],
    base: Base,
    author: Author = None,
    reason: Reason = None,
    language: Language = "en",
    force: Force = False,
    json: Json = False,
) -> None:
    """Add the facts of a file to a base, which is made if there is none.

    If it is stopped, even by kill -9, the same command goes on where it was. Rows that cannot be facts are left out and
    counted.

    Example: `lamlam kb import facts.csv facts.db --author "Wikidata 2024"`
    """
    from lamlam.kb.importing import import_file

    with counting() as tell:
        imported = import_file(facts, base, author, reason, force, language, tell)
    _report(imported, base, json)


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
    tell_result({"facts": written, "file": str(facts)}, f"{written:,} facts written to {facts}", json)


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
    tell_result({"file": str(copy)}, f"copied to {copy}", json)


def _report(imported: Imported, base: str, json: bool) -> None:
    added, aliases, skipped = imported
    result = {
        **{"added": int(added), "known": added.known, "refused": added.refused, "aliases": aliases},
        **{"left_out": skipped.counts, "base": base},
    }
    line = f"{added:,} facts added to {base}; {added.known:,} were there already"
    line += f"; {added.refused:,} refused as forgotten (--force brings them back)" if added.refused else ""
    line += f"; {aliases:,} aliases" if aliases else ""
    tell_result(result, line, json)
    if not json:
        for reason in skipped.lines():
            say(reason)
