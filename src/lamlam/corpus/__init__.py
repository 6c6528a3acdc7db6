"""Documents → token shards with a loss mask, and the windows that training reads."""

from lamlam.corpus.encode import EncodedDocument, Kind, encode_document, tokenizer_texts
from lamlam.corpus.pack import PackInfo, ShardInfo, pack, read_info
from lamlam.corpus.windows import IGNORED, Batch, Windows

__all__ = [
    "IGNORED",
    "Batch",
    "EncodedDocument",
    "Kind",
    "PackInfo",
    "ShardInfo",
    "Windows",
    "encode_document",
    "pack",
    "read_info",
    "tokenizer_texts",
]
