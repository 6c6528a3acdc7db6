"""The LLM annotator: any model behind an OpenAI-compatible endpoint marks texts up, and only its calls are taken.

Long documents are cut at ends of sentences into pieces of `PIECE` characters, and joined again. Every answer is kept
in a journal (`journal`) before it is used: a run that was killed goes on with what it had, and asks nothing twice.
Answers pass the fidelity guard, so the text stays what it is whatever the model writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import yaml

from lamlam.annotate.endpoint import Answer, Endpoint, Spent
from lamlam.annotate.guard import carry_over
from lamlam.annotate.journal import Journal, key_of
from lamlam.annotate.sentences import pieces_of
from lamlam.errors import LamlamError
from lamlam.text import Call, Document, Span
from lamlam.text.peer import parse_peer
from lamlam.text.written import render_written

PIECE = 4_000
"""Characters of a text asked about at once, about 1,000 tokens."""
SLOT = "[INSERT_TEXT]"
CUT = "the answer was cut off before the text's end"


class Piece(NamedTuple):
    """A stretch of a document, and what the model said about it: an answer, or None where it gave none."""

    span: Span
    answer: Future[Answer | str] | None


class LLMAnnotator:
    """Annotates by asking. Use it in a `with` block: the journal is removed where the block ends well.

    `spent` counts requests, tokens, cost, retries, and what failed by reason; it may be read while documents pass. A
    document about which the endpoint gave no answer keeps the calls it had.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        spent: Spent,
        journal: Journal,
        messages: Sequence[dict[str, str]],
        model: str,
        at_once: int,
    ) -> None:
        self.spent = spent
        self._endpoint, self._journal, self._messages, self._model = endpoint, journal, messages, model
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="ask")

    @classmethod
    def open(
        cls,
        url: str,
        model: str,
        *,
        journal: Path,
        prompt: Path | None = None,
        at_once: int = 8,
        per_minute: float | None = None,
        price: tuple[float, float] | None = None,
        timeout: float = 120.0,
        first_wait: float = 1.0,
    ) -> LLMAnnotator:
        """An annotator for `model` at `url`; raises `LamlamError` for a prompt that cannot be used."""
        messages = load_prompt(prompt)
        spent = Spent()
        endpoint = Endpoint(
            url, model, spent=spent, per_minute=per_minute, price=price, timeout=timeout, first_wait=first_wait
        )
        return cls(endpoint, spent, Journal(journal), messages, model, at_once)

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents in their order, with the model's calls; several are asked about at once."""
        waiting: deque[tuple[Document, list[Piece]]] = deque()
        documents = iter(documents)
        try:
            while True:
                for document in islice(documents, 2 * self._at_once - len(waiting)):
                    waiting.append(
                        (
                            document,
                            [
                                Piece(span, self._ask(document.text[slice(*span)]))
                                for span in pieces_of(document.text, PIECE)
                            ],
                        )
                    )
                if not waiting:
                    return
                yield self._joined(*waiting.popleft())
        finally:
            for _, pieces in waiting:
                for piece in pieces:
                    if piece.answer is not None:
                        piece.answer.cancel()

    def __enter__(self) -> LLMAnnotator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._endpoint.close()
        # What failed may succeed next time, and then what did not fail need not be paid for again.
        self._journal.close(remove=kind is None and not self.spent.failed)

    def _ask(self, text: str) -> Future[Answer | str] | None:
        if not any(char.isalnum() for char in text):
            return None
        return self._pool.submit(self._answer, text)

    def _answer(self, text: str) -> Answer | str:
        # What looks like a call in the source is escaped, as it is in what comes back.
        written = render_written(Document("", text))
        last = self._messages[-1]
        filled = [*self._messages[:-1], {**last, "content": last["content"].replace(SLOT, written)}]
        key = key_of(self._model, *(part for message in filled for part in (message["role"], message["content"])))
        kept = self._journal.get(key)
        if kept is not None:
            self.spent.from_journal += 1
            return Answer(*kept)
        answer = self._endpoint.ask(filled)
        if isinstance(answer, Answer):
            self._journal.add(key, [answer.text, answer.cut])
        return answer

    def _joined(self, document: Document, pieces: Sequence[Piece]) -> Document:
        calls: list[Call] = []
        for (start, end), asked in pieces:
            answer = None if asked is None else asked.result()
            if not isinstance(answer, Answer):
                continue
            parsed = parse_peer(answer.text, document.id)
            guarded = carry_over(document.text[start:end], parsed.document)
            self.spent.dropped.update(rejected.reason for rejected in parsed.rejected)
            self.spent.dropped.update(guarded.dropped)
            if answer.cut:
                self.spent.dropped[CUT] += 1
            for call in guarded.document.calls:
                span = None if call.span is None else (call.span[0] + start, call.span[1] + start)
                calls.append(Call(call.at + start, call.lookup, span))
        merged = sorted([*document.calls, *calls], key=lambda call: call.at)
        return Document(document.id, document.text, tuple(merged), document.meta)


def load_prompt(path: Path | None = None) -> list[dict[str, str]]:
    """The chat messages of a prompt file, or of the package's own; the last one holds `[INSERT_TEXT]`."""
    where = str(path or "prompts/annotate.yaml")
    text = (
        path.read_text("utf-8")
        if path
        else files("lamlam.annotate").joinpath("prompts", "annotate.yaml").read_text("utf-8")
    )
    try:
        messages = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LamlamError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    fine = (
        isinstance(messages, list)
        and messages
        and all(
            isinstance(message, dict)
            and isinstance(message.get("role"), str)
            and isinstance(message.get("content"), str)
            for message in messages
        )
    )
    if not fine or SLOT not in messages[-1]["content"]:
        raise LamlamError(f"{where}: a prompt is a list of messages (role, content), of which the last holds {SLOT}")
    return [{"role": message["role"], "content": message["content"]} for message in messages]
