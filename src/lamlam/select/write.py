"""The chosen documents as a shard folder of their own, which a recipe's `data` takes like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lamlam.atomic import write_beside
from lamlam.corpus import PackInfo, ShardDocuments, TokenArrays, write_shards
from lamlam.errors import LamlamError
from lamlam.select.choose import Counts


def write_selection(documents: ShardDocuments, copies: Counts, folder: str | Path, how: dict[str, Any]) -> PackInfo:
    """Write the documents, each as often as `copies` says, into `folder`; `how` they were chosen into its
    selection.json. LamlamError where nothing is chosen, or `folder` is that of the documents."""
    folder = Path(folder)
    if folder.resolve() == documents.folder.resolve():
        raise LamlamError(f"{folder} holds the shards that are chosen from; name another folder for those chosen")
    if not copies.any():
        raise LamlamError("no document is chosen; ask for more")
    info = write_shards(copies_in_rounds(documents, copies), folder, documents.tokenizer, documents.info.kind)
    with write_beside(folder / "selection.json") as partial:
        partial.write_text(json.dumps(how, indent=1))
    return info


def copies_in_rounds(documents: ShardDocuments, copies: Counts) -> Iterator[TokenArrays]:
    """All that are taken once, then all that are taken twice, and so on, in their order each time.

    Side by side, copies would stand in one window, where a model learns to copy.
    """
    owners = np.repeat(np.arange(len(documents.shards)), [shard.documents for shard in documents.info.shards])
    numbers = np.concatenate([np.arange(shard.documents) for shard in documents.info.shards])
    for taken in range(int(copies.max())):
        for place in np.flatnonzero(copies > taken):
            yield documents.document(int(owners[place]), int(numbers[place]))
