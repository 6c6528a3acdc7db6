"""The one thread in which the model runs: all requests in one running batch, each joining and leaving as it comes.

A single thread, and not a lock: it alone touches the engine. Requests come to it through a queue, which it empties
between two steps, and the event loop never waits for the model.
"""

from __future__ import annotations

import asyncio
import queue
import secrets
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from lamlam.errors import LamlamError
from lamlam.generate import Engine, Event, Generation, LookupModel, Request, Row, Sampling
from lamlam.generate.prose import certain_text, generation
from lamlam.serve.errors import RequestError
from lamlam.serve.schema import CompletionRequest

_MAX_LOOKUPS = 64  # of one completion
_SLOTS = 64  # completions that run at once; more wait their turn


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


@dataclass(eq=False)
class Job:
    """A request made ready: its prompts, tokenised, and how to go on with them."""

    prompts: list[str]
    rows: list[Row]
    sampling: Sampling
    stream: bool
    requests: list[Request] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    """How many characters of each completion have been sent."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, start tokens not counted."""
        return sum(len(row.prompt) for row in self.rows)


News = Callable[[Piece | Finished | Exception | None], None]
"""Tells of a job: a piece, an end, what went wrong; None when all is told."""


class Worker:
    """Runs jobs on `lm`, all that there are at once. Close it when the server stops."""

    def __init__(self, lm: LookupModel) -> None:
        self.lm = lm
        self._engine = Engine(lm.model, lm.tokenizer, lm.kb, slots=_SLOTS)  # its own: only this thread touches it
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._jobs: dict[Job, News] = {}
        self._owners: dict[Request, tuple[Job, int]] = {}
        self._thread = threading.Thread(target=self._serve, name="lamlam-generate", daemon=True)
        self._thread.start()

    def prepare(self, request: CompletionRequest) -> Job:
        """The request as a job; `RequestError` for a prompt that does not fit the model's window."""
        stop = request.stop or ()
        rows: list[Row] = []
        for number, prompt in enumerate(request.prompts):
            try:
                rows.append(self.lm.row(prompt, request.tokens, _MAX_LOOKUPS, stop))
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
        """Do the job in the model's thread: pieces of text, if it streams, and the end of each completion, in order.

        Closing the generator stops the job at its next token.
        """
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Piece | Finished | Exception | None] = asyncio.Queue()

        def tell(one: Piece | Finished | Exception | None) -> None:
            loop.call_soon_threadsafe(news.put_nowait, one)

        self._orders.put(lambda: self._begin(job, tell))
        try:
            while (piece := await news.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self._orders.put(lambda: self._end(job))

    def close(self) -> None:
        """Drop what runs and what waits, and stop the thread."""
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        """Step the engine, and between two steps do what was ordered; wait for orders when there is nothing to run."""
        while True:
            try:
                while self._engine.idle or not self._orders.empty():
                    order = self._orders.get()
                    if order is None:
                        return
                    order()
                for event in self._engine.step():
                    if event.request in self._owners:
                        self._tell(event)
            except Exception as error:  # a defect: whoever waits has to be told, and the thread has to live on
                for job, tell in list(self._jobs.items()):
                    tell(error)
                    self._end(job)

    def _begin(self, job: Job, tell: News) -> None:
        self._jobs[job] = tell
        job.told = [0] * len(job.rows)
        for number, row in enumerate(job.rows):
            request = Request(row, sampling=job.sampling, seed=job.sampling.seed + number, told=job.stream)
            job.requests.append(request)
            self._owners[request] = job, number
            self._engine.add(request)

    def _end(self, job: Job) -> None:
        if self._jobs.pop(job, None) is not None:
            for request in job.requests:
                self._engine.cancel(request)
                del self._owners[request]

    def _tell(self, event: Event) -> None:
        job, number = self._owners[event.request]
        row, tell = event.request.row, self._jobs[job]
        if event.request.error is not None:
            tell(event.request.error)
            self._end(job)
            return
        if event.kind == "token":
            certain = certain_text(row)
            if len(certain) > job.told[number]:
                tell(Piece(number, certain[job.told[number] :]))
                job.told[number] = len(certain)
        if event.kind == "finished" and all(row.finish is not None for row in job.rows):
            for index, (prompt, done) in enumerate(zip(job.prompts, job.rows, strict=True)):
                tell(Finished(index, generation(prompt, done), done.clean.tokens))
            tell(None)
            self._end(job)
