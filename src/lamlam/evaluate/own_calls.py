"""A text as the model would have it: with its own queries in it, and what a base answers to them.

The text itself is given, word for word; what the model decides is what it asks, and, with `places="own"`, where. The
outcome is a Document like any other, so that scoring it is scoring a document with calls. Two ways:

- `gold`: the documents' own calls say where, the model asks, greedily, and the base answers (paper, "dynamic").
- `own`: the model asks wherever the call is likelier for it than any word, which is what greedy decoding does.

Where the base has no match, the call is taken back, as the decoder's policy `abstain` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch

from lamlam.corpus import encode_document
from lamlam.generate import LookupModel
from lamlam.model import LookupTokenizer
from lamlam.text import Call, Document, Lookup

Places = Literal["gold", "own"]
Query = tuple[str, str]

_MOST_QUERY_TOKENS = 64
"""As in the decoder: a model that never closes a call would otherwise fill its window."""

_MOST_CALLS = 64
"""In one text."""


class Rewritten(NamedTuple):
    """A text with the model's own calls; how many it made (queries), and how many of them the base answered (hits)."""

    document: Document
    queries: int
    hits: int


@dataclass(slots=True)
class _Row:
    """A text being rewritten. `at` is the place to be decided on next; `calls` stand before it."""

    text: str
    places: list[int] | None
    """Where calls are due, from the last to the first; None where the model decides."""
    at: int
    calls: list[Call] = field(default_factory=list)
    queries: int = 0
    hits: int = 0
    likeliest: list[int] | None = None
    """The likeliest token after each of the text with `calls`; None where they have changed since."""

    def prefix(self, tokenizer: LookupTokenizer) -> list[int]:
        """The tokens before the place, start token included."""
        before = Document("", self.text[: self.at], tuple(self.calls))
        return [tokenizer.start_id, *encode_document(before, tokenizer).ids[:-1]]


def with_own_calls(
    lm: LookupModel,
    documents: Iterable[Document],
    places: Places = "gold",
    starts: Sequence[int] | None = None,
    batch_size: int = 256,
) -> list[Rewritten]:
    """Each document with the calls that the model makes in it, answered by `lm.kb`.

    `starts[i]`: the model asks nothing before this character of document i (a question that is not its to write).
    With places of its own, a text that outgrows the model's window is left as it is from there on.
    """
    documents = list(documents)
    rows = [
        _Row(document.text, [call.at for call in reversed(document.calls)] if places == "gold" else None, 0)
        for document in documents
    ]
    for row, start in zip(rows, starts or [0] * len(rows), strict=True):
        row.at = start
    for first in range(0, len(rows), batch_size):
        _rewrite(lm, rows[first : first + batch_size])
    return [
        Rewritten(
            Document.with_lookups(document.id, document.text, [call[:2] for call in row.calls], document.meta),
            row.queries,
            row.hits,
        )
        for document, row in zip(documents, rows, strict=True)
    ]


def _rewrite(lm: LookupModel, rows: list[_Row]) -> None:
    """Rounds in which every row that is not done decides on one place."""
    running = rows
    while running:
        asking, forced = [], []
        for row, place in zip(running, _next_places(lm, running), strict=True):
            if place is not None and row.queries < _MOST_CALLS:
                row.at = place
                asking.append(row)
                forced.append(row.places is not None)
        prefixes = [row.prefix(lm.tokenizer) for row in asking]
        # Answers to one question share what stands before them, and are asked for once.
        keys = list(dict.fromkeys(zip(map(tuple, prefixes), forced, strict=True)))
        asked = ask(lm.model, lm.tokenizer, [prefix for prefix, _ in keys], [opened for _, opened in keys])
        found = dict(zip(keys, asked, strict=True))
        queries = [found[tuple(prefix), opened] for prefix, opened in zip(prefixes, forced, strict=True)]
        made = [query for query in queries if query is not None]
        matches = iter(lm.kb.lookup_many(made) if lm.kb is not None and made else [None] * len(made))
        for row, query in zip(asking, queries, strict=True):
            match = next(matches) if query is not None else None
            row.queries += query is not None
            if query in [tuple(call.lookup[:2]) for call in row.calls if call.at == row.at]:
                match = None  # a model that asks the same again and again would never come to the text
            if query is not None and match is not None:
                row.hits += 1
                lookup = Lookup(*query, match.fact.value)
                row.calls.append(Call(row.at, lookup))
                row.likeliest = None
            if row.places is None and match is None:
                row.at += 1  # taken back: no call at this place again
        running = asking


def _next_places(lm: LookupModel, rows: list[_Row]) -> list[int | None]:
    """The next character before which each row may call; None where its text holds no more."""
    if not rows or rows[0].places is not None:
        return [row.places.pop() if row.places else None for row in rows]
    tokenizer = lm.tokenizer
    window = int(lm.model.config.max_position_embeddings)
    sequences, pieces = [], []
    for row in rows:
        document = Document("", row.text, tuple(row.calls))
        sequences.append([tokenizer.start_id, *encode_document(document, tokenizer).ids[:-1]])
        since = row.calls[-1].at if row.calls else 0
        piece = tokenizer.encode_text(f" {row.text[since:]}" if row.calls else row.text, first=not row.calls)
        pieces.append((since, piece))
    # A call that was taken back leaves the text as it was read before.
    changed = [i for i, row in enumerate(rows) if row.likeliest is None]
    if changed:
        for i, tokens in zip(
            changed, likeliest_tokens(lm.model, [sequences[i][:window] for i in changed]), strict=True
        ):
            rows[i].likeliest = tokens
    found: list[int | None] = []
    for row, sequence, (since, piece) in zip(rows, sequences, pieces, strict=True):
        found.append(_place(tokenizer, row, len(sequence) - len(piece), row.likeliest or [], since, piece))
    return found


def _place(
    tokenizer: LookupTokenizer, row: _Row, first: int, likeliest: list[int], since: int, piece: list[int]
) -> int | None:
    """The first character from `row.at` on where the model opens a call, or writes the space that announces one.

    The piece's token i is the sequence's token first + i, and is predicted at first + i − 1.
    """
    lone = tokenizer.encode_text(" ", first=False)
    space = lone[0] if len(lone) == 1 else None  # in some vocabularies no token is a space and nothing else
    artefact = 1 if row.calls else 0  # the space between a call and what follows it is not the text's
    for i in range(len(piece) + 1):
        if first + i - 1 >= len(likeliest):
            return None
        token = likeliest[first + i - 1]
        opens = token == tokenizer.entity_id
        if not opens and token != space:
            continue
        before = tokenizer.decode_piece(piece[:i])
        if before.endswith("\ufffd"):
            continue
        at = max(since, since + len(before) - artefact)
        if not opens and at < len(row.text) and row.text[at] == " ":
            at += 1
        if at >= row.at and at < len(row.text):
            return at
    return None


@torch.inference_mode()
def likeliest_tokens(
    model: Any, sequences: list[list[int]], never: Sequence[int] = (), batch_tokens: int = 8192
) -> list[list[int]]:
    """The likeliest token after each token of each sequence, of those that can come: all but `never`."""
    found: list[list[int]] = []
    longest = max(map(len, sequences))
    size = max(1, batch_tokens // longest)
    for first in range(0, len(sequences), size):
        some = sequences[first : first + size]
        inputs = torch.zeros((len(some), longest), dtype=torch.long)
        for row, sequence in enumerate(some):
            inputs[row, : len(sequence)] = torch.tensor(sequence)
        # Padding stands on the right, where no causal model sees it from the tokens that count.
        logits = model(input_ids=inputs.to(model.device), use_cache=False).logits
        if never:
            logits = logits.index_fill(2, torch.tensor(never, device=logits.device), -torch.inf)
        tokens = logits.argmax(dim=-1).tolist()
        found += [row[: len(sequence)] for row, sequence in zip(tokens, some, strict=True)]
    return found


@torch.inference_mode()
def ask(
    model: Any, tokenizer: LookupTokenizer, prefixes: Sequence[Sequence[int]], forced: Sequence[bool]
) -> list[Query | None]:
    """What the model asks, greedily, after each prefix: (entity, relation), or None where it does not ask.

    Where `forced`, the call is opened for it; elsewhere it has to open one itself. None as well for a query that does
    not come to its end. Of a prefix that leaves no room for a query, the last tokens are taken.
    """
    room = max(1, int(model.config.max_position_embeddings) - _MOST_QUERY_TOKENS - 1)
    prefixes = [prefix[-room:] for prefix in prefixes]
    queries: list[Query | None] = [None] * len(prefixes)
    if not prefixes:
        return queries
    width = max(map(len, prefixes)) + 1
    inputs = torch.zeros((len(prefixes), width), dtype=torch.long)
    seen = torch.zeros_like(inputs)
    written: list[list[int]] = []
    for row, prefix in enumerate(prefixes):
        opened = [tokenizer.entity_id] if forced[row] else []
        ids = [*prefix, *opened]
        inputs[row, width - len(ids) :] = torch.tensor(ids)
        seen[row, width - len(ids) :] = 1
        written.append(opened)
    entity, relation, ret, end = tokenizer.lookup_ids
    never = [end, tokenizer.eos_id, tokenizer.start_id]
    cache: Any = None
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
    running = list(range(len(prefixes)))
    for _ in range(_MOST_QUERY_TOKENS):
        output = model(
            input_ids=inputs.to(model.device), attention_mask=seen.to(model.device),
            position_ids=positions.to(model.device), past_key_values=cache, use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        cache = output.past_key_values
        logits = output.logits[:, -1].float().cpu()
        logits[:, len(tokenizer) :] = -torch.inf
        # In a call its grammar decides what may come.
        inside = torch.tensor([bool(written[row]) for row in running])
        further = torch.tensor([relation in written[row] for row in running])
        for token in (entity, *never):
            logits[inside, token] = -torch.inf
        logits[inside & further, relation] = -torch.inf
        logits[inside & ~further, ret] = -torch.inf
        chosen = logits.argmax(dim=1).tolist()
        kept = []
        for place, (row, token) in enumerate(zip(running, chosen, strict=True)):
            ids = written[row]
            if ids or token == entity:
                ids.append(token)
                if token == ret:
                    queries[row] = _query(tokenizer, ids)
                else:
                    kept.append(place)
        if not kept:
            break
        if len(kept) < len(running):
            cache.batch_select_indices(torch.tensor(kept, device=model.device))
            seen, positions = seen[kept], positions[kept]
            running, chosen = [running[place] for place in kept], [chosen[place] for place in kept]
        inputs = torch.tensor(chosen)[:, None]
        positions = positions[:, -1:] + 1
        seen = torch.cat([seen, torch.ones_like(inputs)], dim=1)
    return queries


def _query(tokenizer: LookupTokenizer, ids: list[int]) -> Query:
    """`<|db_entity|> entity<|db_relationship|> relation<|db_return|>` as its two parts."""
    middle = ids.index(tokenizer.relation_id)
    entity, relation = ids[1:middle], ids[middle + 1 : -1]
    return tokenizer.decode_piece(entity).removeprefix(" "), tokenizer.decode_piece(relation).removeprefix(" ")
