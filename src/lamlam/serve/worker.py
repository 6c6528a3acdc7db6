"""The one thread in which the model runs: one request at a time, the others wait in the order in which they came.

A single thread, and not a lock: its queue is the order in which requests came, a request that nobody waits for any
more is dropped from it, and the event loop never waits for the model.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

from lamlam.errors import LamlamError
from lamlam.generate import POLICIES, Generation, LookupModel, Row, Sampling, decode
from lamlam.generate.prose import certain_text, generation
from lamlam.serve.errors import RequestError
from lamlam.serve.schema import CompletionRequest

_MAX_LOOKUPS = 64  # of one completion


@dataclass(frozen=True)
class Piece:
    """Text that is certain to stay, of the completion of prompt number `index`."""

    index: int
    text: str


@dataclass(frozen=True)
class Finished:
    """The completion of prompt number `index` is done; `tokens` of text were written for it, calls not counted."""

    index: int
    generation: Generation
    tokens: int


@dataclass(frozen=True)
class Job:
    """A request made ready: its prompts, tokenised, and how to go on with them."""

    prompts: list[str]
    rows: list[Row]
    sampling: Sampling
    stream: bool

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, start tokens not counted."""
        return sum(row.prompt_length - 1 for row in self.rows)


class Worker:
    """Runs jobs on `lm`, one after the other. Close it when the server stops."""

    def __init__(self, lm: LookupModel) -> None:
        self.lm = lm
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lamlam-generate")

    def prepare(self, request: CompletionRequest) -> Job:
        """The request as a job; `RequestError` for a prompt that does not fit the model's window."""
        rows: list[Row] = []
        for number, prompt in enumerate(request.prompts):
            try:
                rows.append(self.lm.row(prompt, request.tokens, _MAX_LOOKUPS))
            except LamlamError as error:
                which = "" if len(request.prompts) == 1 else f"prompt {number}: "
                raise RequestError(f"{which}{error}", "prompt", code="context_length_exceeded") from error
        sampling = Sampling(
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            seed=secrets.randbits(32) if request.seed is None else request.seed,
        )
        return Job(request.prompts, rows, sampling, bool(request.stream))

    async def run(self, job: Job) -> AsyncGenerator[Piece | Finished, None]:
        """Do the job in the model's thread: pieces of text, if it streams, and the end of each completion.

        Closing the generator stops the job at its next token.
        """
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Piece | Finished | Exception | None] = asyncio.Queue()
        gone = Event()

        def work() -> None:
            last: Exception | None = None
            try:
                for piece in self._decode(job, gone):
                    loop.call_soon_threadsafe(news.put_nowait, piece)
            except Exception as error:
                last = error
            loop.call_soon_threadsafe(news.put_nowait, last)

        waiting = self._thread.submit(work)
        try:
            while (piece := await news.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            gone.set()
            waiting.cancel()

    def close(self) -> None:
        """Let the running job end, drop those that wait, and stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _decode(self, job: Job, gone: Event) -> Iterator[Piece | Finished]:
        told = [0] * len(job.rows)
        lm = self.lm
        for event in decode(lm.model, lm.tokenizer, lm.kb, job.rows, POLICIES["abstain"], job.sampling):
            if gone.is_set():
                return
            if job.stream and event.asked is None:
                certain = certain_text(job.rows[event.row])
                if len(certain) > told[event.row]:
                    yield Piece(event.row, certain[told[event.row] :])
                    told[event.row] = len(certain)
        for number, (prompt, row) in enumerate(zip(job.prompts, job.rows, strict=True)):
            yield Finished(number, generation(prompt, row), row.text_tokens())
