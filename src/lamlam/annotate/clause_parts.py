"""Parts of clauses: the subject of a verb and its name, what belongs to it, and how verbs and nouns are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamlam.annotate.coreference import Names
from lamlam.annotate.kinds import entities_of

if TYPE_CHECKING:
    from spacy.tokens import Token

VERBS = ("VERB", "AUX")
_VAGUE_NOUNS = frozenset(
    {
        *(
            "majority",
            "rest",
            "former",
            "latter",
            "other",
            "same",
            "man",
            "woman",
            "boy",
            "girl",
            "person",
            "fact",
            "term",
        ),
        *(
            "way",
            "result",
            "reason",
            "thing",
            "idea",
            "first",
            "second",
            "third",
            "last",
            "most",
            "author",
            "day",
            "year",
        ),
    }
)


def negated(verb: Token) -> bool:
    """Whether the verb says what is not, or only may be."""
    return any(child.dep_ == "neg" for child in verb.children) or any(
        child.dep_ == "aux" and child.lower_ in ("would", "could", "may", "might", "should", "must")
        for child in verb.children
    )


def nominal_subject(verb: Token) -> Token | None:
    """The subject of a verb, its own or that of the verb it is joined to."""
    seen = 0
    while seen < 8:
        for child in verb.children:
            if child.dep_ in ("nsubj", "nsubjpass"):
                if child.lower_ in ("who", "which", "that") and verb.dep_ == "relcl":
                    # "a club based in London that competes in …" is rarely about London.
                    return None if verb.head.ent_type_ in ("GPE", "LOC") else verb.head
                return child
        if verb.dep_ in ("conj", "xcomp", "advcl", "auxpass", "aux", "pcomp") and verb.head.pos_ in VERBS:
            verb = verb.head
        elif verb.dep_ == "pcomp" and verb.head.pos_ == "ADP" and verb.head.head.pos_ in VERBS:
            verb = verb.head.head
        elif verb.dep_ == "acl":
            return None if verb.head.ent_type_ in ("GPE", "LOC") and verb.head.dep_ == "pobj" else verb.head
        else:
            return None
        seen += 1
    return None


def subject_of(verb: Token, names: Names) -> str | None:
    """Who the subject of a verb is, where it can be named."""
    subject = nominal_subject(verb)
    return None if subject is None else named(subject, names) or what_it_is(subject, names)


def about_whom(verb: Token, names: Names) -> tuple[str, str] | None:
    """(entity, what of it): the subject of a verb, or what a common noun with "the" or "its" belongs to.

    "The competition was held in …", in a text about some games, tells when the games' competition was held.
    """
    entity = subject_of(verb, names)
    if entity is not None:
        return entity, ""
    subject = nominal_subject(verb)
    if subject is None or subject.pos_ != "NOUN" or subject.dep_ not in ("nsubj", "nsubjpass"):
        return None
    lefts = [child for child in subject.lefts if child.dep_ in ("det", "poss")]
    if not lefts or any(child.dep_ == "prep" for child in subject.children):
        return None
    if lefts[0].dep_ == "poss":
        owner = named(lefts[0], names)
        return None if owner is None else (owner, noun_name(subject))
    definite = lefts[0].lower_ in ("the", "this") and subject.tag_ == "NN"
    return (names.subject, noun_name(subject)) if definite and subject.lemma_.lower() not in _VAGUE_NOUNS else None


def governing_subject(noun: Token, names: Names) -> str | None:
    """The subject of the verb that a noun is the object of, through prepositions: "has an area of 25 acres"."""
    for _ in range(6):
        if noun.dep_ in ("dobj", "attr") and noun.head.pos_ in VERBS:
            return None if negated(noun.head) else subject_of(noun.head, names)
        if noun.dep_ in ("nsubj", "nsubjpass"):
            return owner_of(noun, names)
        if noun.dep_ in ("pobj", "prep", "conj", "npadvmod", "nmod"):
            noun = noun.head
            if noun.pos_ in VERBS:
                return None if negated(noun) else subject_of(noun, names)
        else:
            return None
    return None


def what_it_is(noun: Token, names: Names) -> str | None:
    """Who a noun says what they are: the subject of "X is an actor", or X in "X, an actor"."""
    for _ in range(3):
        if noun.dep_ == "attr" and noun.head.lemma_ == "be" and not negated(noun.head):
            subject = nominal_subject(noun.head)
            return None if subject is None else named(subject, names)
        if noun.dep_ == "appos":
            return named(noun.head, names)
        if noun.dep_ != "conj":
            return None
        noun = noun.head
    return None


def owner_of(noun: Token, names: Names) -> str | None:
    """Whose a noun is: "its capital", "the film's director", "the capital of X"."""
    for child in noun.children:
        if child.dep_ == "poss":
            return named(child, names)
        if child.dep_ == "prep" and child.lower_ == "of":
            for object_ in child.children:
                if object_.dep_ == "pobj":
                    return named(object_, names)
    return None


def named(token: Token, names: Names) -> str | None:
    """The name of what a noun phrase speaks of: the document's subject, or a proper name of its own."""
    left = token.left_edge.i
    # A parser may take a heading for a part of the sentence that follows it.
    left = max([left, *(before.i + 1 for before in token.doc[left : token.i] if "\n" in before.text)])
    words = token.doc[left : token.i + 1]
    determiner = words[0].lower_ in ("the", "this", "a", "an")
    if words[0].lower_ in ("a", "an") and token.ent_type_ not in ("PERSON", "ORG", "GPE", "WORK_OF_ART"):
        return None
    if names.means_subject(words.text) or names.means_subject(token.text if token.pos_ == "PRON" else words.text):
        return names.subject
    if any(len(name) > 3 and name in words.text for name in names.spellings if " " in name):
        return names.subject if token.dep_ in ("nsubj", "nsubjpass") and token.pos_ in ("PROPN", "NUM", "X") else None
    if token.pos_ != "PROPN":
        return None
    entity = next((found for found in entities_of(token.doc) if found.start <= token.i < found.end), None)
    if entity is not None and entity.label_ in ("DATE", "CARDINAL", "ORDINAL", "NORP"):
        return None
    if entity is None and left == token.i and not token.text.isupper():
        return None  # a word that only looks like a name
    end = max(token.i + 1, entity.end if entity is not None else 0)
    # "Canadian company Blue Castle Games": the name begins after the last small word that joins no names.
    start = max([left + determiner, *(word.i + 1 for word in token.doc[left:end] if _small(word))])
    found = token.doc[start:end]
    if start and (token.doc[start - 1].pos_ == "PROPN" or (token.doc[start - 1].text == "," and found.root.ent_type_)):
        return None  # the end of a longer name, or "Wisconsin" in "from Glenbeulah, Wisconsin is"
    # "Ythan /ˈaɪθən/", "Pasikudah (Tamil: …": how a name is said is no part of it.
    text = re.split(r" ?[/(\[:]", found.text)[0].removesuffix("'s").strip()
    place = token.doc.text.find(text, token.doc[left].idx)
    if any(
        token.doc.text.startswith(name, place - shift) for name in names.spellings for shift in (0, 4) if text in name
    ):
        return names.subject  # "Narrow Road", of "The Narrow Road to the Deep North"
    if any(word.pos_ == "AUX" for word in found):
        return None  # the parser took a verb for a part of the name
    if determiner and names.subject.startswith(f"{text} "):
        return names.subject  # "the Prime Minister", of that of Latvia
    if not re.match(r"[A-Z0-9]", text) or len(text.split()) > 8 or "," in text or _goes_on(token, end):
        return None
    if entity is not None and entity.label_ == "PERSON" and " " not in text and not names.means_subject(text):
        # Who is meant by a name alone, the text has to have said.
        fuller = [
            one.text
            for one in entities_of(token.doc)
            if one.end <= token.i and re.fullmatch(rf"[^,\n]+ {re.escape(text)}", one.text)
        ]
        return fuller[0] if fuller else None
    if determiner and " " not in text:  # "the Shire", in a text about a shire; otherwise a noun that is no name
        return names.subject if text.lower() in names.subject.lower().split() else None
    return names.subject if names.means_subject(text) else text


def _goes_on(token: Token, end: int) -> bool:
    """Whether a name has more words than were found: "Prime Minister of Latvia", "NCAA Division I"."""
    doc = token.doc
    if end >= len(doc):
        return False
    after = doc[end]
    of_name = (
        after.lower_ == "of" and end + 1 < len(doc) and (doc[end + 1].pos_ == "PROPN" or doc[end + 1].lower_ == "the")
    )
    return of_name or (after.pos_ in ("PROPN", "NUM") and after.head.i < end and token.is_ancestor(after))


def _small(word: Token) -> bool:
    return word.text.islower() and word.text.isalpha() and word.pos_ in ("NOUN", "ADJ", "VERB", "ADV")


def noun_name(noun: Token) -> str:
    """A noun with its adjectives, as a relation is written: "Second Wife"."""
    words = [
        child.text
        for child in noun.lefts
        if child.dep_ in ("amod", "compound")
        and child.pos_ != "PROPN"
        and child.ent_type_ != "NORP"
        and "-" not in (child.nbor(1).text, child.nbor(-1).text if child.i else "")
    ]
    return title_case(" ".join([*words, noun.text]))


def verb_phrase(verb: Token) -> str:
    """A verb with its particle: "taken over"."""
    particles = [child.text for child in verb.children if child.dep_ == "prt"]
    doc, i = verb.doc, verb.i
    again = i > 1 and doc[i - 1].text == "-" and not doc[i - 1].whitespace_  # "re-issued"
    return " ".join([f"{doc[i - 2].text}-{verb.text}" if again else verb.text, *particles])


def object_of(verb: Token) -> Token | None:
    """The object or predicate of a verb, if it has one."""
    return next((child for child in verb.children if child.dep_ in ("dobj", "attr", "oprd", "acomp")), None)


def complement(verb: Token, value: Token) -> str:
    """What a verb has beside the value: "joined *Arsenal* in 1999", "moved *to London* in 1995"."""
    object_ = object_of(verb)
    if object_ is not None and object_ != value:
        words = [
            token.text
            for token in object_.subtree
            if token.i <= object_.i and token.dep_ not in ("det", "poss", "predet", "relcl")
        ]
        return " ".join([*words[-4:], *_of_what(object_, value)])
    for child in verb.children:
        if (
            child.dep_ in ("prep", "agent")
            and child.lower_ in ("to", "for", "as", "into", "from", "with", "on")
            and child.i < value.i
        ):
            target = next((inner for inner in child.children if inner.dep_ == "pobj"), None)
            named_so = child.lower_ != "on" or (
                target is not None and target.pos_ == "PROPN" and target.ent_type_ != "DATE"
            )
            if target is not None and target != value and named_so and not target.text[0].isdigit():
                words = [
                    token.text for token in target.subtree if token.i <= target.i and token.dep_ not in ("det", "poss")
                ]
                return " ".join([child.text, *words[-3:], *_of_what(target, value)])
    return ""


def _of_what(noun: Token, value: Token) -> list[str]:
    """What a common noun belongs to or takes place in, in short: "of Society", "in Olympics" after "took part"."""
    if noun.pos_ != "NOUN":
        return []
    for child in noun.children:
        target = next((inner for inner in child.children if inner.dep_ == "pobj"), None)
        if child.dep_ != "prep" or child.lower_ not in ("of", "in", "for") or target is None or target == value:
            continue
        if target.text.isalpha() and value.i not in range(child.i, target.right_edge.i + 1):
            lefts = (word for word in target.lefts if word.dep_ in ("compound", "amod") and word.text.isalpha())
            return [child.text, *[word.text for word in lefts][-3:], target.text]
    return []


def title_case(words: str) -> str:
    """Words as a relation is written: "Moved to London In"."""
    small = {"of", "in", "by", "to", "for", "with", "at", "on", "as", "from", "and", "the", "into"}
    out = [
        word if word.lower() in small or not word[:1].islower() else word[:1].upper() + word[1:]
        for word in words.split()
    ]
    if out and out[-1].lower() in small:
        out[-1] = out[-1].capitalize()
    return " ".join(out)
