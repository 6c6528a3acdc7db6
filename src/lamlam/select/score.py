"""The score of difference sampling (MiniPLM, arXiv 2410.17215): how much better a larger model knows a text.

    score(x) = (log p_larger(x) − log p_reference(x)) / trained tokens of x        nats a trained token

High is a text that there is something to learn from: the larger model has learnt what the small one could not. Low is
what both find easy (boilerplate), or neither can know (noise). The paper compares texts of one length, whose sums and
means rank alike. Documents are of many lengths, and a sum would mostly rank by length: so the mean is taken. Only
tokens that train are summed and counted, since from the others (values, closing tokens) a training learns nothing.

Scores are made offline and kept, block by block of some 260,000 tokens: each block is a file, written beside and
renamed, so whatever stops the work costs the block under way, and the scores are those of one uninterrupted run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.atomic import write_beside
from lamlam.corpus import ShardDocuments
from lamlam.errors import LamlamError
from lamlam.evaluate.scoring import Windowing, token_nlls, windowing
from lamlam.model import load_model

FORMAT = 1
BLOCK_TOKENS = 1 << 18
"""About how many tokens are scored between two files."""
Floats = npt.NDArray[np.float64]


class Scores(NamedTuple):
    """Of every document, the shards' one after another. `larger`, `reference`: −log p of its trained tokens, summed,
    in nats; `trained`: how many these are; `tokens`: all its tokens, start token left out."""

    larger: Floats
    reference: Floats
    trained: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]

    @property
    def difference(self) -> Floats:
        """The score, in nats a trained token: higher is better."""
        return (self.reference - self.larger) / np.maximum(self.trained, 1)


class _Block(NamedTuple):
    shard: int
    first: int
    stop: int


def score_documents(
    documents: ShardDocuments,
    larger: str | Path,
    reference: str | Path,
    folder: str | Path,
    context: int = 1024,
    device: str = "cpu",
    on_block: Callable[[int], None] | None = None,
) -> Scores:
    """The scores of all documents, kept in `folder`, from which the same call goes on.

    A document longer than `context` tokens is read as training reads it, in windows that share one token. On a GPU the
    models run in bfloat16, elsewhere in float32; nats are summed in float64. `on_block(documents done)` is called after
    each block. LamlamError for a model with another tokenizer than the shards', a folder with other scores or something
    else in it, or a likelihood that is not a number.
    """
    folder = Path(folder)
    blocks = [block for shard in range(len(documents.shards)) for block in _blocks(documents, shard)]
    identity = _identity(documents, larger, reference, context)
    _refuse_others(folder, identity)
    models: list[Any] = []
    parts, done = [], 0
    for block in blocks:
        path = folder / f"{documents.info.shards[block.shard].name}-{block.first:09d}.npy"
        if not path.is_file():
            if not models:
                models = [_load(checkpoint, documents, context, device) for checkpoint in (larger, reference)]
                with write_beside(folder / "scores.json") as partial:
                    partial.write_text(json.dumps(identity, indent=1))
            found = _score(documents, block, models, Windowing(context, context))
            with write_beside(path) as partial, partial.open("wb") as file:
                np.save(file, found)
        parts.append(_read(path, block))
        done += block.stop - block.first
        if on_block:
            on_block(done)
    nats = np.concatenate(parts, axis=1)
    lengths = np.concatenate([documents.lengths(shard) for shard in range(len(documents.shards))])
    return Scores(nats[0], nats[1], nats[2].astype(np.int64), lengths)


def _blocks(documents: ShardDocuments, shard: int) -> Iterator[_Block]:
    """The documents of a shard, cut where their tokens pass multiples of `BLOCK_TOKENS`."""
    numbers = np.cumsum(documents.lengths(shard)) // BLOCK_TOKENS
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    yield from (_Block(shard, first, stop) for first, stop in pairwise(cuts))


def _score(documents: ShardDocuments, block: _Block, models: Sequence[Any], windows: Windowing) -> Floats:
    """Rows: −log p by each model, summed over trained tokens, and the number of these; a column for each document."""
    texts = [documents.document(block.shard, number) for number in range(block.first, block.stop)]
    sequences = [[documents.tokenizer.start_id, *text.ids.tolist()] for text in texts]
    rows = [[int(text.trained.sum()) for text in texts]]
    for model in models:
        batch = 16_384 if model.device.type == "cuda" else 4096
        nlls = token_nlls(model, sequences, windows, batch)
        rows.insert(-1, [nll[text.trained].sum() for nll, text in zip(nlls, texts, strict=True)])
    found = np.array(rows, np.float64)
    if not np.isfinite(found).all():
        number = block.first + int(np.flatnonzero(~np.isfinite(found).all(axis=0))[0])
        shard = documents.info.shards[block.shard].name
        raise LamlamError(
            f"{documents.folder}: a model gives document {number} of shard {shard} a likelihood that is not a number; "
            "look at that model"
        )
    return found


def _load(folder: str | Path, documents: ShardDocuments, context: int, device: str) -> Any:
    import torch

    model, tokenizer = load_model(folder, device, torch.bfloat16 if device != "cpu" else torch.float32)
    if tokenizer.fingerprint() != documents.info.tokenizer:
        raise LamlamError(
            f"{folder} and the shards {documents.folder} have different tokenizers; "
            f"pack the documents with `--tokenizer {folder}`, and take two models that share it"
        )
    windowing(model, context)
    return model


def _identity(documents: ShardDocuments, larger: str | Path, reference: str | Path, context: int) -> dict[str, Any]:
    """What scores depend on. Shards are told apart by where each of their documents begins."""
    starts = hashlib.blake2b(digest_size=16)
    for shard in documents.shards:
        starts.update(shard.starts.tobytes())
    models = {"larger": _digest(larger), "reference": _digest(reference)}
    shards = {"tokenizer": documents.info.tokenizer, "kind": documents.info.kind, "documents": starts.hexdigest()}
    return {"format": FORMAT, "context": context, "block": BLOCK_TOKENS, **models, "shards": shards}


def _digest(folder: str | Path) -> str:
    """A hash of a checkpoint's configuration and weights."""
    config, weights = Path(folder) / "config.json", sorted(Path(folder).glob("*.safetensors"))
    if not weights or not config.is_file():
        raise LamlamError(f"{folder} is not a checkpoint with safetensors; give a folder that a training wrote")
    digest = hashlib.blake2b(digest_size=16)
    for path in (config, *weights):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _refuse_others(folder: Path, identity: dict[str, Any]) -> None:
    """Errors for a folder that holds anything but these scores."""
    path = folder / "scores.json"
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(file.suffix != ".partial" for file in folder.iterdir())):
            raise LamlamError(f"{folder} holds something else than scores; name a new folder for them")
        return
    try:
        found = json.loads(path.read_text())
        differing = sorted(key for key in identity if found.get(key) != identity[key])
    except (ValueError, AttributeError) as error:
        raise LamlamError(f"{path} cannot be read ({error}); delete {folder} to score again") from error
    if differing:
        raise LamlamError(
            f"{folder} holds other scores ({', '.join(differing)} differ); name another folder, "
            "or delete this one to score again"
        )


def _read(path: Path, block: _Block) -> Floats:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise LamlamError(f"{path} cannot be read ({error}); delete it, and it is made again") from error
    if found.shape != (3, block.stop - block.first):
        raise LamlamError(f"{path} is of other documents; delete it, and it is made again")
    return np.asarray(found, np.float64)
