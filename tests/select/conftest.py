from pathlib import Path
from typing import NamedTuple

import pytest

from lamlam.corpus import ShardDocuments, pack
from lamlam.model import new_llama, save_model
from lamlam.text import Document
from tests.corpus.test_encode import BYTES, ada


class Corpus(NamedTuple):
    """A shard folder of several shards, and two checkpoints of random weights with its tokenizer."""

    documents: ShardDocuments
    larger: Path
    reference: Path


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Corpus:
    root = tmp_path_factory.mktemp("select")
    texts = [ada(), Document("short", "In London."), Document("empty", ""), Document("long", "It is said. " * 12)]
    pack(texts * 3, root / "shards", BYTES, shard_tokens=400)
    for name, hidden, seed in (("larger", 32, 1), ("reference", 16, 2)):
        model = new_llama(BYTES, seed, hidden=hidden, layers=1, heads=2, feed_forward=24)
        save_model(model, BYTES, root / name)
    return Corpus(ShardDocuments(root / "shards"), root / "larger", root / "reference")
