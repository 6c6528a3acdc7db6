"""How fast decoding with lookups is, against the peer's loop, in one run on one machine.

A model with random weights never asks by itself, so asking is steered: its output layer has a bias with which it opens
a call wherever it may, each row's calls are banned but where one is due, so that a lookup comes about every `EVERY`
tokens, and a bias keeps it from ending the text. What it asks it chooses itself, among the names that the base has.
The peer's loop here is ours, as faithful as can be told: transformers' `generate` runs until a query is closed, the
value is looked up and pasted into the text, and the whole text is tokenised and run again. It writes queries as long as
the engine's and as often, because a processor of logits tells it to, and asks the same base.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from lamlam.generate import Engine, Request, Row
from lamlam.kb import KnowledgeBase
from lamlam.model import LookupTokenizer, new_model, train_tokenizer
from lamlam.text.tokens import RETURN

EVERY = 25
"""Tokens that the model chooses for each lookup, its query included."""

_PROMPT = 16
_SYLLABLES = [c + v + e for c in "bcdfghjklmnprstvwz" for v in "aeiou" for e in ("", "n", "r", "s", "l")]
_FACTS_EACH = 6


class Rate(NamedTuple):
    """Tokens a second. `chosen`: of text and queries, those of a query included that alone could come; `all`: with the
    values put in; `every`: chosen for a lookup."""

    chosen: float
    all: float
    every: float


@dataclass(frozen=True)
class DecodeSpeed:
    """What was measured. Times in seconds, memory in bytes; `step` and `bare` at the largest batch: a whole step, and
    one of the model alone with the likeliest token taken; `first`: until a stream's first token, `single`: its step."""

    device: str
    model: str
    facts: int
    seed: int
    batch: int
    peer: Rate
    one: Rate
    many: Rate
    step: float
    bare: float
    first: float
    single: float
    requests: int
    memory_early: int
    memory_late: int

    def figures(self) -> list[tuple[str, float, str]]:
        """(what, value, unit) for a table."""
        return [
            ("peer's loop, one stream", self.peer.chosen, "tokens/s"),
            ("one stream", self.one.chosen, "tokens/s"),
            ("one stream, values counted", self.one.all, "tokens/s"),
            ("one stream, against the peer's loop", self.one.chosen / self.peer.chosen, "x"),
            (f"batch {self.batch}", self.many.chosen, "tokens/s"),
            (f"batch {self.batch}, values counted", self.many.all, "tokens/s"),
            (f"batch {self.batch}, against the peer's loop", self.many.chosen / self.peer.chosen, "x"),
            ("lookups, constraints and sampling", 100 * (1 - self.bare / self.step), "% of a step"),
            ("a step of the batch", 1e3 * self.step, "ms"),
            ("first token of a stream", self.first / self.single, "steps"),
            ("tokens chosen for a lookup, one stream", self.one.every, ""),
            (f"tokens chosen for a lookup, batch {self.batch}", self.many.every, ""),
            ("tokens chosen for a lookup, peer's loop", self.peer.every, ""),
            (f"memory grown, requests {self.requests // 10:,} to {self.requests:,}", self._grown(), "MB"),
        ]

    def _grown(self) -> float:
        return (self.memory_late - self.memory_early) / 1e6


def measure(
    folder: Path, preset: str, *, facts: int, batch: int, tokens: int, requests: int, seed: int, device: str
) -> DecodeSpeed:
    """Measure a preset's shape with random weights. `tokens`: how many each stream writes; `requests`: how many run to
    see whether memory stays flat. Files go to `folder`."""
    kb, tokenizer = made_up_base(folder / "facts.db", facts, seed)
    with kb:
        model = new_model(preset, tokenizer, seed).eval()
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        model = model.to(device, dtype)
        bench = Bench(model, tokenizer, kb, seed)
        bench.steer(batch)
        many, step, bare = bench.many(batch, tokens)
        one, first, single = bench.one(tokens)
        peer = bench.peer(tokens)
        early, late = bench.memory(batch, requests)
    return DecodeSpeed(
        device=torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        model=preset, facts=facts, seed=seed, batch=batch, peer=peer, one=one, many=many, step=step, bare=bare,
        first=first, single=single, requests=requests, memory_early=early, memory_late=late,
    )  # fmt: skip


class Bench:
    """A model with random weights that is steered to ask, its base, and requests made up for both."""

    def __init__(self, model: Any, tokenizer: LookupTokenizer, kb: KnowledgeBase, seed: int) -> None:
        self.model, self.tokenizer, self.kb = model, tokenizer, kb
        self.rng = Random(seed)
        special = {*tokenizer.lookup_ids, tokenizer.eos_id, tokenizer.start_id}
        self.ordinary = [token for token in range(len(tokenizer)) if token not in special]
        bias = torch.zeros(model.config.vocab_size, dtype=model.dtype, device=model.device)
        bias[tokenizer.eos_id], bias[tokenizer.entity_id] = -1e4, 1e4
        model.lm_head.bias = torch.nn.Parameter(bias, requires_grad=False)
        self.gap, self.query = EVERY, 0.0  # tokens of text between two calls, and of a query on average

    def engine(self, slots: int) -> Engine:
        """An engine of `slots` rows, whose queries are held to what the base has."""
        constraint = self.kb.prefix_index(self.tokenizer)
        return Engine(self.model, self.tokenizer, self.kb, slots=slots, constraint=constraint)

    def requests(self, count: int, tokens: int) -> list[Request]:
        """Requests with prompts of random tokens that write so many tokens of text."""
        names = self.tokenizer
        window = self.model.config.max_position_embeddings
        prompts = [self.rng.choices(self.ordinary, k=_PROMPT) for _ in range(count)]
        return [Request(_Due(names, prompt, tokens, 10_000, window).after(self.gap)) for prompt in prompts]

    def steer(self, batch: int) -> None:
        """Find out how long queries are, and how much text has to lie between two of them."""
        names, requests = self.tokenizer, self.requests(min(batch, 64), 3 * EVERY)
        _run(self.engine(batch), requests)
        calls = [(request.row.ids, call.position) for request in requests for call in request.row.calls if call.length]
        self.query = mean(ids.index(names.return_id, at) - at + 1 for ids, at in calls)
        self.gap = max(1, round(EVERY - self.query))

    def many(self, batch: int, tokens: int) -> tuple[Rate, float, float]:
        """A full batch that rows join and leave: its rate, its step, and the step of the model alone."""
        engine = self.engine(batch)
        _run(engine, self.requests(batch, tokens // 2 + tokens))  # room for the longest row, graphs of all sizes
        # Twice as many as there is room for, of all lengths, so that the batch stays full.
        requests = [one for number in range(2 * batch) for one in self.requests(1, tokens // 2 + number % tokens)]
        for request in requests:
            engine.add(request)
        for _ in range(tokens // 4):
            engine.step()
        self._settle()
        engine.settle()
        length = _length(engine)
        before, steps, started = _counts(requests), [], time.perf_counter()
        last = started
        for _ in range(tokens):
            if engine.waiting or len(engine.running) > batch * 0.95:
                engine.step()
                now = time.perf_counter()
                steps.append(now - last)
                last = now
        self._settle()
        took = time.perf_counter() - started
        engine.settle()
        rate = _rate(before, _counts(requests), took)
        return rate, took / len(steps), self._bare(engine, batch, round((_length(engine) - length) / 2))

    def _bare(self, engine: Engine, batch: int, back: int = 0) -> float:
        """The model alone: the rows as they stand are fed a token each, and the likeliest is taken. `back`: of how many
        tokens fewer they are to be, so that they are as long as on average while the steps were timed."""
        from lamlam.generate.chooser import Choices
        from lamlam.generate.row import State
        from lamlam.generate.slots import Feed

        running = list(engine.running.values())[:batch]
        slots, fed = (np.array([getattr(one, what) for one in running]) for what in ("slot", "fed"))
        feed = Feed.of(slots, (fed - 1 - back).clip(0, fed - 1), np.full(len(running), 5))
        states = np.full(len(running), int(State.TEXT_ONLY))
        times = []
        with torch.inference_mode():
            for _ in range(8):
                self._settle()
                started = time.perf_counter()
                for _ in range(5):
                    engine.chooser.choose(engine.forward.run(feed, None), Choices(states))
                self._settle()
                times.append((time.perf_counter() - started) / 5)
        return median(times)

    def one(self, tokens: int) -> tuple[Rate, float, float]:
        """Single streams, one after the other: their rate, the time to the first token, and a step."""
        engine = self.engine(1)
        _run(engine, self.requests(1, tokens))
        requests, firsts, steps = self.requests(6, tokens), [], 0
        began = time.perf_counter()
        for request in requests:
            request.told = True
            started = time.perf_counter()
            engine.add(request)
            first = None
            while not engine.idle:
                events = engine.step()
                steps += 1
                if first is None and any(event.kind == "token" for event in events):
                    first = time.perf_counter() - started
            firsts.append(first or 0.0)
        took = time.perf_counter() - began
        return _rate((0, 0, 0), _counts(requests), took), median(firsts), took / steps

    def peer(self, tokens: int) -> Rate:
        """The peer's loop for one stream, asking as often as the engine was found to."""
        processor = _Asks(self.tokenizer, self.gap, max(5, round(self.query)))
        known = [(fact.entity, fact.relation) for fact, _ in zip(self.kb, range(4096), strict=False)]
        chosen = lookups = values = 0
        # In transformers' growing cache every step has a shape of its own, for which cuDNN's attention makes a plan.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self._peer_text(processor, known, 8)
        self._settle()
        started = time.perf_counter()
        for _ in range(2):
            one = self._peer_text(processor, known, tokens)
            chosen, lookups, values = chosen + one[0], lookups + one[1], values + one[2]
        self._settle()
        took = time.perf_counter() - started
        return Rate(chosen / took, (chosen + values) / took, chosen / max(lookups, 1))

    def _peer_text(self, processor: _Asks, known: list[tuple[str, str]], tokens: int) -> tuple[int, int, int]:
        """One text: tokens chosen, lookups, tokens of values."""
        hf, names = self.tokenizer.hf, self.tokenizer
        text = names.decode_piece(self.requests(1, 1)[0].row.prompt)
        chosen = lookups = values = 0
        while chosen < tokens:
            inputs = hf(text, return_tensors="pt", add_special_tokens=False).to(self.model.device)
            processor.start = inputs.input_ids.shape[1]
            out = self.model.generate(
                **inputs,
                max_new_tokens=tokens - chosen,
                do_sample=False,
                eos_token_id=names.return_id,
                pad_token_id=names.eos_id,
                logits_processor=LogitsProcessorList([processor]),
            )
            chosen += out.shape[1] - inputs.input_ids.shape[1]
            text = hf.decode(out[0], skip_special_tokens=False)
            if text.endswith(RETURN):
                # What a random model asks is no name; a query for a fact of the base takes its place.
                match = self.kb.lookup(*self.rng.choice(known))
                answer = f" {match.fact.value if match else 'unknown'}<|db_end|>"
                values += len(names.encode_text(answer, first=False))
                text += answer
                lookups += 1
        return chosen, lookups, values

    def memory(self, batch: int, requests: int) -> tuple[int, int]:
        """Memory after a tenth of the requests and after all."""
        engine = self.engine(batch)
        gc.collect()  # the engines before
        taken = []
        for share in (requests // 10, requests - requests // 10):
            for _ in range(share // 100):
                _run(engine, self.requests(100, EVERY), leave=batch)
            _run(engine, [])
            gc.collect()
            taken.append(self._memory())
        return taken[0], taken[1]

    def _memory(self) -> int:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        return resident + (torch.cuda.memory_allocated() if self.model.device.type == "cuda" else 0)

    def _settle(self) -> None:
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()


class _Due(Row):
    """A row whose calls are banned until so many tokens of text have followed the last one."""

    gap = 0

    def after(self, gap: int) -> _Due:
        """The row, with a call due after so many tokens of text."""
        self.gap, self.calls_banned = gap, True
        return self

    def calm(self) -> int:
        """As `Row.calm`; a call that is due wants a look, too."""
        left = super().calm()
        if self._inside is None and self.calls_banned:
            left = min(left, max(0, self.gap * (len(self.calls) + 1) - self.clean.tokens - 1))
        return left

    def push(self, token: int) -> None:
        """As `Row.push`; then see whether a call is due."""
        super().push(token)
        # Within a call, so that none follows at once.
        self.calls_banned = self._inside is not None or self.clean.tokens < self.gap * (len(self.calls) + 1)


class _Asks(LogitsProcessor):  # type: ignore[misc]
    """Has a random model ask: after so many tokens of text a call is opened, and closed after so many of a query."""

    def __init__(self, tokenizer: LookupTokenizer, text: int, query: int) -> None:
        half = max(1, (query - 3) // 2)
        self._told = {text: tokenizer.entity_id, text + 1 + half: tokenizer.relation_id}
        self._told[text + query - 1] = tokenizer.return_id
        self._never = list(tokenizer.lookup_ids)
        self.start = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        scores[:, self._never] = -torch.inf
        token = self._told.get(input_ids.shape[1] - self.start)
        if token is not None:
            scores[:, token] = 1e4
        return scores


def made_up_base(path: Path, facts: int, seed: int) -> tuple[KnowledgeBase, LookupTokenizer]:
    """A base of made-up facts, and a tokenizer that has seen its names, of 32,004 ids where they give as many."""
    rng = Random(seed)

    def words(count: int) -> list[str]:
        return ["".join(rng.choices(_SYLLABLES, k=rng.choice((1, 2, 2, 3)))).capitalize() for _ in range(count)]

    vocabulary, relations = words(60_000), [" ".join(words(rng.choice((1, 2)))) for _ in range(800)]
    seen: set[str] = set()
    while len(seen) < -(-facts // _FACTS_EACH):
        seen.add(" ".join(vocabulary[int(len(vocabulary) * rng.random() ** 2)] for _ in range(rng.choice((2, 2, 3)))))
    entities = sorted(seen)
    kb = KnowledgeBase.open(path, create=True)
    kb.load(_batches(entities, relations, facts, rng), author="lamlam eval speed")
    return kb, train_tokenizer([*entities[:50_000], *vocabulary, *relations], vocab_size=32_004)


def _batches(entities: list[str], relations: list[str], facts: int, rng: Random) -> Iterator[pyarrow.RecordBatch]:
    for first in range(0, len(entities), 50_000):
        some = entities[first : first + 50_000]
        own = [rng.sample(relations, _FACTS_EACH) for _ in some]
        columns = {
            "entity": [name for name in some for _ in range(_FACTS_EACH)],
            "relation": [relation for its in own for relation in its],
            "value": rng.choices(entities, k=len(some) * _FACTS_EACH),
        }
        yield pyarrow.RecordBatch.from_pydict(columns)


def _run(engine: Engine, requests: list[Request], leave: int = 0) -> None:
    """Run requests, these and those that are there, until not more than `leave` are still to end."""
    for request in requests:
        engine.add(request)
    while not engine.idle and len(engine.waiting) + len(engine.running) >= leave:
        engine.step()


def _length(engine: Engine) -> float:
    """Tokens of the running rows that the model has seen, on average."""
    return mean(request.fed for request in engine.running.values())


def _counts(requests: list[Request]) -> tuple[int, int, int]:
    """Tokens chosen, all new tokens, and lookups, so far."""
    chosen = sum(request.draws for request in requests)
    new = sum(max(0, request.fed - request.row.prompt_length) for request in requests)
    return chosen, new, sum(len(request.row.calls) for request in requests)


def _rate(before: tuple[int, int, int], after: tuple[int, int, int], took: float) -> Rate:
    chosen, new, lookups = (late - early for early, late in zip(before, after, strict=True))
    return Rate(chosen / took, new / took, chosen / max(lookups, 1))
