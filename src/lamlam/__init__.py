"""lamlam: Limited Memory Language Models (arXiv 2505.15962), which keep their facts in a database.

import lamlam
kb = lamlam.KnowledgeBase.open("facts.db")
lm = lamlam.LookupModel.from_pretrained("checkpoint", kb=kb)
print(lm.generate(["Ada Lovelace was born on"])[0].text)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamlam.errors import LamlamError, MalformedCall
from lamlam.text import Call, Document, Lookup, parse, render

if TYPE_CHECKING:
    from lamlam.generate import Generation, LookupModel, Sampling
    from lamlam.kb import Fact, KnowledgeBase, Match
    from lamlam.text.files import read_documents, write_documents

__all__ = [
    "Call",
    "Document",
    "Fact",
    "Generation",
    "KnowledgeBase",
    "LamlamError",
    "Lookup",
    "LookupModel",
    "MalformedCall",
    "Match",
    "Sampling",
    "parse",
    "read_documents",
    "render",
    "write_documents",
]

# Loaded when first asked for: PyTorch takes seconds to import, and a base needs none of it.
_LATER = {
    "Fact": "lamlam.kb",
    "KnowledgeBase": "lamlam.kb",
    "Match": "lamlam.kb",
    "Generation": "lamlam.generate",
    "LookupModel": "lamlam.generate",
    "Sampling": "lamlam.generate",
    "read_documents": "lamlam.text.files",
    "write_documents": "lamlam.text.files",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'lamlam' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
