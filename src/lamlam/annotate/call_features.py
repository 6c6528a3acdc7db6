"""What can be told of a proposed call by its sentence, its question and its value: the input of the judge of calls.

Features are named as a reader would name them ("rule when", "verb found", "value is a whole entity"), so that a judge's
weights can be read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lamlam.annotate.clause_parts import VERBS, nominal_subject
from lamlam.annotate.coreference import Names
from lamlam.annotate.kinds import entities_of, kind_of
from lamlam.kb.names import normalise
from lamlam.text import Span

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token
    from spacy.tokens import Span as Tokens

LEVELS = (0.05, 0.1, 0.2, 0.4)
"""Chances by the tagger that are told apart."""
NO_RULE = "none"
"""The rule of calls that no rule of grammar made."""


def features_of(
    doc: Doc,
    span: Span,
    entity: str,
    relation: str,
    rule: str,
    names: Names,
    chance: float,
    words: Mapping[str, int],
) -> dict[str, float]:
    """The features of a call about the value at `span` (characters of `doc`); none where no words are there.

    `chance` is the tagger's; `words` says how often examples use a word in the name of a relation.
    """
    tokens = doc.char_span(*span, alignment_mode="expand")
    if tokens is None or not len(tokens):
        return {}
    found = {"always": 1.0, "tagger": math.log(min(max(chance, 0.01), 0.99) / (1 - min(max(chance, 0.01), 0.99)))}
    found |= {f"tagger above {level}": 1.0 for level in LEVELS if chance > level}
    found |= dict.fromkeys(_of_relation(relation, rule, kind_of(tokens).value), 1.0)
    counts = [math.log1p(words.get(word, 0)) for word in relation.lower().split()]
    found |= {"usual words": sum(counts) / max(1, len(counts)), "least usual word": min(counts, default=0.0)}
    found |= dict.fromkeys(_of_entity(entity, rule, names), 1.0)
    found |= dict.fromkeys(_of_value(doc, tokens), 1.0)
    found |= _of_sentence(tokens, entity, names)
    return found


def _of_relation(relation: str, rule: str, kind: str) -> Iterator[str]:
    words = relation.lower().split()
    yield f"rule {rule}"
    yield f"kind {kind}"
    yield f"rule {rule}, kind {kind}"
    yield f"relation of {min(len(words), 6)} words"
    yield f"relation ends in {words[-1]}"
    yield f"relation begins with {words[0]}"
    if words[-1] in ("in", "of", "by", "on", "for", "at", "to", "with", "from", "as"):
        yield "relation ends in a preposition"
    if len(set(words)) < len(words):
        yield "relation repeats a word"
    if not all(char.isalpha() or char in " '.-" for char in relation):
        yield "relation has odd signs"


def _of_entity(entity: str, rule: str, names: Names) -> Iterator[str]:
    title = names.subject
    ours, theirs = set(normalise(entity).split()), set(normalise(title).split())
    if entity == title:
        yield "entity is the title"
    elif entity in title:
        yield "entity is in the title"
    elif ours & theirs:
        yield "entity shares words with the title"
    else:
        yield "entity is another"
    yield f"entity of {min(len(entity.split()), 4)} words, {'the title' if entity == title else 'another'}"
    if names.person:
        yield "about a person"
        yield f"about a person, rule {rule}"


def _of_value(doc: Doc, tokens: Tokens) -> Iterator[str]:
    text, root = tokens.text, tokens.root
    yield f"value of {min(len(tokens), 6)} words"
    yield f"value is a {root.dep_}"
    yield f"value is {root.pos_}"
    if text[:1].isupper():
        yield "value begins with a capital"
    if text.islower():
        yield "value in small letters"
    if text[:1].isdigit():
        yield "value begins with a digit"
    entities = [one for one in entities_of(doc) if one.start < tokens.end and tokens.start < one.end]
    whole = any(one.end == tokens.end and tokens.start - one.start in (0, 1) for one in entities)
    yield "value is a whole entity" if whole else "value is part of an entity" if entities else "value is no entity"
    yield f"value is called {entities[0].label_ if entities else 'nothing'}"
    for chunk in _phrases(root):
        if chunk.start <= root.i < chunk.end:
            start = chunk.start + (doc[chunk.start].pos_ in ("DET", "PRON"))
            if start == tokens.start and chunk.end == tokens.end:
                yield "value is a whole phrase"
            if start < tokens.start:
                yield "value is cut off before"
                yield f"value is cut off after a {doc[tokens.start - 1].pos_}"
            if chunk.end > tokens.end:
                yield "value is cut off behind"
    for side, place in (("before", tokens.start - 1), ("behind", tokens.end)):
        if 0 <= place < len(doc):
            yield f"{side} it {doc[place].pos_}"
            yield f"{side} it “{doc[place].lower_}”"


def _phrases(root: Token) -> list[Tokens]:
    """The noun phrases of the token's sentence, which are looked for once."""
    sentence = root.sent
    known: dict[int, list[Tokens]] = root.doc.user_data.setdefault("phrases", {})
    if sentence.start not in known:
        known[sentence.start] = list(sentence.noun_chunks)
    return known[sentence.start]


def _of_sentence(tokens: Tokens, entity: str, names: Names) -> dict[str, float]:
    root, sentence = tokens.root, tokens.root.sent
    verb, depth = root, 0
    while verb.pos_ not in VERBS and verb.head != verb and depth < 8:
        verb, depth = verb.head, depth + 1
    found = {
        "words of the sentence": min(len(sentence), 60) / 20,
        "words before it": min(tokens.start - sentence.start, 50) / 20,
        "steps to the verb": float(depth),
        f"{min(depth, 5)} steps to the verb": 1.0,
        f"verb {verb.lemma_}": 1.0,
        f"verb is a {verb.dep_}": 1.0,
        "in the first sentence": float(sentence.start == 0),
        "verb behind it": float(verb.i > tokens.start),
    }
    above = {token.dep_ for token in (verb, *verb.ancestors)}
    found["in a relative clause"] = float("relcl" in above)
    found["in another clause"] = float(bool(above & {"advcl", "ccomp", "acl"}))
    before = sentence.text[: max(0, tokens.start_char - sentence.start_char)]
    found["in brackets"] = float(before.count("(") > before.count(")"))
    subject = nominal_subject(verb) if verb.pos_ in VERBS else None
    return found | (_of_subject(subject, tokens, entity, names) if subject is not None else {"no subject": 1.0})


def _of_subject(subject: Token, tokens: Tokens, entity: str, names: Names) -> dict[str, float]:
    phrase = subject.doc[subject.left_edge.i : subject.i + 1].text
    return {
        "subject is the document's": float(names.means_subject(phrase) or names.means_subject(subject.text)),
        f"subject is {subject.pos_}": 1.0,
        "subject behind it": float(subject.i > tokens.start),
        "subject is the entity": float(subject.text in entity),
    }
