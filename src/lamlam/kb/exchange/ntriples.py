"""N-Triples (https://www.w3.org/TR/n-triples/): one statement a line, things named by IRIs.

A thing is called by its `rdfs:label` or `skos:prefLabel` in the chosen language, or else by the last part of its IRI
(`…/resource/Ada_Lovelace`: "Ada Lovelace"; `…/ontology/birthDate`: "birth date"). `skos:altLabel` is an alias. Literals
in another language, and blank nodes, which have no name, are left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lamlam.kb.exchange.labels import Called, Labels, last_part
from lamlam.kb.exchange.opening import lines
from lamlam.kb.exchange.rows import Part, Place, Row, Skipped, in_parts

_LABELS = {
    "http://www.w3.org/2000/01/rdf-schema#label": True,
    "http://www.w3.org/2004/02/skos/core#prefLabel": True,
    "http://www.w3.org/2004/02/skos/core#altLabel": False,
}
_TRIPLE = re.compile(
    r"""\s*(?:<([^<>"\s]*)>|_:\S+)\s*<([^<>"\s]*)>\s*"""
    r"""(?:<([^<>"\s]*)>|_:\S+|("(?:[^"\\]|\\.)*")(?:@([A-Za-z]+(?:-[A-Za-z0-9]+)*)|\^\^<[^<>"\s]*>)?)\s*\.\s*(?:\#.*)?"""
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_CHARACTERS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def learn(path: Path, labels: Labels, language: str) -> Iterator[tuple[Place, list[Called]]]:
    """What the labels among the lines after `labels.place` say."""
    for place, line in lines(path, labels.place):
        called: list[Called] = []
        if b"abel>" in line and (triple := _read(line)):
            subject, predicate, _, text, of = triple
            if subject and predicate in _LABELS and text is not None and (of or language) == language:
                name = _LABELS[predicate]
                called = [Called(subject, text if name else None, aliases=() if name else (text,))]
        yield place, called


def read(path: Path, labels: Labels, language: str, skipped: Skipped, after: Place) -> Iterator[Part]:
    """The statements after a place that are no labels."""
    return in_parts(_rows(path, labels, language, skipped, after), skipped, "line")


def _rows(path: Path, labels: Labels, language: str, skipped: Skipped, after: Place) -> Iterator[tuple[Place, Row]]:
    for place, line in lines(path, after):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        where = f"line {place[1]:,}"
        if (triple := _read(line)) is None:
            skipped.add("no N-Triple", where)
            continue
        subject, predicate, thing, text, of = triple
        if predicate in _LABELS:
            continue
        if not subject or (thing is None and text is None):
            skipped.add("a blank node, which has no name", where)
        elif text is not None and of not in (None, language):
            skipped.add(f"a text in another language than {language}", where)
        else:
            value = text if text is not None else _called(labels, thing or "")
            relation = labels.name(predicate) or _CAMEL.sub(" ", last_part(predicate)).lower()
            yield place, (_called(labels, subject), relation, value)


def _read(line: bytes) -> tuple[str | None, str, str | None, str | None, str | None] | None:
    """Subject, predicate, and the object as a thing or as a text with its language; None for no N-Triple."""
    try:
        found = _TRIPLE.fullmatch(line.decode().rstrip())
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    subject, predicate, thing, text, of = found.groups()
    if b"\\" in line:
        try:
            subject, predicate, thing, text = (
                part and _ESCAPE.sub(_unescaped, part) for part in (subject, predicate, thing, text)
            )
        except (ValueError, OverflowError):  # no such character
            return None
    return subject, predicate, thing, None if text is None else text[1:-1], of


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _CHARACTERS.get(found[3], found[3])


def _called(labels: Labels, iri: str) -> str:
    return labels.name(iri) or last_part(iri).replace("_", " ")
