"""A page that shows two annotations of the same documents side by side, in colour: what both say, and what one says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lamlam.evaluate.annotation import Pair, alike, matched
from lamlam.text import Call, Document

_STYLE = """
body { font: 15px/1.6 system-ui, sans-serif; margin: 2em auto; max-width: 1500px; padding: 0 1em; color: #222; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; margin-bottom: 2em; }
th, td { text-align: left; vertical-align: top; border: 1px solid #ccc; padding: .6em .8em; white-space: pre-wrap;
         overflow-wrap: anywhere; }
mark { border-radius: 3px; padding: 0 .15em; color: inherit; }
.same { background: #bfe8c2; } .alike { background: #fbe8a0; } .alone { background: #f6c1bd; }
.ask { font-size: .75em; color: #555; } .ask::before { content: "⟨"; } .ask::after { content: "⟩ "; }
"""


def write_page(pairs: Iterable[Pair], heading: str) -> str:
    """The page as HTML that needs nothing else; every string of a document is escaped."""
    rows = "\n".join(_rows(pair) for pair in pairs)
    legend = " ".join(
        f'<mark class="{name}">{what}</mark>'
        for name, what in (("same", "both give this value"), ("alike", "half of its words"), ("alone", "only one does"))
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(heading)}</h1><p>{legend}</p>\n{rows}\n</body></html>\n"
    )


def _rows(pair: Pair) -> str:
    predicted = pair.predicted or Document(pair.gold.id, pair.gold.text)
    classes: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for name, rule in (("alike", alike), ("same", _same)):
        for both in matched(pair.gold.calls, predicted.calls, rule):
            for side, call in zip(classes, both, strict=True):
                side[call] = name
    cells = "".join(
        f"<td>{_marked(document, side)}</td>" for document, side in zip((pair.gold, predicted), classes, strict=True)
    )
    missing = "" if pair.predicted is not None else " (missing)"
    heads = f"<tr><th>gold</th><th>predicted{missing}</th></tr>"
    return f"<h2>{escape(pair.gold.id)}</h2><table>{heads}<tr>{cells}</tr></table>"


def _same(one: Call, other: Call) -> bool:
    return one.lookup.value == other.lookup.value


def _marked(document: Document, classes: dict[int, str]) -> str:
    """The text with every call before its place, and the value's mention (or the value, if there is none) in colour."""
    parts: list[str] = []
    done = 0
    for number, call in enumerate(document.calls):
        name = classes.get(number, "alone")
        start = max(call.at, done)
        parts.append(escape(document.text[done:start]))
        entity, relation, value = call.lookup
        parts.append(f'<span class="ask">{escape(entity)} · {escape(relation)}</span>')
        done = start
        if call.span is None:
            parts.append(f'<mark class="{name}">→ {escape(value)}</mark> ')
        elif _free(document.calls[number + 1 :], call) and call.span[0] >= done:
            parts.append(escape(document.text[done : call.span[0]]))
            parts.append(f'<mark class="{name}">{escape(document.text[slice(*call.span)])}</mark>')
            done = call.span[1]
        else:  # another call stands inside the mention, or before it
            parts.append(f'<mark class="{name}">→ {escape(value)}</mark> ')
    return "".join([*parts, escape(document.text[done:])])


def _free(later: Sequence[Call], call: Call) -> bool:
    """Whether no later call stands before the end of this call's mention."""
    return call.span is not None and (not later or later[0].at >= call.span[1])
