"""Decoding with lookups between tokens: batched, streaming, cited."""

from lamlam.generate.decoder import Base, decode
from lamlam.generate.lookup_model import POLICIES, Answered, LookupModel, Text
from lamlam.generate.prose import AnsweredCall, Citation, Generation
from lamlam.generate.row import Asked, Row
from lamlam.generate.sampling import Sampling

__all__ = [
    "POLICIES",
    "Answered",
    "AnsweredCall",
    "Asked",
    "Base",
    "Citation",
    "Generation",
    "LookupModel",
    "Row",
    "Sampling",
    "Text",
    "decode",
]
