"""`LookupModel`: a checkpoint and a base together, as a user holds them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lamlam.errors import LamlamError
from lamlam.generate.ask import Ask, who_asks
from lamlam.generate.constraint import constraint_of
from lamlam.generate.engine import Engine
from lamlam.generate.policy import Policy, PolicyName, named_policy
from lamlam.generate.prose import Generation, certain_text, generation
from lamlam.generate.request import Answered, Base, Event, Prompt, Request, Text, row_of
from lamlam.generate.row import Asked, Row
from lamlam.generate.sampling import Sampling
from lamlam.model import LookupTokenizer, load_model


class LookupModel:
    """A causal LM with lookup tokens, and the base that it asks; `kb=None` switches lookups off.

    Generations and streams that run at the same time, from one thread or several, share one running batch.
    """

    def __init__(self, model: Any, tokenizer: LookupTokenizer, kb: Base | None) -> None:
        self.model, self.tokenizer, self.kb = model, tokenizer, kb
        self._engines: dict[
            tuple[bool, int], Engine
        ] = {}  # by whether queries are constrained, and by the beam's width
        self._news: dict[Request, deque[tuple[Event, str]]] = {}  # with the text that was certain then
        self._lock = threading.Lock()

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, kb: Base | None = None, device: str | torch.device | None = None
    ) -> LookupModel:
        """Load a checkpoint folder; on a GPU (taken where there is one) in bfloat16, on the CPU in float32."""
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        return cls(*load_model(folder, device, dtype), kb)

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 128,
        max_lookups: int = 64,
        policy: PolicyName | Policy = "abstain",
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        constrained: bool = False,
        beams: int = 1,
        ask: Ask = "always",
        batch_size: int = 64,
    ) -> list[Generation]:
        """Continue each prompt, looking facts up on the way; `batch_size` at once, each as soon as there is room.

        `max_new_tokens` counts what a reader sees: text, neither prompt nor calls. `policy`: what happens where nothing
        matches, by name or a function. `stop`: the text ends before any of these. `constrained`: ask only for entities
        and relations that the base has; `beams`: and of those for the likeliest that a beam so wide finds. `ask`:
        whether calls may be made at all, "always", "never", or as a fitted `Thrust` decides for each prompt.
        LamlamError for a prompt that does not fit into the model's window, and for whatever makes the base fail
        meanwhile.
        """
        if isinstance(prompts, str):
            raise LamlamError("generate takes a list of prompts: write generate([prompt])")
        if batch_size < 1:
            raise LamlamError(f"a batch of {batch_size} runs nothing: batch_size has to be at least 1")
        sampling = sampling or Sampling()
        rows = [self.row(prompt, max_new_tokens, max_lookups, stop) for prompt in prompts]
        self._ban_calls(rows, ask)
        chosen = named_policy(policy, self.kb)
        requests = [Request(row, chosen, sampling, sampling.seed + number) for number, row in enumerate(rows)]
        with self._running(requests, min(batch_size, len(requests)), constrained, beams) as engine:
            pending, mine = deque(requests), set(requests)
            while pending:
                if pending[0].row.finish is not None:
                    _raise_error(pending.popleft())
                    continue
                for event in self._step(engine):
                    if event.request in mine:
                        _raise_error(event.request)
        return [generation(self._as_text(prompt), row) for prompt, row in zip(prompts, rows, strict=True)]

    def stream(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int = 128,
        max_lookups: int = 64,
        policy: PolicyName | Policy = "abstain",
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        constrained: bool = False,
        beams: int = 1,
        ask: Ask = "always",
    ) -> Iterator[Text | Asked | Answered | Generation]:
        """Continue one prompt, yielding text as soon as it is certain, each question, and its answer, in order; last
        the whole as a Generation, with its citations."""
        sampling = sampling or Sampling()
        row = self.row(prompt, max_new_tokens, max_lookups, stop)
        self._ban_calls([row], ask)
        request = Request(row, named_policy(policy, self.kb), sampling, sampling.seed, told=True)
        told = 0
        with self._running([request], 1, constrained, beams) as engine:
            news = self._news[request]
            while row.finish is None or news:
                if not news:
                    self._step(engine)
                    continue
                event, certain = news.popleft()
                if event.kind == "answered" and event.asked is not None:
                    yield event.asked
                    yield Answered(event.match)
                    continue
                if len(certain) > told:
                    yield Text(certain[told:])
                    told = len(certain)
                _raise_error(request)
        yield generation(self._as_text(prompt), row)

    def row(self, prompt: Prompt, max_new_tokens: int, max_lookups: int, stop: str | Sequence[str] = ()) -> Row:
        """The prompt as a row for an engine; LamlamError where it does not fit into the model's window."""
        window = int(self.model.config.max_position_embeddings)
        lookups = max_lookups if self.kb is not None else 0
        return row_of(self.tokenizer, prompt, max_new_tokens, lookups, window, stop)

    def engine(self, slots: int, constrained: bool = False, beams: int = 1) -> Engine:
        """The engine that runs this model's requests; a larger one is made where `slots` are more than it has, unless
        it is in the middle of something."""
        if beams < 1:
            raise LamlamError(f"a beam of {beams} finds nothing: beams has to be at least 1, which is greedy")
        engine = self._engines.get((constrained, beams))
        if engine is None or (engine.slots < slots and engine.idle) or engine.base is not self.kb:
            size = 1 << (slots - 1).bit_length()
            self._engines.pop((constrained, beams), None)  # its memory first
            constraint = constraint_of(self.kb, self.tokenizer) if constrained else None
            engine = Engine(self.model, self.tokenizer, self.kb, slots=size, constraint=constraint, beams=beams)
            self._engines[constrained, beams] = engine
        return engine

    def _ban_calls(self, rows: Sequence[Row], ask: Ask) -> None:
        """Ban calls in the rows that are not to ask."""
        if ask != "always":
            with self._lock:
                asks = who_asks(ask, self.model, self.tokenizer, [row.prompt for row in rows])
            for row, may in zip(rows, asks, strict=True):
                row.calls_banned = not may

    @contextmanager
    def _running(self, requests: list[Request], slots: int, constrained: bool, beams: int) -> Iterator[Engine]:
        """The engine, with these requests in it for as long as the context lasts."""
        with self._lock:
            engine = self.engine(max(slots, 1), constrained, beams)
            for request in requests:
                self._news[request] = deque()
                engine.add(request)
        try:
            yield engine
        finally:
            with self._lock:
                for request in requests:
                    engine.cancel(request)
                    del self._news[request]

    def _step(self, engine: Engine) -> list[Event]:
        with self._lock:
            events = engine.step()
            for event in events:
                if event.request.told and event.request in self._news:
                    self._news[event.request].append((event, certain_text(event.request.row)))
            return events

    def _as_text(self, prompt: Prompt) -> str:
        return prompt if isinstance(prompt, str) else self.tokenizer.decode_piece(list(prompt))


def _raise_error(request: Request) -> None:
    """Raise what made a request fail, if something did; a base's own errors are LamlamErrors."""
    if request.error is not None:
        raise request.error
