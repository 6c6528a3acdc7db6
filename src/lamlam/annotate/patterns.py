"""Facts that a text states about its own subject, found by rules (`rule_language`): no table, no model.

Every sentence is read with the subject's mentions replaced by one character each, so that a rule says `{subject}` for
"Ada Lovelace", "Lovelace", "she" and, where the text takes its subject for one, "the film".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from operator import itemgetter

from lamlam.annotate.coreference import Names
from lamlam.annotate.merge import with_calls
from lamlam.annotate.rule_language import GENITIVE, SUBJECT, Rule, load_rules
from lamlam.annotate.sentences import sentences_of
from lamlam.annotate.subject import bare_title, heading_end, title_of
from lamlam.kb.names import normalise
from lamlam.text import Call, Document, Lookup, Span

LONGEST_SENTENCE = 1_000
"""Characters; what is longer is a list or a table, and costs more than it tells."""

_OPENING = re.compile(
    r"(?:(?!\s(?:has|had|have|which|that|who|began|took|featur|represent|play|won|compet))[^\n;:]){2,100}?"
    r"(?=\s*[(\[/]|,\s(?!Ltd|Inc|LLC)|\s(?:is|was|are|were|has|had|took|began|represent(?:s|ed)?|featur(?:es|ed)|competed|premiered|aired)\b)"
)
_WORD = re.compile(r"[a-z]+")
_NEGATION = re.compile(r"\b(?:not|never|no longer|neither|failed|proposed|planned)\b")
_NO_NAME = re.compile(
    r"(?:In|At|On|Born|During|After|Since|From|As|For|With|By|Following|Although|When|While|Under|There|This|These"
    r"|His|Her|Its|Founded|Located|Released)\b"
)
_ALSO_CALLED = {
    "track": ["song", "single"],
    "song": ["single"],
    "single": ["song"],
    "movie": ["film"],
    "film": ["movie"],
    "record": ["album", "ep"],
    "album": ["ep"],
    "show": ["series", "sitcom", "program", "programme", "telenovela"],
    "series": ["sitcom", "show", "drama", "telenovela", "anime"],
    "program": ["series", "show"],
    "game": ["videogame"],
    "building": [
        "church",
        "house",
        "home",
        "hotel",
        "theatre",
        "theater",
        "library",
        "skyscraper",
        "courthouse",
        "mansion",
    ],
    "house": ["home", "residence", "mansion"],
    "structure": ["bridge", "building", "tower"],
    "church": ["chapel", "cathedral"],
    "event": ["tournament", "championships", "championship", "race", "competition", "festival"],
    "tournament": ["championships", "championship", "cup", "open"],
    "competition": ["tournament", "league", "championship", "cup"],
    "race": ["rally"],
    "company": ["corporation", "manufacturer", "firm", "retailer", "airline", "publisher", "brand"],
    "club": ["team"],
    "team": ["club", "franchise"],
    "school": ["academy", "college"],
    "college": ["university"],
    "institution": ["university", "college"],
    "town": ["municipality", "city", "commune"],
    "city": ["town", "municipality"],
    "village": ["hamlet", "commune"],
    "stadium": ["arena", "ground", "venue"],
    "venue": ["stadium", "arena"],
    "station": ["stop"],
    "newspaper": ["daily", "weekly"],
    "magazine": ["journal"],
    "book": ["novel"],
    "novel": ["book"],
    "organization": ["association", "union", "federation"],
    "organisation": ["association", "union", "federation"],
    "group": ["band"],
    "band": ["group", "duo", "trio"],
    "ship": ["destroyer", "cruiser", "frigate", "steamer", "battleship"],
    "facility": ["airport", "hospital", "prison", "stadium"],
    "plant": ["herb", "shrub"],
    "aircraft": ["airliner", "fighter", "bomber"],
}
"""What else a text calls its subject, by the nouns that it says the subject is: "The track" for a song."""
_LIFE = re.compile(r"\s*\([^\n]{0,200}?\b(?:born|1\d{3}|20\d\d)\b[^()\n]{0,80}\)\s(?:is|was)\s")
_GOES_ON = re.compile(r"\.[A-Z]")
"""Behind "U", of the U.S."""
_SMALL = frozenset({"the", "and", "for", "season", "list"})


class Patterns:
    """Annotates by rules: those that come with the package, or others."""

    def __init__(self, rules: Sequence[Rule] | None = None) -> None:
        every = list(load_rules() if rules is None else rules)
        self._rules = {
            about: _by_word(rule for rule in every if rule.about in (None, about)) for about in ("person", "thing")
        }

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with calls for what they say about their titles; a document without a title stays as it is."""
        return map(self._annotate, documents)

    def _annotate(self, document: Document) -> Document:
        title = title_of(document)
        if title is None or not document.text:
            return document
        names = Names(title, document.text)
        return with_calls(document, self.calls(document.text, names))

    def calls(self, text: str, names: Names) -> list[Call]:
        """What the rules find, in the order of the text; of several values at one place, the first rule's."""
        rules = self._rules["person" if names.person else "thing"]
        mentions = mention_pattern(names)
        begin = heading_end(text)
        begun = False
        found: list[Call] = []
        for start, end in sentences_of(text):
            if start < begin or end - start > LONGEST_SENTENCE:
                continue
            opening = opening_name(text[start:end], names) if not begun else 0
            begun = True
            found += _in_sentence(text[start:end], start, rules, mentions, names.subject, opening)
        return found


def _by_word(rules: Iterable[Rule]) -> dict[str, list[tuple[int, Rule]]]:
    """The rules with their ranks, by the word that a sentence has to hold for them."""
    by: dict[str, list[tuple[int, Rule]]] = {}
    for rank, rule in enumerate(rules):
        by.setdefault(rule.word, []).append((rank, rule))
    return by


def mention_pattern(names: Names) -> re.Pattern[str]:
    """Every way in which the text may speak of its subject."""
    # "Westlake" for "Westlake, Ohio"
    short = {name.split(",")[0] for name in names.spellings} - {""}
    spoken = sorted(names.spellings | short, key=len, reverse=True)
    nouns = names.nouns | {word for word, others in _ALSO_CALLED.items() if not names.nouns.isdisjoint(others)}
    forms = [rf"[Tt]h(?:e|is) (?:{'|'.join(map(_either_case, sorted(nouns)))})"] if names.nouns else []
    forms += ["[Hh]e", "[Ss]he"] if names.person else ["[Ii]t", "[Tt]hey"]
    genitive = "[Hh]is|[Hh]er" if names.person else "[Ii]ts|[Tt]heir"
    one = "|".join([*(re.escape(name) for name in spoken), *forms])
    return re.compile(rf"\b(?:(?P<genitive>{genitive})|(?P<name>{one})(?P<s>['’]s)?)(?!\w)(?!-\w)")


def _either_case(word: str) -> str:
    """A word with a small or a capital letter at its front: far cheaper to compile than ignoring case."""
    return f"[{word[0]}{word[0].upper()}]{word[1:]}"


def opening_name(sentence: str, names: Names) -> int:
    """How many characters of a document's first sentence name its subject, in other words than its title does.

    "The Sears Centre Arena" for "Sears Centre", "Eudaldo Báez Galib" without the accent: what stands before the verb,
    if it holds half of the title's words, or more than that for people, or the first of them and life dates follow; 0
    where it does not.
    """
    found = _OPENING.match(sentence)
    a_list = names.subject.startswith("List of ")  # "Castle" of "List of Castle episodes" is something else
    if found is None or a_list or _NO_NAME.match(sentence) or (names.person and " and " in found.group()):
        return 0
    whole = re.match(rf"(?:The )?{re.escape(bare_title(names.subject))}(?!\w)", sentence)
    if whole is not None and whole.end() > found.end():  # "Goodbye South, Goodbye"
        return 0
    words = [word for word in normalise(bare_title(names.subject)).split() if len(word) > 2]
    said = set(normalise(found.group()).split())
    title = set(words) - _SMALL
    shared = len(title & said)
    named = names.person and words[:1] != [] and words[0] in said and _LIFE.match(sentence, found.end()) is not None
    if shared and (2 * shared >= len(title) + names.person or named):
        return found.end()
    # "Burhakaba" for "Buurhakaba"
    alike = not names.person and SequenceMatcher(None, names.subject.lower(), found.group().lower()).ratio() >= 0.8
    return found.end() if alike else 0


def _in_sentence(
    sentence: str,
    offset: int,
    rules: Mapping[str, Sequence[tuple[int, Rule]]],
    mentions: re.Pattern[str],
    subject: str,
    opening: int,
) -> list[Call]:
    read, places = _with_subject_marked(sentence, mentions, opening)
    words = {"", *_WORD.findall(read.lower())}
    tried = sorted((pair for word in words for pair in rules.get(word, ())), key=itemgetter(0))
    known = f" {normalise(subject)} "  # "church" tells nothing of "First Church", but "historic church" does
    calls: list[Call] = []
    taken: list[Span] = []
    for _, rule in tried:
        if not places and not rule.anywhere:
            continue
        first = rule.pattern.search(read)
        if first is None:
            continue
        for found in rule.pattern.finditer(read, first.start()) if rule.of_others else (first,):
            if _NEGATION.search(found.group()) is not None:
                continue
            entity = found["of"] if rule.of_others else subject
            if SUBJECT in entity or GENITIVE in entity:
                continue
            for relation, start, end in _values(found, rule.relations, places):
                value = sentence[start:end]
                cut = value.endswith(("'s", "’s", " No")) or _GOES_ON.match(sentence, end) is not None
                if cut or any(start < other and one < end for one, other in taken):
                    continue
                if relation == "Type" and f" {normalise(value)} " in known:
                    continue
                taken.append((start, end))
                at = offset + start
                calls.append(Call(at, Lookup(entity, relation, value), (at, offset + end)))
    return sorted(calls, key=lambda call: call.at)


def _values(found: re.Match[str], relations: Sequence[str], places: Sequence[Span]) -> Iterator[tuple[str, int, int]]:
    """The relations of a rule that have a value here, and where in the sentence it begins and ends."""
    for number, relation in enumerate(relations):
        span, value = found.span(f"v{number}"), found[f"v{number}"]
        if value and SUBJECT not in value and GENITIVE not in value:
            yield relation, _place(span[0], places), _place(span[1] - 1, places) + 1


def _with_subject_marked(sentence: str, mentions: re.Pattern[str], opening: int = 0) -> tuple[str, list[Span]]:
    """The sentence with one character for every mention, and (place in it, place in the sentence) after each.

    Its first `opening` characters are a mention.
    """
    parts: list[str] = [SUBJECT] if opening else []
    places: list[Span] = [(1, opening)] if opening else []
    done, length = opening, len(parts)
    for found in mentions.finditer(sentence, opening):
        before = sentence[done : found.start()]
        genitive = found["genitive"] is not None or found["s"] is not None
        parts += [before, GENITIVE if genitive else SUBJECT]
        length += len(before) + 1
        done = found.end()
        places.append((length, done))
    parts.append(sentence[done:])
    return "".join(parts), places


def _place(at: int, places: Sequence[Span]) -> int:
    """Where in the sentence a character is that a rule saw at `at`."""
    before = bisect_right(places, (at, 1 << 60)) - 1
    return at if before < 0 else places[before][1] + at - places[before][0]
