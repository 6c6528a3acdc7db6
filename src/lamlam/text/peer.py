r"""The peer's files (github: kilian-group/LMLM): calls as its annotators really wrote them, and its corpus file.

Its annotators are language models, so what stands in its files is not always written form: apostrophes are not
escaped or are escaped where they need not be, values hold brackets, a bracket is one too many. `parse_peer` tries
written form first, so that what we write ourselves means the same to both parsers, and then reads leniently:

- arguments in single or double quotes, apostrophes inside them bare or as `\'`; they are split at the one place where
  a closing quote, a comma and an opening quote meet;
- one stray `]` between the arguments and the arrow;
- a value up to the first `]` that no `[` inside the value has opened, on the same line and before the next call.

A call that still cannot be read is rejected with a reason, and *its markup is cut out of the text*, since a model
trained on broken markup writes broken markup. The cut ends after the call's closing bracket; where that cannot be
told, at the next call or at the end of the line: a lost clause is cheaper than half a call in the training text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.text.document import Document, Lookup
from lamlam.text.records import decode, from_json, to_json
from lamlam.text.written import OPEN, match_call, render_written, unescape_text

NO_ARROW = "no ' -> ' and value after the arguments"
NO_QUOTES = "the arguments are not in quotes"
ONE_ARGUMENT = "one argument, an entity without a relation"
MANY_ARGUMENTS = "more than two arguments"
NOT_CLOSED = "no ']' closes the call"
UNBALANCED = "unbalanced brackets in the value"

_ARROW = re.compile(r"\)\s*(?:\]\s*)?->\s*")
# A quote that no backslash escapes, a comma, another quote: where the entity ends and the relation begins.
_BETWEEN_ARGUMENTS = re.compile(r"(?<!\\)(?:\\\\)*(['\"])\s*,\s*(['\"])")
_BRACKET = re.compile(r"\\.|[\[\]]")
_ESCAPED = re.compile(r"\\(['\"\\\[\]])")

_SCHEMA = ("model_id", "prompt_id", "original_dataset", "original_dataset_ids", "processing_timestamp")


class Rejection(NamedTuple):
    """A call that could not be read: a countable reason, where it opens in the annotated text, and how it begins."""

    reason: str
    offset: int
    excerpt: str


class Parsed(NamedTuple):
    """What `parse_peer` made of an annotated text: the document, and the calls that are not in it."""

    document: Document
    rejected: list[Rejection]


@dataclass
class PeerReport:
    """What was found in the peer's files: every call is either parsed or rejected for a reason."""

    documents: int = 0
    parsed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    equal_to_source: int = 0
    """Documents whose text, the calls taken out, is their source text to the character."""
    verbatim_values: int = 0
    """Parsed calls whose value stands, to the character, right where the call stood."""

    @property
    def calls(self) -> int:
        """All calls seen."""
        return self.parsed + self.rejected.total()

    def add(self, parsed: Parsed, source: str | None) -> None:
        """Count one document."""
        document, rejected = parsed
        self.documents += 1
        self.parsed += len(document.calls)
        self.rejected.update(rejection.reason for rejection in rejected)
        self.equal_to_source += document.text == source
        self.verbatim_values += sum(document.text.startswith(call.lookup.value, call.at) for call in document.calls)


def parse_peer(annotated: str, id: str = "") -> Parsed:
    """Read an annotated text leniently: never raises, and accounts for every `[dblookup(`.

    The exception is an opening inside the argument or value of a call in written form, which belongs to that call.
    """
    text: list[str] = []
    length = 0
    lookups: list[tuple[int, Lookup]] = []
    rejected: list[Rejection] = []
    position = 0
    while True:
        start = annotated.find(OPEN, position)
        plain = unescape_text(annotated[position : start if start >= 0 else len(annotated)])
        text.append(plain)
        length += len(plain)
        if start < 0:
            return Parsed(Document.with_lookups(id, "".join(text), lookups), rejected)
        lookup, position = match_call(annotated, start) or _read_leniently(annotated, start)
        if isinstance(lookup, Lookup):
            lookups.append((length, lookup))
        else:
            rejected.append(Rejection(lookup, start, annotated[start : start + 80]))


def _read_leniently(annotated: str, start: int) -> tuple[Lookup | str, int]:
    """The call that opens at `start`, or the reason why it cannot be read; and where the text goes on."""
    ends = (annotated.find(mark, start + len(OPEN)) for mark in (OPEN, "\n"))
    limit = min((end for end in ends if end >= 0), default=len(annotated))
    arrow = _ARROW.search(annotated, start, limit)
    value_start = arrow.end() if arrow else start + len(OPEN)
    close = _closing_bracket(annotated, value_start, limit)
    after = limit if close is None else close + 1 + annotated.startswith(" ", close + 1)
    if arrow is None:
        return NO_ARROW, after
    arguments = _split_arguments(annotated[start + len(OPEN) : arrow.start()].strip())
    if isinstance(arguments, str):
        return arguments, after
    if close is None:
        return UNBALANCED if "]" in annotated[value_start:limit] else NOT_CLOSED, after
    return Lookup(*arguments, _unescape(annotated[value_start:close].rstrip())), after


def _closing_bracket(annotated: str, start: int, limit: int) -> int | None:
    depth = 0
    for bracket in _BRACKET.finditer(annotated, start, limit):
        if bracket[0] == "[":
            depth += 1
        elif bracket[0] == "]":
            if depth == 0:
                return bracket.start()
            depth -= 1
    return None


def _split_arguments(arguments: str) -> tuple[str, str] | str:
    """Entity and relation, or the reason why they cannot be told apart."""
    if len(arguments) < 2 or arguments[0] not in "'\"" or arguments[-1] not in "'\"":
        return NO_QUOTES
    # The quotes that meet at the comma have to be of the kind that opens the entity and closes the relation.
    between = [
        match
        for match in _BETWEEN_ARGUMENTS.finditer(arguments, 1, len(arguments) - 1)
        if match[1] == arguments[0] and match[2] == arguments[-1]
    ]
    if not between:
        return ONE_ARGUMENT
    if len(between) > 1:
        return MANY_ARGUMENTS
    return _unescape(arguments[1 : between[0].start(1)]), _unescape(arguments[between[0].end() : -1])


def _unescape(part: str) -> str:
    return _ESCAPED.sub(r"\1", part)


def read_peer(path: str | Path, report: PeerReport | None = None) -> Iterator[Document]:
    """The documents of the peer's corpus file; its calls are counted in `report`, the unreadable ones by reason.

    `meta` keeps every field of an example. The source text, where it is not the annotated text without its calls, is
    `meta["source_text"]`. Ids are `dataset/first original id`, and `#2`, `#3` … where one comes again.
    The file is one JSON object and is held in memory whole.

    Raises `LamlamError` where the file is not JSON in UTF-8 or not a corpus.
    """
    seen: Counter[str] = Counter()
    for number, example in enumerate(_load_examples(Path(path)), start=1):
        annotated = example.get("annotated_text") if isinstance(example, dict) else None
        source = example.get("text") if isinstance(example, dict) else None
        if not isinstance(annotated, str) or not isinstance(source, str | None):
            raise LamlamError(f"{path}, example {number}: no string 'annotated_text' (and 'text'); mend or drop it")
        id = example.get("id")
        if not isinstance(id, str):
            id = _original_id(example, f"{Path(path).stem}/{number}")
            seen[id] += 1
            id += f"#{seen[id]}" if seen[id] > 1 else ""
        meta = _example_meta(example, id)
        parsed = parse_peer(annotated, id)
        if report is not None:
            report.add(parsed, source)
        if source is not None and source != parsed.document.text:
            meta["source_text"] = source
        yield Document(id, parsed.document.text, parsed.document.calls, meta)


def write_peer(documents: Iterable[Document], path: str | Path) -> int:
    """Write the peer's corpus file, and return how many documents it holds.

    Each example also carries our `id`, and under `meta` what else a document's `meta` holds. The file's own metadata
    are gathered from the documents, so the same documents give the same file. Spans are not written: reading finds
    them again.
    Raises `LamlamError` for a document that UTF-8 or JSON cannot hold.
    """
    gathered: dict[str, set[str]] = {name: set() for name in ("original_dataset", "model_id", "prompt_id")}
    last_modified = ""
    count = 0
    with write_beside(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"examples": [')
        for document in documents:
            example = _example(document)
            for name, values in gathered.items():
                values.update([example[name]] if isinstance(example[name], str) and example[name] else [])
            last_modified = max(last_modified, str(example["processing_timestamp"] or ""))
            file.write((",\n" if count else "\n") + to_json(example, document.id))
            count += 1
        metadata = {
            "last_modified": last_modified,
            "source_datasets": sorted(gathered["original_dataset"]),
            "models_used": sorted(gathered["model_id"]),
            "prompts_used": sorted(gathered["prompt_id"]),
        }
        file.write('\n], "metadata": ' + to_json(metadata, "metadata") + "}\n")
    return count


def _example(document: Document) -> dict[str, Any]:
    meta = dict(document.meta)
    source = meta.pop("source_text", document.text)
    known = {name: meta.pop(name, None) for name in _SCHEMA}
    if known["original_dataset_ids"] is None:
        known["original_dataset_ids"] = [document.id]
    example = {"id": document.id, "annotated_text": render_written(document), "text": source, **known}
    return {**example, "meta": meta} if meta else example


def _example_meta(example: dict[str, Any], id: str) -> dict[str, Any]:
    """Every field that a Document has no place for, without those that `_example` only adds to fill the layout."""
    meta = {name: value for name, value in example.items() if name not in ("id", "annotated_text", "text")}
    for name in _SCHEMA:
        if meta.get(name) is None or (name == "original_dataset_ids" and meta[name] == [id]):
            meta.pop(name, None)
    ours = meta.get("meta")
    if isinstance(ours, dict):
        del meta["meta"]
        meta.update(ours)
    return meta


def _original_id(example: dict[str, Any], default: str) -> str:
    ids = example.get("original_dataset_ids")
    first = ids[0] if isinstance(ids, list) and ids else ids
    if not isinstance(first, str | int):
        return default
    dataset = example.get("original_dataset")
    return f"{dataset}/{first}" if isinstance(dataset, str) else str(first)


def _load_examples(path: Path) -> list[Any]:
    corpus = from_json(decode(path.read_bytes(), str(path)), str(path))
    if isinstance(corpus, dict) and "triplets" in corpus:
        raise LamlamError(f"{path}: a base of facts, not documents; read it with `lamlam kb import`")
    examples = corpus.get("examples") if isinstance(corpus, dict) else None
    if not isinstance(examples, list):
        raise LamlamError(f"{path}: not a corpus: no list 'examples' in it (one document a line belongs in .jsonl)")
    return examples
