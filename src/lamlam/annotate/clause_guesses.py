"""Rules of grammar for values that no other rule explains; what they say is more often wrong than right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamlam.annotate.clause_parts import (
    VERBS,
    about_whom,
    negated,
    nominal_subject,
    object_of,
    title_case,
    verb_phrase,
)
from lamlam.annotate.clause_words import LIGHT, LOOSE, TIME_PREPOSITIONS, UNITS, WHOLE_EVENTS
from lamlam.annotate.coreference import Names
from lamlam.annotate.kinds import Kind
from lamlam.annotate.said import Said

if TYPE_CHECKING:
    from spacy.tokens import Span as Tokens
    from spacy.tokens import Token


LOOSE_GUESS = "guess"
"""The rule whose calls nobody has judged."""


def nearest_verb(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """Where no other rule holds: the verb above the value, with the preposition and the noun on the way to it."""
    # Of what there is a number, or who comes from a country, only the noun beside it could tell; who does something
    # himself has nothing done to him.
    if kind in (Kind.NUMBER, Kind.NATIONALITY) or root.dep_ in ("nsubj", "nsubjpass", "appos"):
        return None
    if _in_a_name(root, kind):
        return None
    path: list[Token] = []
    token = root
    while token.pos_ not in VERBS and token.head != token and len(path) < 6:
        token = token.head
        path.append(token)
    if token.pos_ not in VERBS or negated(token) or not path:
        return None
    about = about_whom(token, names)
    if about is None:
        # Not the clause's own subject; the sentence at least has to speak of the document's.
        before = token.doc[root.sent.start : tokens.start]
        if not any(names.means_subject(word.text) for word in before):
            return None
        about = names.subject, ""
    entity, of_it = about
    prepositions = [step.lower_ for step in path if step.pos_ == "ADP"]
    nouns = [step.text for step in path if step.pos_ == "NOUN" and step.i < tokens.start]
    if len(nouns) > 1:
        return None
    phrase = "" if token.lemma_ in LIGHT else verb_phrase(token)
    outer = prepositions[1] if len(prepositions) > 1 and nouns and phrase else ""  # "Appeared in Movies In"
    object_ = object_of(token)
    if object_ is not None and not nouns and object_.i < tokens.start and object_.pos_ == "NOUN":
        nouns = [object_.text]
    if kind.is_time:
        if token.lemma_ not in WHOLE_EVENTS and not nouns:
            return None
        words = f"{of_it} {phrase} {outer} {' '.join(nouns)} {'year' if kind is Kind.YEAR else 'date'}"
    else:
        words = f"{of_it} {phrase} {outer} {' '.join(nouns)} {prepositions[0] if prepositions else ''}"
    if len(words.split()) < (2 if prepositions or kind.is_time else 1):
        return None
    return Said(entity, title_case(words), "nearest verb", f"~ {token.lemma_} {' '.join(nouns[:1])} {kind.value}")


def in_sentence(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """Where the clause is about nothing that has a name: all that it says, as said of the document's subject.

    "The first edition was printed in 1952" tells of a book its "First Edition Printed Year".
    """
    path: list[Token] = []
    token = root
    while token.pos_ not in VERBS and token.head != token and len(path) < 6:
        token = token.head
        path.append(token)
    nouns = [step for step in path if step.pos_ == "NOUN" and step.i < tokens.start]
    if any(negated(step) for step in path) or len(nouns) > 1 or _in_a_name(root, kind):
        return None
    words: list[str] = []
    if token.pos_ in VERBS and path:
        subject, object_ = nominal_subject(token), object_of(token)
        if subject is not None and subject.i not in range(tokens.start, tokens.end) and not _is_subject(subject, names):
            words += _spelt(subject)
        if token.lemma_ not in LIGHT:
            words.append(verb_phrase(token))
        if object_ is not None and object_.i < tokens.start:
            words += _spelt(object_)
    between = [step for step in path if step.pos_ in ("NOUN", "ADP") and step.i < tokens.start]
    if not words or between[:1] != path[:1] or len(between) > 1:
        words += [step.text for step in reversed(between[1:]) if step.pos_ == "NOUN" and step.text not in words]
    if kind is Kind.NUMBER and root.dep_ == "nummod" and root.head.tag_ in ("NNS", "NNPS"):
        words = ["number", "of", *_spelt(root.head), *([verb_phrase(token)] if token.lemma_ not in LIGHT else [])]
    elif kind.is_time and words:
        words.append("year" if kind is Kind.YEAR else "date")
    elif kind is not Kind.NUMBER:
        words += [step.text for step in between[:1] if step.pos_ == "ADP"]
    said = {word.lower() for word in words}
    if (
        said <= set(names.subject.lower().split())
        or said <= LOOSE | TIME_PREPOSITIONS
        or (kind is Kind.NUMBER and said & UNITS)
    ):
        return None
    relation = title_case(" ".join(words))
    return Said(names.subject, relation, "sentence", f"… {' '.join(step.lemma_ for step in path[-1:])} {kind.value}")


def loose_guess(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """What else fails to explain, as said of the document's subject in the nearest words above it.

    An annotator would often mark such a value, in better words; where calls had better be true, it is left out.
    """
    words: list[str] = []
    token = root
    for _ in range(4):
        if token.head == token or len(words) >= 2:
            break
        token = token.head
        if negated(token):
            return None
        if token.pos_ in ("NOUN", "VERB") and token.i not in range(tokens.start, tokens.end):
            words.insert(0, token.text)
    unit = {Kind.OTHER: "", Kind.WORK: "title"}.get(kind, kind.value)
    return Said(names.subject, title_case(" ".join([*words, unit])), LOOSE_GUESS, f"… {' '.join(words)} {kind.value}")


def _in_a_name(root: Token, kind: Kind) -> bool:
    """Whether a year only tells one thing from another: "at the 1980 Winter Olympics"."""
    return kind is Kind.YEAR and root.dep_ in ("nummod", "compound", "nmod", "amod")


def _is_subject(token: Token, names: Names) -> bool:
    return token.pos_ == "PRON" or names.means_subject(token.doc[token.left_edge.i : token.i + 1].text)


def _spelt(noun: Token) -> list[str]:
    """A noun with what says which one is meant, no more than three words."""
    lefts = [child for child in noun.lefts if child.dep_ in ("amod", "compound") and child.text.isalnum()]
    return [child.text for child in [*lefts[-2:], noun]] if noun.text.isalnum() else []
