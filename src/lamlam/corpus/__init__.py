"""Documents → token shards with a loss mask, and the windows that training reads."""

from lamlam.corpus.encode import (
    EncodedDocument,
    Kind,
    TokenArrays,
    encode_document,
    encode_documents,
    tokenizer_texts,
)
from lamlam.corpus.mapped import ShardDocuments
from lamlam.corpus.mixture import Mixture
from lamlam.corpus.pack import PackInfo, ShardInfo, pack, read_info, write_shards
from lamlam.corpus.windows import IGNORED, Batch, Windows

__all__ = [
    "IGNORED",
    "Batch",
    "EncodedDocument",
    "Kind",
    "Mixture",
    "PackInfo",
    "ShardDocuments",
    "ShardInfo",
    "TokenArrays",
    "Windows",
    "encode_document",
    "encode_documents",
    "pack",
    "read_info",
    "tokenizer_texts",
    "write_shards",
]
