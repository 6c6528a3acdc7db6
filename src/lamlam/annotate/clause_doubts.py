"""Signs that a call is wrong, whatever its rule: the value is cut off, the question garbled or about something else.

They were found by reading calls one by one (`experiments/annotation/`). Where calls had better be true, one that shows
such a sign is not made; an annotator may well mark its value all the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamlam.annotate.clause_parts import VERBS
from lamlam.annotate.clause_words import CREEDS, PLACES
from lamlam.annotate.coreference import Names
from lamlam.annotate.kinds import Kind, kind_of
from lamlam.text import Lookup, Span

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token
    from spacy.tokens import Span as Tokens

CUT = "the value is cut off"
VAGUE = "the value says too little"
GARBLED = "the relation is garbled"
LITTLE = "the relation says too little"
ANOTHER = "it is said of something else"

_RELATIVES = frozenset(
    {*("father", "mother", "brother", "sister", "son", "daughter", "wife", "husband"), "nephew", "uncle", "grandson"}
)
_UNREAL = frozenset(
    {*("decline", "refuse", "fail", "try", "attempt", "plan", "want", "intend", "hope", "consider"), "ask", "threaten"}
)
"""Verbs after which something was perhaps not done."""
_PASSING = frozenset({"last", "same", "next", "previous", "following", "final", "only"})
_NO_COUNTRIES = CREEDS | {"Arab", "Arabic", "European", "Asian", "African", "Latin", "Western", "Roman", "Jewish"}
_ODD = re.compile(r"(?:^| )(?:-|the|a|an|and|or|'s|\w+-)(?: |$)| - |\b(?:km|mi)\b|^\W", re.IGNORECASE)
"""Articles and halves of words in a relation come from a parse gone wrong."""


def doubt(doc: Doc, span: Span, lookup: Lookup, rule: str, names: Names) -> str | None:
    """Why the call about the value at `span` (characters of `doc`) is not to be trusted; None where it may be."""
    tokens = doc.char_span(*span, alignment_mode="expand")
    if tokens is None or not len(tokens):
        return CUT
    return (
        _of_value(doc, tokens, rule)
        or _of_relation(tokens, lookup.relation, rule)
        or _of_entity(doc, tokens, lookup.entity, names)
    )


def _of_value(doc: Doc, tokens: Tokens, rule: str) -> str | None:
    first, last, text = tokens[0], tokens[-1], tokens.text
    before = doc[tokens.start - 1] if tokens.start else None
    after = doc[tokens.end] if tokens.end < len(doc) else None
    if before is not None:
        joined = not before.whitespace_ and before.text in ("-", "–", "/")  # "four-engine aircraft"
        inside = before.dep_ == "compound" and tokens.start <= before.head.i < tokens.end  # "table tennis event"
        inside &= before.pos_ == first.pos_  # not "actor" of "the actor Jane Doe"
        if joined or inside or first.lower_ in ("majesty", "rules"):  # "Her Majesty's", "Australian rules football"
            return CUT
    if after is not None:
        beyond = doc[tokens.end + 1] if tokens.end + 1 < len(doc) else None
        place = last.lemma_.lower() in PLACES and after.lower_ == "of" and beyond is not None  # "Canadian province of"
        glued = re.match(r"d['’]|\.[A-Z]", after.text) is not None  # "Palme d'Or", "Normal F.C."
        if glued or (place and rule != "what") or text.split()[-1] in ("St", "Ste"):
            return CUT
        if rule == "what" and len(tokens) == 1 and after.lower_ in ("of", "to", "on", "for"):
            return VAGUE  # "an operator of …"
    if rule == "what" and last.dep_ in ("amod", "compound", "nmod") and last.head.i >= tokens.end:
        return CUT  # "a state-related, land-grant university"
    if rule == "what" and (last.pos_ not in ("NOUN", "PROPN") or any(one.tag_ in ("JJS", "RBS") for one in tokens)):
        return VAGUE
    if tokens.root.dep_ == "conj" and (text.islower() or last.tag_ in ("NNS", "NNPS")) and not text[0].isdigit():
        return CUT  # of "A, B and C counties"
    if (text.islower() and first.lower_ in _PASSING) or "(/" in text or re.match(r"[a-z]+\.\d", text):
        return VAGUE
    return None


def _of_relation(tokens: Tokens, relation: str, rule: str) -> str | None:
    words, kind = relation.lower().split(), kind_of(tokens)
    if _ODD.search(relation):
        return GARBLED
    sentence = tokens.root.sent.text.lower()
    if any(f"most {word}" in sentence or f"most-{word}" in sentence for word in words):
        return GARBLED  # "Populous City In", of the most populous one
    if rule == "counted":
        noun = tokens.root.head
        few = noun.tag_ not in ("NNS", "NNPS") and noun.lower_ != "people"  # "an 8,851 GRT ocean liner"
        if few or any(len(word) == 1 for word in words) or sentence.startswith("since then"):
            return GARBLED
    if kind is Kind.NUMBER and rule in ("what of", "preposition", "nearest verb") and words[-1] != "of":
        return GARBLED
    if kind.is_time and (words[-1] == "of" or rule == "measure"):  # "as of 2015"
        return GARBLED
    if words[-1] in ("beginning", "starting", "ending") or words[-2:] == ["took", "part"]:
        return LITTLE
    if words[0] in _RELATIVES and rule in ("is", "what of") and kind is not Kind.PERSON:
        return VAGUE
    if words[:1] in (["country"], ["nationality"]) and tokens.text in _NO_COUNTRIES:
        return VAGUE
    return None


def _of_entity(doc: Doc, tokens: Tokens, entity: str, names: Names) -> str | None:
    if entity.startswith("List of "):
        return ANOTHER
    if entity != names.subject:
        if re.match(r"\d+ ", entity) and entity not in names.spellings:  # "2003 Sandell Svensson"
            return ANOTHER
        for word in names.subject.split():
            if (
                word[0].isupper() and f"{word} {entity}" in doc.text and not entity.startswith(word)
            ):  # "Albion FC" of "Forfar Albion FC"
                return ANOTHER
    verb = _verb_above(tokens.root)
    if verb is None:
        return None
    if verb.dep_ == "xcomp" and verb.head.lemma_ in _UNREAL:
        return ANOTHER
    told = [child for child in verb.children if child.ent_type_ == "ORDINAL" and child.lower_ != "first"]
    if any(child.i not in range(tokens.start, tokens.end) and child.pos_ != "NOUN" for child in told):
        return LITTLE  # "finished second to"
    while verb.dep_ == "conj" and verb.head.pos_ in VERBS:
        verb = verb.head
    left = verb.left_edge.i
    aside = verb.dep_ == "acl" and verb.head.dep_ in ("dobj", "pobj") and left and doc[left - 1].text == ","
    if aside and entity != names.subject:
        return ANOTHER  # "starring Bugs Bunny, directed by": what a participle after a comma is about is a guess
    return None


def _verb_above(token: Token) -> Token | None:
    for _ in range(6):
        if token.head == token:
            return None
        token = token.head
        if token.pos_ in VERBS:
            return token
    return None
