"""Decoding with lookups between tokens: batched, streaming, constrained, cited."""

from lamlam.generate.ask import Ask, Asking
from lamlam.generate.constraint import Constraint
from lamlam.generate.engine import Engine
from lamlam.generate.lookup_model import LookupModel
from lamlam.generate.policy import Policy, PolicyName, abstain, named_policy, nearest, retry, unknown
from lamlam.generate.prose import AnsweredCall, Citation, Generation
from lamlam.generate.remote import RemoteLookupModel
from lamlam.generate.request import Answered, Base, Event, Prompt, Request, Text
from lamlam.generate.row import Asked, Retry, Row, State, Verdict
from lamlam.generate.sampling import Sampling
from lamlam.generate.transformers_loop import CUSTOM_GENERATE, LookupOutput, lookup_generate

__all__ = [
    "CUSTOM_GENERATE",
    "Answered",
    "AnsweredCall",
    "Ask",
    "Asked",
    "Asking",
    "Base",
    "Citation",
    "Constraint",
    "Engine",
    "Event",
    "Generation",
    "LookupModel",
    "LookupOutput",
    "Policy",
    "PolicyName",
    "Prompt",
    "RemoteLookupModel",
    "Request",
    "Retry",
    "Row",
    "Sampling",
    "State",
    "Text",
    "Verdict",
    "abstain",
    "lookup_generate",
    "named_policy",
    "nearest",
    "retry",
    "unknown",
]
