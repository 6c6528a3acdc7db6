"""Wikidata's JSON dump (https://www.wikidata.org/wiki/Wikidata:Database_download): one entity a line.

An entity is called by the title of its article in the chosen language's Wikipedia, which no other has, or else by its
label; label and aliases are its aliases. Where two without an article share a label, "(Q…)" tells them apart.
Preferred statements rank before normal ones; deprecated ones are left out, and so are unknown values, identifiers in
other catalogues, files and places on a map, and statements about or of something without a label in the language: all
are counted. The qualifiers start time, end time and point in time are the fact's `valid_from` and `valid_to`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamlam.kb.exchange.labels import Called, Labels
from lamlam.kb.exchange.opening import lines
from lamlam.kb.exchange.rows import Part, Place, Row, Skipped, in_parts

_RANK = {"preferred": -1, "normal": 0}
_TIME = re.compile(r"([+-])0*(\d+)-(\d\d)-(\d\d)T")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_YEAR, _MONTH, _DAY = 9, 10, 11  # precisions of a time
_OTHER = "identifiers in other catalogues, files, places on a map"
_NO_FACT = ("external-id", "commonsMedia", "globe-coordinate", "geo-shape", "tabular-data", "math", "musical-notation")
_FROM, _TO, _AT = "P580", "P582", "P585"


def learn(path: Path, labels: Labels, language: str) -> Iterator[tuple[Place, list[Called]]]:
    """What the entities of the lines after `labels.place` are called."""
    for place, line in lines(path, labels.place):
        entity = _entity(line)
        yield place, [_called(entity, language)] if entity else []


def read(path: Path, labels: Labels, language: str, skipped: Skipped, after: Place) -> Iterator[Part]:
    """The statements about the entities after a place."""
    return in_parts(_rows(path, labels, language, skipped, after), skipped, "line")


def _rows(path: Path, labels: Labels, language: str, skipped: Skipped, after: Place) -> Iterator[tuple[Place, Row]]:
    before = after
    for place, line in lines(path, after):
        where = f"line {place[1]:,}"
        entity = _entity(line)
        if entity is None:
            if line.strip(b" \t\r\n,[]"):
                skipped.add("no entity of Wikidata in JSON", where)
        elif (name := labels.name(entity["id"])) is None:
            skipped.add(f"an entity without a label in {language}", where)
        else:
            rows = list(_statements(entity, name, labels, language, skipped, where))
            # Reading goes on after the line only when all of it has been read.
            yield from ((before, row) for row in rows[:-1])
            yield from ((place, row) for row in rows[-1:])
        before = place


def _entity(line: bytes) -> dict[str, Any] | None:
    try:
        entity = json.loads(line.strip().rstrip(b","))
    except (ValueError, RecursionError):
        return None
    return entity if isinstance(entity, dict) and isinstance(entity.get("id"), str) else None


def _called(entity: dict[str, Any], language: str) -> Called:
    label = _text(entity, "labels", language)
    title = _text(entity, "sitelinks", f"{language}wiki", "title")
    listed = _dict(entity, "aliases").get(language)
    aliases = [one.get("value") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    texts = tuple(text for text in (label, *aliases) if isinstance(text, str) and text != title)
    return Called(entity["id"], title or label, title is not None, texts if title else texts[bool(label) :])


def _statements(
    entity: dict[str, Any], name: str, labels: Labels, language: str, skipped: Skipped, where: str
) -> Iterator[Row]:
    source = f"wikidata:{entity['id']}"
    for property, statements in sorted(_dict(entity, "claims").items()):
        for statement in statements if isinstance(statements, list) else []:
            snak = _dict(statement, "mainsnak")
            rank = _RANK.get(str(statement.get("rank")))
            if rank is None:
                skipped.add("a deprecated statement", where)
            elif snak.get("snaktype") != "value":
                skipped.add("an unknown value", where)
            elif snak.get("datatype") in _NO_FACT:
                skipped.add(_OTHER, where)
            elif (relation := labels.name(property)) is None:
                skipped.add(f"a property without a label in {language}", where)
            elif (value := _value(snak, labels)) is None:
                skipped.add(f"a value without a label in {language}", where)
            else:
                qualifiers = _dict(statement, "qualifiers")
                at = _date(qualifiers, _AT)
                valid = _date(qualifiers, _FROM) or at, _date(qualifiers, _TO) or at
                yield name, relation, value, source, None, None, None, None, rank, *valid


def _value(snak: dict[str, Any], labels: Labels) -> str | None:
    """A value as text; None for a thing without a label."""
    value = _dict(snak, "datavalue").get("value")
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    if "time" in value:
        return _spoken(value)
    if "amount" in value:
        unit = str(value.get("unit", "1")).rpartition("/")[2]
        amount = str(value["amount"]).removeprefix("+")
        return amount if unit == "1" else f"{amount} {called}" if (called := labels.name(unit)) else None
    if "text" in value:
        return str(value["text"])
    id = value.get("id") or f"Q{value.get('numeric-id')}"  # old dumps have the number only
    return labels.name(str(id))


def _spoken(value: dict[str, Any]) -> str | None:
    """A time in words, as precise as it is: "10 December 1815", "1815", "44 BC"."""
    found = _TIME.match(str(value["time"]))
    if found is None:
        return None
    sign, year, month, day = found.groups()
    precision = value.get("precision", _DAY)
    if precision == _YEAR - 1:
        year = f"{year[:-1]}0s"
    elif precision < _YEAR:
        return None
    words = [day.lstrip("0")] * (precision >= _DAY)
    words += [_MONTHS[int(month) - 1]] * (precision >= _MONTH and 1 <= int(month) <= 12)
    return " ".join([*words, year, *["BC"] * (sign == "-")])


def _date(qualifiers: dict[str, Any], property: str) -> str | None:
    """The first time of a qualifier as an ISO date of its precision."""
    listed = qualifiers.get(property)
    snak = listed[0] if isinstance(listed, list) and listed else {}
    value = _dict(_dict(snak, "datavalue"), "value")
    found = _TIME.match(str(value.get("time")))
    precision = value.get("precision", _DAY)
    if found is None or precision < _YEAR:
        return None
    sign, year, month, day = found.groups()
    parts = [f"{year:0>4}", month, day][: 1 + precision - _YEAR]
    return sign.strip("+") + "-".join(parts)


def _dict(parent: Any, name: str) -> dict[str, Any]:
    """A field that is an object; an empty one for anything else, such as the `[]` that PHP writes for it."""
    field = parent.get(name) if isinstance(parent, dict) else None
    return field if isinstance(field, dict) else {}


def _text(entity: dict[str, Any], field: str, key: str, name: str = "value") -> str | None:
    text = _dict(_dict(entity, field), key).get(name)
    return text if isinstance(text, str) and text.strip() else None
