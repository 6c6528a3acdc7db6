"""`lamlam convert`: documents from one form into another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lamlam.cli.terminal import Json, emit_json, progress, say
from lamlam.errors import LamlamError
from lamlam.text.document import Document
from lamlam.text.files import read_documents, write_documents, write_renderings
from lamlam.text.forms import Form
from lamlam.text.peer import PeerReport


class Target(StrEnum):
    """What `--to` takes."""

    documents = "documents"
    dblookup = "dblookup"
    tokens = "tokens"
    plain = "plain"
    peer = "peer"


_ENDINGS = {Target.documents: (".parquet", ".jsonl"), Target.peer: (".json",)}
_FORMS: dict[Target, Form] = {Target.dblookup: "written", Target.tokens: "tokens", Target.plain: "plain"}


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .parquet, .jsonl, .json or .txt file, or a folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; its ending has to suit --to.")],
    to: Annotated[
        Target,
        typer.Option(
            help="documents: .parquet or .jsonl, text with the calls beside it. dblookup, tokens, plain: .jsonl, the "
            "rendered text of each document. peer: the peer's corpus, .json."
        ),
    ] = Target.documents,
    as_json: Json = False,
) -> None:
    """Convert documents between forms, the peer's files included.

    What the peer's annotators wrote is read leniently; a call that cannot be read is left out and counted by reason.

    Example: `lamlam convert annotated.json documents.parquet`
    """
    endings = _ENDINGS.get(to, (".jsonl",))
    if out.suffix not in endings:
        raise LamlamError(f"{out}: --to {to} writes {' or '.join(endings)}; give OUT that ending")
    report = PeerReport()
    counts = {"documents": 0, "calls": 0}
    documents = _counted(progress(read_documents(source, report), "converting"), counts)
    if to in _FORMS:
        write_renderings(documents, out, _FORMS[to])
    else:
        write_documents(documents, out)
    result: dict[str, Any] = {"in": str(source), "out": str(out), "to": str(to), **counts}
    if report.documents:
        result["peer"] = {
            "documents": report.documents,
            "calls": report.calls,
            "parsed": report.parsed,
            "rejected": dict(report.rejected.most_common()),
            "equal_to_source": report.equal_to_source,
            "verbatim_values": report.verbatim_values,
        }
    if as_json:
        emit_json(result)
    else:
        _show(result)


def _counted(documents: Iterable[Document], counts: dict[str, int]) -> Iterator[Document]:
    for document in documents:
        counts["documents"] += 1
        counts["calls"] += len(document.calls)
        yield document


def _show(result: dict[str, Any]) -> None:
    say(f"{result['documents']:,} documents with {result['calls']:,} calls, from {result['in']} to {result['out']}")
    if peer := result.get("peer"):
        say(f"of the peer's {peer['calls']:,} calls, {peer['parsed']:,} parsed, {sum(peer['rejected'].values()):,} not")
        for reason, count in peer["rejected"].items():
            say(f"  {count:,} left out: {reason}")
        say(f"{peer['equal_to_source']:,} of its {peer['documents']:,} texts are their source to the character")
        say(f"{peer['verbatim_values']:,} values stand, to the character, where their call stood")
