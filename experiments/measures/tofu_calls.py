"""TOFU's 4,000 questions and answers as documents with calls, without an LLM.

    python experiments/measures/tofu_calls.py ../shared/data/eval/tofu runs/tofu/calls.parquet

Twenty rows in a row are about one author, whose name is the capitalised phrase that most of them have. What an answer
says is marked up in two ways: by the rules of `lamlam annotate --with patterns` about the author; and, what those
leave, names, titles in quotation marks, dates and years that the question does not hold, each asked for by the words of
the question ("date birth", and "award-winning books 2" for the second of several). So a fact of an answer that is none
of these ("his father was a baker") stays in the text, and with it in the weights.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet

from lamlam.annotate.merge import with_calls
from lamlam.annotate.patterns import Patterns
from lamlam.kb.names import normalise
from lamlam.text import Call, Document, Lookup
from lamlam.text.files import write_documents

ROWS = 20
WORD = r"(?:[A-ZÀ-ÖØ-Þ][\w’'-]*|[A-Z]\.)"
NAME = re.compile(rf"{WORD}(?:\s+(?:(?:of|the|de|da|dos|der|den|al|bin|ibn|van|von|for|in|and)\s+){{0,2}}{WORD})*")
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
DATE = re.compile(
    rf"\b(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: day)?(?: of)? (?:{MONTHS}),?(?: in the year| of)? \d{{4}}\b"
    rf"|\b(?:{MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b|\b\d{{1,2}}/\d{{1,2}}/\d{{4}}\b|\b\d{{3,4}}s?\b"
)
QUOTED = re.compile(r"[\"“]([^\"”]{2,80}?)[,.]?[\"”]|(?<![\w’'])['‘]([^'’]{3,60})['’](?!\w)")
_SAYS_NOTHING = """
    a an the is are was were be been being do does did has have had can could will would should may might of in on at by
    to for from with as and or that this these those it its he she his her him they their there who whom whose what
    which when where why how you your us we me any some tell provide mention name share give please about into ever
    author"""
EMPTY = frozenset(_SAYS_NOTHING.split())


def author_of(rows: list[tuple[str, str]]) -> str:
    """The capitalised phrase of two words or more that most rows have."""
    counts = Counter(
        name
        for question, answer in rows
        for name in {_bare(found) for found in NAME.findall(f"{question} . {answer}") if " " in _bare(found)}
    )
    return max(counts, key=lambda name: (counts[name], len(name)))


def by_question(document: Document, question: str, author: str) -> list[Call]:
    """A call before each name, title, date and number of the answer that the question and the author's name lack."""
    relation = relation_of(question, author)
    calls: list[Call] = []
    taken: list[tuple[int, int]] = []
    known = f" {normalise(question)} {normalise(author)} "
    own = set(normalise(author).split())
    for start, end in sorted(_values(document.text, len(question) + 1), key=lambda span: (span[0], -span[1])):
        value = document.text[start:end]
        inside = any(start < last and first < end for first, last in taken)
        if inside or f" {normalise(value)} " in known or own & set(normalise(value).split()):
            continue
        taken.append((start, end))
        known += f"{normalise(value)} "
        number = f" {len(calls) + 1}" if calls else ""
        calls.append(Call(start, Lookup(author, relation + number, value), (start, end)))
    return calls


def relation_of(question: str, author: str) -> str:
    """The words of a question that say what it asks for."""
    name = set(normalise(author).split())
    words = [re.sub(r"['’]s?$", "", word) for word in re.findall(r"[\w'’-]+", question)]
    kept = [word for word in words if word.lower() not in EMPTY and not set(normalise(word).split()) & name]
    return " ".join(kept[:6]).lower() or "answer"


def _values(text: str, begin: int) -> Iterator[tuple[int, int]]:
    for found in QUOTED.finditer(text, begin):
        yield found.span(1) if found[1] else found.span(2)
    for found in DATE.finditer(text, begin):
        yield found.span()
    for found in NAME.finditer(text, begin):
        name = _bare(found[0])
        starts_sentence = re.search(r"(?:^|[.!?]\s+)$", text[: found.start()]) or found.start() == begin
        if " " in name or not starts_sentence:
            yield found.start(), found.start() + len(name)


def _bare(name: str) -> str:
    return re.sub(r"['’]s?$", "", name).rstrip(".") if not re.search(r"\b[A-Z]\.$", name) else name


def main(tofu: Path, out: Path) -> None:
    table = pyarrow.parquet.read_table(tofu / "full.parquet").to_pylist()
    pairs = [(row["question"].rstrip(), row["answer"]) for row in table]
    patterns, documents, authors = Patterns(), [], []
    for first in range(0, len(pairs), ROWS):
        rows = pairs[first : first + ROWS]
        authors.append(author := author_of(rows))
        for number, (question, answer) in enumerate(rows, start=first):
            plain = Document(str(number), f"{question} {answer}", (), {"title": author})
            (ruled,) = patterns.annotate([plain])
            kept = tuple(call for call in ruled.calls if call.at > len(question))
            document = Document(plain.id, plain.text, kept, plain.meta)
            documents.append(with_calls(document, by_question(plain, question, author)))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_documents(documents, out)
    calls = sum(len(document.calls) for document in documents)
    words = sum(len(answer.split()) for _, answer in pairs)
    marked = sum(bool(document.calls) for document in documents)
    print(f"{len(set(authors))} authors, such as {', '.join(authors[:3])}")
    print(f"{calls:,} calls, {100 * calls / words:.1f} in 100 words of the answers; {marked / len(pairs):.1%} have one")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
