"""Signs that a call is wrong, whatever its rule: the value is cut off, the question garbled or about something else.

They were found by reading calls one by one (`experiments/annotation/`). Where calls had better be true, one that shows
such a sign is not made; an annotator may well mark its value all the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamlam.annotate.clause_parts import VERBS, nominal_subject
from lamlam.annotate.clause_words import CREEDS, PLACES
from lamlam.annotate.coreference import Names
from lamlam.annotate.kinds import Kind, kind_of
from lamlam.kb.names import normalise
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
    {
        *("decline", "refuse", "fail", "try", "attempt", "plan", "want", "intend", "hope", "consider"),
        "ask",
        "threaten",
        "need",
    }
)
"""Verbs after which something was perhaps not done."""
_PASSING = frozenset({"last", "same", "next", "previous", "following", "final", "only"})
_NO_COUNTRIES = CREEDS | {"Arab", "Arabic", "European", "Asian", "African", "Latin", "Western", "Roman", "Jewish"}
_TELL_NOTHING = frozenset({"branch", "type", "form", "kind", "sort", "part", "piece", "series", "group", "set", "list"})
_NO_TYPES = frozenset(
    {"capital", "practice", "follow-up", "spin-off", "term", "word", "name", "champions", "broadcasting"}
)
_ABOUT_WORDS = frozenset({"pronunciation", "term", "word", "name", "language", "spelling"})
_SPANS_OF_TIME = frozenset({"season", "time", "year", "month", "week", "day", "occasion"})
_PARTS = frozenset({"portion", "part", "side", "half", "end", "corner", "tier"})
_COUNTED = frozenset({"times", "matches", "occasions", "games"})
_GO_ON = frozenset({"endemic", "native", "similar", "adjacent", "related", "devoted", "dedicated"})
"""Words that a "to" follows, which says what they mean."""
_HALVES = frozenset({"re", "co", "non", "ex", "pre", "self", "semi"})
"""Halves of words with a hyphen."""
_NOT_YET = frozenset({"scheduled", "planned", "expected", "intended"})
_STRETCHING = frozenset({"in", "on", "under", "at", "with", "during", "by", "including", "like", "as"})
_ARMED = re.compile(
    r"army|navy|force|corps|guard|marine|regiment|militia|infantry|military|war\b|battalion", re.IGNORECASE
)
_ODD = re.compile(
    r"%|(?:^| )(?:-|the|a|an|and|or|'s|\w+-)(?: |$)| - |\b(?:km|mi|kg|cm|ft|mm)\b|\bnumber(?! of)|including$|^\W",
    re.IGNORECASE,
)
"""Articles and halves of words in a relation come from a parse gone wrong."""


def doubt(doc: Doc, span: Span, lookup: Lookup, rule: str, names: Names) -> str | None:
    """Why the call about the value at `span` (characters of `doc`) is not to be trusted; None where it may be."""
    tokens = doc.char_span(*span, alignment_mode="expand")
    if tokens is None or not len(tokens):
        return CUT
    return (
        _of_value(doc, tokens, rule)
        or _of_end(doc, tokens, rule)
        or _of_relation(tokens, lookup.relation, rule)
        or _of_clause(doc, tokens, lookup, rule, names)
    )


def _of_value(doc: Doc, tokens: Tokens, rule: str) -> str | None:
    first, last, text = tokens[0], tokens[-1], tokens.text
    before = doc[tokens.start - 1] if tokens.start else None
    if before is not None:
        joined = not before.whitespace_ and before.text in ("-", "–", "/")  # "four-engine aircraft"
        inside = before.dep_ == "compound" and tokens.start <= before.head.i < tokens.end  # "table tennis event"
        inside &= before.pos_ == first.pos_  # not "actor" of "the actor Jane Doe"
        if joined or inside or first.lower_ in ("majesty", "rules"):  # "Her Majesty's", "Australian rules football"
            return CUT
        if re.fullmatch(r"\d+(?:st|nd|rd|th)", before.text) or (before.lower_ == "of" and rule == "counted"):
            return CUT  # "the 34th Senatorial District", "six of eight"
        of_value = before.head.i in range(tokens.start, tokens.end)
        adverb = before.dep_ == "advmod" and not first.like_num
        if of_value and (before.tag_ in ("JJS", "RBS") or adverb):
            return CUT  # "the best player", "a historically black university"
    if text.islower() and rule in ("object", "preposition", "within", "what of"):
        many = len(tokens) == 1 and last.tag_ == "NNS"  # "airlines"
        if many or (last.lemma_ in _SPANS_OF_TIME and (rule == "object" or last.lemma_ == "season")):
            return VAGUE  # "played nine seasons"
    if rule in ("object", "preposition") and any(one.lower_ in _STRETCHING and not one.ent_type_ for one in tokens):
        return CUT  # "Fury in eleven films"
    if last.pos_ == "ADJ" and len(tokens) == 1 and rule != "described":
        return CUT
    root = tokens.root if last.is_punct else last
    onward = root.dep_ in ("amod", "compound", "nmod") and root.head.i >= tokens.end
    if onward and rule not in ("described", "counted") and root.head.lemma_.lower() not in PLACES:
        return CUT  # "a state-related, land-grant university", "awarded to the League forward who"
    extreme = any(one.tag_ in ("JJS", "RBS") or one.lower_.endswith("most") for one in tokens)
    if rule == "what" and last.lower_ in _GO_ON:
        return CUT  # "a frog endemic" to Brazil
    if rule == "what" and (last.pos_ not in ("NOUN", "PROPN") or last.lower_ in _NO_TYPES or extreme):
        return VAGUE
    if tokens.root.dep_ == "conj" and (text.islower() or last.tag_ in ("NNS", "NNPS")) and not text[0].isdigit():
        return CUT  # of "A, B and C counties"
    if rule == "described" and (root.head.lemma_ in _ABOUT_WORDS or root.head.i < root.i):
        return ANOTHER  # "Italian pronunciation", "Pontedera 1912"
    if before is not None and before.text == "," and rule == "what of":
        return CUT  # "Duke of Fife, KG": what follows a comma is not what it is of
    if before is not None and before.lower_ == "no":
        return ANOTHER  # "requires no equipment"
    if before is not None and "&" in doc[max(0, tokens.start - 2) : tokens.start].text:
        return CUT  # "Hootie & the Blowfish"
    if text.islower() and last.lemma_ in _PARTS:
        return VAGUE  # "in the northern portion of"
    counts = first.like_num and len(tokens) == 2 and last.lower_ in _COUNTED
    if counts or (first.lower_ in _ABOUT_WORDS and len(tokens) > 1):
        return VAGUE  # "won seven times", "coined the term desktop publishing"
    if first.lower_ in ("m", "km", "kg", "ft") or re.search(r"[a-z] \d+[-–]\d", text):
        return CUT  # "100 m backstroke", "three seasons 2009-11", "Roubaix 1-0"
    if text in ("one", "BC", "AD", "BCE", "CE") or re.match(r"(?:start|end|beginning|top|bottom) of ", text):
        return VAGUE
    if (text.islower() and first.lower_ in _PASSING) or "(/" in text or re.match(r"[a-z]+\.\d", text):
        return VAGUE
    return None


def _of_end(doc: Doc, tokens: Tokens, rule: str) -> str | None:
    """Whether the value goes on behind, or says little without what stands there."""
    if tokens.end >= len(doc):
        return None
    last, after = tokens[-1], doc[tokens.end]
    rest = doc[tokens.end : tokens.end + 4].text.lower()
    if re.match(r"d['’]|\.[A-Z]", after.text) or tokens.text.endswith((" St", " Ste")):
        return CUT  # "Palme d'Or", "Normal F.C.", "Sault Ste. Marie"
    if last.lemma_.lower() in PLACES and after.lower_ == "of" and rule != "what":  # "the Canadian province of"
        return CUT
    if last.pos_ == "PROPN" and re.fullmatch(r"\d{1,2}", after.text):
        return CUT  # "NASA Astronaut Group 6"
    if rest.startswith(("of the same name", "state of", "states of")):
        return CUT
    if after.tag_ == "POS" and rule != "described":  # "a role in Brazil's victories"
        return CUT
    if rule == "what" and after.pos_ in ("NOUN", "PROPN", "ADJ", "NUM") and after.is_alpha:
        return CUT  # "a blues independent record label"
    nothing = len(tokens) == 1 or (after.lower_ == "of" and last.lemma_.lower() in _TELL_NOTHING)
    if rule == "what" and nothing and after.lower_ in ("of", "to", "on", "for"):
        return VAGUE  # "an operator of …", "an ancient branch of …"
    return None


def _of_relation(tokens: Tokens, relation: str, rule: str) -> str | None:
    words, kind = relation.lower().split(), kind_of(tokens)
    if _ODD.search(relation) or words in (["located", "of"], ["located", "to"], ["lies", "of"]):
        return GARBLED
    if words[-1] in _HALVES or ("states" in words and "united" not in words):
        return GARBLED  # "Set for Re", of a release; "Nominee for States Senate"
    if words[-2:] in (["one", "of"], ["known", "from"], ["name", "of"]):
        return GARBLED
    if words[0] in ("start", "end") and " to " in tokens.text:
        return CUT
    if words[0] in _NOT_YET or "finisher" in words:
        return LITTLE
    if kind.is_time and words[-1] == "from":  # "lead singer from 1959 to 1963"
        return GARBLED
    if kind is Kind.NUMBER and rule == "sentence" and words[0] != "population":
        return GARBLED  # of whom there are so many is a guess
    if words[0] in ("date", "year", "start", "end") and not any(char.isdigit() for char in tokens.text):
        return VAGUE
    said = any(one.pos_ == "NOUN" and one.text.islower() and one.lemma_ not in ("century", "decade") for one in tokens)
    if words[0] in ("date", "year", "start", "end") and said:
        return CUT  # "May 2015 by-election"
    if words in (["plays"], ["thanked"], ["year", "finished"], ["date", "finished"]):
        return LITTLE
    if kind is Kind.YEAR and words[-1] == "at":
        return CUT  # "at the 1908, the 1912 and the 1920 Summer Olympics"
    if words == ["military", "service"] and not _ARMED.search(tokens.text):
        return GARBLED
    if words == ["located"] or words[1:2] == ["has"]:
        return GARBLED
    if words == ["total"] or (words[0] in ("went", "came", "got") and len(words) == 2 and words[1] == "as"):
        return LITTLE
    if rule == "adjective" and tokens.root.sent.text.lower().find(f"the {words[0]} ") >= 0:
        return GARBLED  # "the second under its coach"
    if words[-2:] == ["known", "of"] or (rule == "preposition" and words.count("of") > 1):
        return GARBLED
    if "became" in words and {"first", "second", "third"} & set(words):
        return LITTLE
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
    if words[:1] in (["country"], ["nationality"]) and _NO_COUNTRIES & {tokens.text, *(token.text for token in tokens)}:
        return VAGUE
    small = any(one.is_alpha and one.is_lower for one in tokens)  # "American New York City-based folk music"
    if words == ["country"] and (small or tokens[-1].text in ("Christians", "Muslims", "Orthodox")):
        return VAGUE
    if words == ["occupation"] and tokens[-1].lemma_.lower() in PLACES:
        return ANOTHER  # an "electoral district" with a person's name
    peoples = {one.lower_ for one in tokens.root.sent if one.ent_type_ == "NORP"}
    if words[0] in ("start", "end") and peoples & set(words):
        return GARBLED  # "Start Year American Lawyer"
    return None


def _of_clause(doc: Doc, tokens: Tokens, lookup: Lookup, rule: str, names: Names) -> str | None:
    entity, relation = lookup.entity, lookup.relation
    if names.person and entity == names.subject and relation in ("Year Released", "Date Released"):
        return LITTLE
    if entity.startswith("List of ") or (entity == names.subject and not _named_at_first(doc.text, entity)):
        return ANOTHER
    if entity != names.subject:
        if relation == "Place of Origin":  # "in Tampa, Florida, across from the arena"
            return ANOTHER
        short = " " not in entity and entity in names.subject.split() and not names.person
        if short or "," in entity or " are " in entity or " is " in entity:
            return ANOTHER
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
    if relation == "Current Club" and verb.tag_ != "VBZ":
        return ANOTHER  # "has also played for"
    if rule == "when" and verb.lemma_ == "have":
        return GARBLED
    if verb.dep_ == "xcomp" and verb.head.lemma_ in _UNREAL:
        return ANOTHER
    told = [child for child in verb.children if child.ent_type_ == "ORDINAL" and child.lower_ != "first"]
    if any(child.i not in range(tokens.start, tokens.end) and child.pos_ != "NOUN" for child in told):
        return LITTLE  # "finished second to"
    if rule in ("when, of it", "of it", "nearest verb", "sentence") and _object_unsaid(verb, tokens, relation):
        return LITTLE  # "Station Changed Date", of its call sign
    subject = nominal_subject(verb)
    if subject is not None and tokens.root.sent.start > 0:
        phrase = doc[subject.left_edge.i : subject.i + 1].text
        if re.search(rf"{re.escape(entity)} [A-Z]", phrase) and names.means_subject(entity):
            return ANOTHER  # "PixelJunk Monsters Encore", in a text about PixelJunk Monsters
    while verb.dep_ == "conj" and verb.head.pos_ in VERBS:
        verb = verb.head
    left = verb.left_edge.i
    aside = verb.dep_ == "acl" and verb.head.dep_ in ("dobj", "pobj") and left and doc[left - 1].text == ","
    if aside and entity != names.subject:
        return ANOTHER  # "starring Bugs Bunny, directed by": what a participle after a comma is about is a guess
    return None


def _object_unsaid(verb: Token, tokens: Tokens, relation: str) -> bool:
    objects = [child for child in verb.children if child.dep_ == "dobj" and child.pos_ != "PRON"]
    return any(one.lower_ not in relation.lower() and one.i not in range(tokens.start, tokens.end) for one in objects)


def _named_at_first(text: str, title: str) -> bool:
    """Whether a text begins with its title, or a word of it: one that does not is about something else."""
    start = normalise(text[:400])
    words = [word for word in normalise(title).split() if len(word) > 2]
    return not words or any(word in start for word in words)


def _verb_above(token: Token) -> Token | None:
    for _ in range(6):
        if token.head == token:
            return None
        token = token.head
        if token.pos_ in VERBS:
            return token
    return None
