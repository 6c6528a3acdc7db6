"""What a sentence says about a stretch of it: about whom (the entity), and what (the relation), by its grammar.

Works on a parse by spaCy. From the value the tree is walked up to the verb or noun that governs it, and from there to
who the sentence is about. The relation is put together from the sentence's own words ("Directed By", "Year Founded",
"Number of Seats", "Capital Of"), so that it is true where the parse is. Where the subject of a clause cannot be named,
there is no answer: a call that asks about "the former" is worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamlam.annotate.clause_guesses import LOOSE_GUESS, in_sentence, loose_guess, nearest_verb
from lamlam.annotate.clause_parts import (
    VERBS,
    about_whom,
    complement,
    governing_subject,
    named,
    negated,
    nominal_subject,
    noun_name,
    object_of,
    owner_of,
    subject_of,
    title_case,
    verb_phrase,
    what_it_is,
)
from lamlam.annotate.clause_words import (
    CREEDS,
    EMPTY_VERBS,
    HOLDS,
    LIGHT,
    LOOSE,
    NO_PEOPLE,
    NOT_NOUNS,
    OF_NUMBERS,
    ORDINAL,
    PLACES,
    RIDDLES,
    TIME_PREPOSITIONS,
    VAGUE_STARTS,
    VAGUE_VALUES,
    WHOLE_EVENTS,
    WORKS,
)
from lamlam.annotate.coreference import Names
from lamlam.annotate.kinds import Kind, is_whole, kind_of
from lamlam.annotate.said import Said
from lamlam.text import Span

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token
    from spacy.tokens import Span as Tokens


def say(doc: Doc, span: Span, names: Names) -> Said | None:
    """What the text says about the value at `span` (characters); None where its grammar does not tell."""
    tokens = doc.char_span(*span, alignment_mode="expand")
    if tokens is None or not len(tokens):
        return None
    kind = kind_of(tokens)
    # "Casino (1995)" is of the name before it, "(Korean: …)" of what follows.
    aside = kind is Kind.YEAR and tokens.start > 0 and doc[tokens.start - 1].text == "("
    aside |= tokens.end < len(doc) and doc[tokens.end].text == ":"
    if aside or not is_whole(tokens) or names.means_subject(tokens.text) or names.subject in tokens.text:
        return None
    root = tokens.root
    first = _first_conjunct(root, tokens)
    for rule in (*_RULES, in_sentence):
        said = rule(first, tokens, kind, names)
        if said is not None:
            break
    if said is not None and _sensible(said, tokens, kind):
        return said
    said = loose_guess(first, tokens, kind, names)
    return said if said is not None and _sensible(said, tokens, kind) else None


def _sensible(said: Said, tokens: Tokens, kind: Kind) -> bool:
    """Whether the question makes sense outside of its sentence, and the value answers it."""
    words = said.relation.lower().split()
    return not (
        RIDDLES & set(words)
        or words[:1] in (["one"], ["to"], ["of"], ["'s"])
        or not 1 <= len(words) <= 8
        or (kind is Kind.NUMBER and said.rule not in (*OF_NUMBERS, LOOSE_GUESS))
        or tokens.text.lower() in VAGUE_VALUES
        or tokens[0].lower_ in VAGUE_STARTS
        or (tokens[0].ent_type_ == "ORDINAL" and tokens.text.islower() and len(tokens) < 3)
        or words == tokens.text.lower().split()
        or ORDINAL.fullmatch(tokens.text) is not None
    )


def _described(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "an American actor": what stands before the noun that says what the subject is."""
    if root.dep_ not in ("amod", "nummod", "compound", "nmod", "poss"):
        return None
    noun = _first_conjunct(root.head, tokens)
    while noun.dep_ == "compound":
        noun = noun.head
    entity = what_it_is(noun, names)
    if entity is None:
        return None
    if kind is Kind.NATIONALITY:
        if (names.person and entity != names.subject) or tokens.text in CREEDS:
            return None
        relation = "Nationality" if names.person else "Country of Origin" if noun.lemma_.lower() in WORKS else "Country"
        return Said(entity, relation, "described", f"{'person' if names.person else 'thing'} nationality")
    if kind is Kind.YEAR and not names.person:
        relation = "Release Year" if noun.lemma_.lower() in WORKS else "Year"
        return Said(entity, relation, "described", f"{noun.lemma_.lower()} year")
    return None


def _counted(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "has 25 seats": the number of something."""
    if kind is not Kind.NUMBER or root.dep_ != "nummod" or root.head.pos_ not in ("NOUN", "PROPN"):
        return None
    if not root.like_num or root.i > root.head.i:  # "a BRM 15"
        return None
    noun = root.head
    of_parts = noun.dep_ == "pobj" and noun.head.head.lemma_ in ("consist", "compose", "comprise", "contain")
    if noun.i in range(tokens.start, tokens.end) or not (noun.dep_ in ("dobj", "attr") or of_parts):
        return None
    entity = governing_subject(noun, names)
    if entity is None or noun.lemma_.lower() in NOT_NOUNS or not noun.text.isalpha():
        return None
    words = [child.text for child in noun.lefts if child.dep_ in ("amod", "compound") and child.i > root.i]
    done = noun.head.text if noun.dep_ == "dobj" and noun.head.lemma_ not in HOLDS else ""
    relation = title_case(f"number of {' '.join([*words, noun.text])} {done}")
    return Said(entity, relation, "counted", f"number {noun.lemma_.lower()} {done}".strip())


def _appositive(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "his wife, Jane Doe"; "the capital, Paris"."""
    if root.dep_ != "appos":
        return None
    noun = root.head
    entity = owner_of(noun, names)
    if entity is None or noun.pos_ != "NOUN":
        return None
    return Said(entity, noun_name(noun), "appositive", f"{noun.lemma_.lower()} {kind.value}")


def _object(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "won the Nobel Prize", "starring Emma Stone"."""
    if root.dep_ not in ("dobj", "oprd", "dative") or root.head.pos_ not in VERBS:
        return None
    verb = root.head
    about = about_whom(verb, names)
    if about is None or negated(verb) or verb.lemma_ in LIGHT:
        return None
    entity, what = about
    return Said(
        entity, title_case(f"{what} {verb_phrase(verb)}"), "object", f"{what} {verb.lemma_} {kind.value}".strip()
    )


def _under_preposition(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "was directed by Jane Doe", "moved to London in 1995", "the capital of France"."""
    if root.dep_ not in ("pobj", "pcomp"):
        return None
    preposition = root.head
    while preposition.dep_ in ("prep", "conj") and preposition.head.pos_ == "ADP":  # "from within"
        preposition = preposition.head
    head = preposition.head
    small = root.head.lower_ if kind.is_time else preposition.lower_  # "from 1880 to 1966" ended in 1966
    if head.pos_ in VERBS:
        return _under_verb(head, small, root, kind, names)
    if head.pos_ not in ("NOUN", "PROPN", "ADJ", "NUM"):
        return None
    if head.pos_ == "ADJ":  # "famous for", "adjacent to"
        entity = subject_of(head.head, names) if head.dep_ == "acomp" else what_it_is(head.head, names)
        key = f"{head.lemma_} {small} {kind.value}"
        return None if entity is None else Said(entity, title_case(f"{head.text} {small}"), "adjective", key)
    return _under_noun(head, small, kind, names)


def _under_verb(verb: Token, small: str, root: Token, kind: Kind, names: Names) -> Said | None:
    about = about_whom(verb, names)
    if about is None or negated(verb):
        return None
    entity, of_it = about
    phrase = "" if verb.lemma_ == "be" else verb_phrase(verb)
    if of_it:
        return _of_something(entity, of_it, phrase, verb, small, kind)
    if kind.is_time and small in TIME_PREPOSITIONS:
        what = complement(verb, root)
        if verb.lemma_ in LIGHT and not what:
            return None
        if verb.lemma_ not in WHOLE_EVENTS and not what:
            return None  # "Year Sat" says too little
        start = {"from": "start", "since": "start", "until": "end", "till": "end", "to": "end"}.get(small, "")
        unit = "year" if kind is Kind.YEAR else "date"
        relation = f"{start} {unit} {'' if verb.lemma_ == 'have' else phrase} {what}"
        return Said(entity, title_case(relation), "when", f"{verb.lemma_} {what} {start} time")
    if small in LOOSE and not kind.is_time:
        return None
    what = complement(verb, root) if verb.lemma_ in LIGHT or object_of(verb) is not None else ""
    if not phrase and not what and small in ("in", "at"):
        return Said(entity, "Location", "where", f"be {small} {kind.value}") if kind is Kind.PLACE else None
    if verb.lemma_ in LIGHT and not what:
        return None
    return Said(
        entity,
        title_case(f"{phrase} {what} {small}"),
        "preposition",
        f"{verb.lemma_} {what and '+'} {small} {kind.value}",
    )


def _of_something(entity: str, of_it: str, phrase: str, verb: Token, small: str, kind: Kind) -> Said | None:
    """What is said of a thing that belongs to the entity: "Competition Held In", "Habilitation Year"."""
    if verb.lemma_ in EMPTY_VERBS or verb.lemma_ in ("enter", "receive") or (small in LOOSE and not kind.is_time):
        return None
    key = f"{of_it} {verb.lemma_} {small} {kind.value}"
    if kind.is_time and small in ("in", "on"):
        unit = "year" if kind is Kind.YEAR else "date"
        return Said(entity, title_case(f"{of_it} {phrase} {unit}"), "when, of it", key)
    if not phrase or kind.is_time:
        return (
            Said(entity, title_case(f"{of_it} location"), "where, of it", key)
            if kind is Kind.PLACE and not phrase
            else None
        )
    return Said(entity, title_case(f"{of_it} {phrase} {small}"), "of it", key)


_MOMENTS = frozenset(
    {*("end", "beginning", "start", "middle", "rest", "time", "part", "season", "field", "stage"), "age"}
)
"""What has a number or a date "of" it, but only with more words."""


def _under_noun(noun: Token, small: str, kind: Kind, names: Names) -> Said | None:
    if small == "of" and noun.lemma_.lower() in PLACES and noun.dep_ == "pobj" and kind in (Kind.PLACE, Kind.OTHER):
        outer = noun.head  # "in the city of Anderson" is in Anderson
        if outer.head.pos_ in VERBS:
            return _under_verb(outer.head, outer.lower_, noun, Kind.PLACE, names)
        if outer.head.pos_ == "NOUN" and outer.head != noun:
            return _under_noun(outer.head, outer.lower_, Kind.PLACE, names)
    if small in LOOSE:
        return None
    entity = what_it_is(noun, names)
    if entity is not None:
        if small in ("in", "at", "on") and kind is Kind.PLACE and not names.person:
            return Said(entity, "Location", "what in", f"{noun.lemma_.lower()} {small} place")
        if small == "from" and kind is Kind.PLACE:
            return Said(entity, "Place of Origin", "what of", "noun from place")
        return Said(
            entity, title_case(f"{noun_name(noun)} {small}"), "what of", f"{noun.lemma_.lower()} {small} {kind.value}"
        )
    if small == "of" and kind in (Kind.NUMBER, Kind.YEAR, Kind.DATE):
        entity = governing_subject(noun, names)  # "has a population of 1,234"
        if entity is not None and noun.lemma_.lower() not in _MOMENTS:
            return Said(entity, noun_name(noun), "measure", "")
    if noun.dep_ == "dobj" and noun.head.pos_ in VERBS and not negated(noun.head):
        entity = subject_of(noun.head, names)
        if entity is not None:
            phrase = "" if noun.head.lemma_ in LIGHT else verb_phrase(noun.head)
            relation = title_case(f"{phrase} {noun_name(noun)} {small}")
            return Said(entity, relation, "object of", f"{noun.head.lemma_} {noun.lemma_.lower()} {small} {kind.value}")
    governor = noun.head.head
    if (
        noun.dep_ == "pobj"
        and governor.pos_ in VERBS
        and noun.head.lower_ in ("as", "in", "at", "on", "to", "with")
        and not negated(governor)
    ):
        entity = subject_of(governor, names)
        if entity is not None and noun.pos_ == "NOUN" and governor.lemma_ not in LIGHT:
            relation = title_case(f"{verb_phrase(governor)} {noun.head.lower_} {noun_name(noun)} {small}")
            return Said(
                entity,
                relation,
                "within",
                f"{governor.lemma_} {noun.head.lower_} {noun.lemma_.lower()} {small} {kind.value}",
            )
    return None


def _attribute(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "is a town", "its capital is Paris"."""
    if root.dep_ != "attr" or root.head.lemma_ not in ("be", "become", "remain"):
        return None
    subject = nominal_subject(root.head)
    if subject is None or negated(root.head):
        return None
    owner = owner_of(subject, names)
    if owner is not None and subject.pos_ == "NOUN":
        return Said(owner, noun_name(subject), "is", f"{subject.lemma_.lower()} is {kind.value}")
    entity = named(subject, names)
    if entity is None:
        return None
    if tokens[0].tag_ in ("JJS", "RBS"):
        return None  # "the most populous state" is so only among others
    if kind in (Kind.OTHER, Kind.NATIONALITY) and not any(token.like_num for token in tokens):
        person = names.person if entity == names.subject else subject.ent_type_ == "PERSON"
        person &= not NO_PEOPLE & {token.lower_ for token in tokens}
        relation = "Nationality" if kind is Kind.NATIONALITY else "Occupation" if person else "Type"
        return Said(entity, relation, "what", f"{'person' if names.person else 'thing'} is")
    return None


def _dated(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "died 4 May 1995", "born May 4": a date straight under its verb."""
    if not kind.is_time or root.dep_ not in ("npadvmod", "nmod", "advmod") or root.head.pos_ not in VERBS:
        return None
    verb = root.head
    entity = subject_of(verb, names)
    if entity is None or negated(verb) or verb.lemma_ in LIGHT:
        return None
    unit = "year" if kind is Kind.YEAR else "date"
    return Said(
        entity, title_case(f"{unit} {verb_phrase(verb)} {complement(verb, root)}"), "when", f"{verb.lemma_}  time"
    )


def _place(root: Token, tokens: Tokens, kind: Kind, names: Names) -> Said | None:
    """A rule: "is a village in Dana District, Dan County, Iran": places that say what sort they are, or come later."""
    sort = tokens[-1].lower_
    later = tokens.root.dep_ in ("appos", "conj", "npadvmod", "nmod") and kind is Kind.PLACE
    if tokens[-1].pos_ != "PROPN" or not (later or sort in PLACES):
        return None
    for _ in range(4):
        if root.dep_ not in ("appos", "conj", "npadvmod", "nmod") or root.head == root:
            break
        root = root.head
    if root.dep_ != "pobj" or root.pos_ != "PROPN" or root.head.lower_ not in ("in", "of"):
        return None
    noun = root.head.head
    lies = noun.pos_ in VERBS and noun.lemma_ in ("locate", "situate", "base", "lie", "headquarter")
    entity = subject_of(noun, names) if lies else what_it_is(noun, names)
    if entity is None or names.person:
        return None
    relation = title_case(sort) if sort in PLACES else "Location"
    return Said(entity, relation, "place", f"in {relation}")


_RULES = (*(_described, _counted, _place, _appositive, _object, _under_preposition, _attribute, _dated, nearest_verb),)


def _first_conjunct(token: Token, inside: Tokens) -> Token:
    """The head of a list: what is said of "A, B and C" is said of A. Conjuncts within the value are its own."""
    while token.dep_ == "conj" and token.head.pos_ not in VERBS and token.head.pos_ != "ADP":
        token = token.head
    return token
