"""The names by which a text speaks of its subject: the title, its parts, pronouns, "the film"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lamlam.annotate.sentences import sentences_of
from lamlam.annotate.subject import bare_title, heading_end
from lamlam.kb.names import normalise

PERSONAL = frozenset({"he", "she", "his", "her", "him", "hers"})
IMPERSONAL = frozenset({"it", "its"})
PLURAL = frozenset({"they", "their", "them"})

_COPULA = re.compile(r"\b(?:is|was|are|were)\s+(?:an?|the|one of the)\s+([^.;:(]{2,160})")
_STOP = re.compile(
    r"\s+(?:by|in|of|from|that|which|who|whose|located|released|based|written|directed|published|developed|produced|created|founded|established"
    r"|designed|built|made|starring|featuring|set|held|played|known|used|formed|recorded|performed|owned|operated|and|for"
    r"|on|with|at)\b"
)
_LIFE = re.compile(r"\(?\b(?:[Bb]orn|née)\b|\(?\d{4}\)? ?[–-] ?(?:[^)]{0,40}\d{4})\)")
_JOB = re.compile(
    r"(?:ist|ician|ographer|writer|player|fighter|actor|actress|singer|poet|author|director|producer|politician|lawyer|coach"
    r"|footballer|cricketer|golfer|swimmer|runner|cyclist|boxer|wrestler|driver|painter|sculptor|composer|musician|rapper"
    r"|model|officer|soldier|general|bishop|priest|engineer|architect|professor|teacher|scholar|scientist|physicist"
    r"|historian|philosopher|mathematician|judge|diplomat|businessman|businesswoman|king|queen|prince|princess|novelist)$"
)
_PARTICLES = frozenset({"de", "von", "van", "da", "di", "la", "le", "del", "der", "bin", "al", "of", "the"})
_HE_SHE = re.compile(r"\b(?:[Hh]e|[Ss]he|[Hh]is|[Hh]er)\b")
_IT = re.compile(r"\b(?:[Ii]ts?)\b")


class Names:
    """How the text of one document speaks of its subject.

    `person` says whether the text takes it for a person: by "he", "she" and life dates against "it".
    """

    def __init__(self, title: str, text: str, aliases: Iterable[str] = ()) -> None:
        self.subject = title
        bare = bare_title(title)
        body = text[heading_end(text) :]
        start = body[:600]
        personal, impersonal = len(_HE_SHE.findall(body)), len(_IT.findall(body))
        words = bare.split()
        self.nouns = _type_nouns(body) | _last_words(title)
        like_a_person = len(words) <= 5 and all(word[:1].isupper() or word in _PARTICLES for word in words)
        evidence = min(personal, 3) - min(impersonal, 3)
        evidence += 3 * (_LIFE.search(start[:250]) is not None)
        evidence += 2 * any(_JOB.search(noun) is not None for noun in self.nouns)
        evidence += len(words) > 1
        evidence -= 3 * ("of" in words)  # "Prime Minister of Australia"; "Anne of Cleves" has life dates
        self.person = like_a_person and evidence >= 2
        if self.person:  # "the daughter" is somebody else
            self.nouns = frozenset()
        self.full = {normalise(name) for name in (title, bare, *aliases) if normalise(name)}
        self.spellings = {title, bare, *aliases}
        self.short: set[str] = set()
        if self.person and len(words) > 1:
            self.short = {normalise(words[-1])} | ({normalise(words[0])} if len(words[0]) > 2 else set())
            # "Paul Louis Wulff" for the title "Paul Wulff"
            longer = re.search(rf"{re.escape(words[0])}\s(?:[\w.'’-]+\s){{1,3}}{re.escape(words[-1])}", start)
            if longer is not None:
                self.full.add(normalise(longer.group()))
                self.spellings.add(longer.group())
            # "Gerald Allen (born …) is" for the title "Jerry Allen"
            called = re.match(rf"\s*((?:[A-Z][\w.'’-]*\s){{1,4}}{re.escape(words[-1])})\b", body)
            if called is not None:
                self.full.add(normalise(called.group(1)))
                self.spellings.add(called.group(1))
            self.spellings.add(words[-1])
        elif "," in bare:
            self.short = {normalise(bare.split(",")[0])}

    def means_subject(self, words: str) -> bool:
        """Whether these words, a noun phrase of the text, speak of the document's subject."""
        lower = words.lower().removesuffix("'s").removesuffix("’s").strip()
        if lower in PERSONAL:
            return self.person
        if lower in IMPERSONAL or lower in PLURAL:
            return not self.person
        folded = normalise(lower)
        if folded in self.full or folded in self.short:
            return True
        first, _, rest = lower.partition(" ")
        return first in ("the", "this") and bool(rest) and rest.split()[-1] in self.nouns and len(rest.split()) <= 2


def _last_words(title: str) -> frozenset[str]:
    """{"building"} for "Lamar Building", {"band"} for "Meduza (band)": what, with "the", may mean the subject."""
    found = re.search(r"\(([^()]*)\)$", title)
    phrase = found.group(1) if found is not None else title if " " in title else ""
    last = phrase.split()[-1].lower() if phrase.split() else ""
    return frozenset({last}) if last.isalpha() else frozenset()


def _type_nouns(body: str) -> frozenset[str]:
    """The nouns that the first sentence says the subject is: {"film"} for "… is a 1995 American comedy film by …"."""
    first = sentences_of(body[:1_000])[:1]
    found = _COPULA.search(body[slice(*first[0])]) if first else None
    if found is None:
        return frozenset()
    phrase = _STOP.split(found.group(1), maxsplit=1)[0]
    heads = [part.split()[-1].lower().strip(" .'\"") for part in re.split(r",| and | or ", phrase) if part.split()]
    return frozenset(head for head in heads if head.isalpha())
