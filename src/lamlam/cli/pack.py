"""`lamlam pack`: documents into token shards."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.terminal import Json, emit_json, progress, say
from lamlam.errors import LamlamError


class ShardKind(StrEnum):
    """What `--kind` takes."""

    lmlm = "lmlm"
    standard = "standard"


def pack(
    documents: Annotated[Path, typer.Argument(metavar="DOCS", help="Documents: .parquet, .jsonl, the peer's .json.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The shard folder to write.")],
    kind: Annotated[
        ShardKind, typer.Option(help="lmlm: text with its calls. standard: the same text without them, the baseline.")
    ] = ShardKind.lmlm,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A tokenizer, checkpoint or shard folder; if not given, one is trained on DOCS.")
    ] = None,
    vocab: Annotated[int, typer.Option(help="Size of the vocabulary, where a tokenizer is trained.")] = 32_004,
    as_json: Json = False,
) -> None:
    """Pack documents into token shards with their loss mask, ready for `lamlam pretrain`.

    Give the LmLm and the Standard shards of one comparison the same tokenizer.

    Example: `lamlam pack documents.parquet shards-lmlm --vocab 8000`
    """
    from lamlam.corpus import pack as pack_documents
    from lamlam.corpus import tokenizer_texts
    from lamlam.model import LookupTokenizer, train_tokenizer
    from lamlam.text.files import read_documents

    if out.is_file():
        raise LamlamError(f"{out} is a file; name a folder for the shards")
    if tokenizer is not None:
        chosen = LookupTokenizer.load(tokenizer)
    else:
        chosen = train_tokenizer(tokenizer_texts(progress(read_documents(documents), "training the tokenizer")), vocab)
    info = pack_documents(progress(read_documents(documents), "packing"), out, chosen, kind.value)
    if as_json:
        counts = {"documents": info.documents, "tokens": info.tokens, "trained": info.trained}
        emit_json({"shards": str(out), "kind": info.kind, "vocabulary": info.vocab_size, **counts})
    else:
        say(
            f"{out}: {info.documents:,} documents, {info.tokens:,} tokens ({info.trained / info.tokens:.1%} trained), "
            f"vocabulary of {info.vocab_size:,}, for {info.kind}"
        )
