"""What the host does in a step of decoding, in microseconds: `python benchmarks/decode_host.py [--rows 256]`.

The model costs nothing and chooses at random among what may come next, so what is left is the engine: rows, queries
that only the base has, lookups about every 25 tokens, and what is sent to a device. On a GPU all of it runs beside the
model's work, and a step cannot be shorter. Rows that are looked at one by one after every token, as those of a stream
are, are the slow path. Looking only at those in which something happens is 1.4 to 1.5 times as fast; the exit code is 1
below 1.2, so that other work on the machine does not decide.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lamlam.evaluate.decode_speed import Bench, made_up_base
from lamlam.generate import Engine
from lamlam.generate.chooser import Choices, plan_of
from lamlam.generate.row import State
from lamlam.generate.slots import Feed
from lamlam.model import LookupTokenizer, new_model

QUERY, GAP, STEPS, FASTER = 10, 15, 120, 1.2


class Nothing:
    """A forward that runs nothing, but makes the plan of each feed as one on a GPU does."""

    overlaps = True

    def __init__(self, forward: Any) -> None:
        self.vocabulary, self.device, self.cache = forward.vocabulary, forward.device, forward.cache
        self.slots = forward.slots
        self._hidden = torch.zeros((4096, 1))

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        feed.plan(-(-len(feed.tokens) // 32) * 32, self.slots)
        return self._hidden[: len(feed.ends)]

    def refresh(self) -> None:
        pass


class AtRandom:
    """A chooser that opens a call wherever one may be opened, and is not counted: `spent` are its seconds."""

    def __init__(self, tokenizer: LookupTokenizer) -> None:
        self._entity = tokenizer.entity_id
        self._rng = np.random.default_rng(0)
        lookups = {*tokenizer.lookup_ids, tokenizer.eos_id, tokenizer.start_id}
        self._text = np.array([one for one in range(len(tokenizer)) if one not in lookups])
        self._hot: dict[int, npt.NDArray[np.int64]] = {}
        self.spent = 0.0

    def choose(self, hidden: torch.Tensor, choices: Choices) -> torch.Tensor:
        plan_of(choices, -(-len(choices.states) // 32) * 32)
        started = time.perf_counter()
        chosen = self._rng.choice(self._text, len(choices.states))
        chosen[choices.states == State.TEXT] = self._entity
        for place, banned in choices.banned.items():
            if self._entity in banned:
                chosen[place] = self._text[0]
        only = choices.only
        if only is not None:
            for place, hot in only.hot_of.T.tolist():
                if only.hot is not None and hot not in self._hot:
                    self._hot[hot] = only.hot[hot].numpy().nonzero()[0]
                chosen[place] = self._rng.choice(self._hot[hot])
            rows, tokens = only.pairs[:, self._rng.permutation(only.pairs.shape[1])]
            chosen[rows] = tokens
        self.spent += time.perf_counter() - started
        return torch.from_numpy(chosen)


def host_step(bench: Bench, rows: int, told: bool) -> float:
    """Median microseconds of a step, of a batch that rows join and leave. `told`: look at each row after each token."""
    engine: Any = bench.engine(rows)
    engine.forward, chooser = Nothing(engine.forward), AtRandom(bench.tokenizer)
    engine.chooser = chooser
    for number in range(2 * rows):
        [request] = bench.requests(1, 128 + number % 128)
        request.told = told
        engine.add(request)
    return _median_step(engine, chooser)


def _median_step(engine: Engine, chooser: AtRandom) -> float:
    times = []
    for _ in range(40 + STEPS):
        started, spent = time.perf_counter(), chooser.spent
        engine.step()
        times.append(time.perf_counter() - started - (chooser.spent - spent))
    return 1e6 * median(times[40:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--facts", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        kb, tokenizer = made_up_base(Path(folder) / "facts.db", arguments.facts, arguments.seed)
        with kb:
            bench = Bench(new_model("tiny", tokenizer, arguments.seed).eval(), tokenizer, kb, arguments.seed)
            bench.query, bench.gap = QUERY, GAP
            runs = [(host_step(bench, arguments.rows, False), host_step(bench, arguments.rows, True)) for _ in range(3)]
    step, slow = (median(one) for one in zip(*runs, strict=True))
    print(f"{arguments.rows} rows, {arguments.facts:,} facts, seed {arguments.seed}")
    print(f"{'a step':40} {step:8,.0f} us, {step / arguments.rows:6.2f} us a row")
    print(f"{'a step, rows looked at one by one':40} {slow:8,.0f} us, {slow / arguments.rows:6.2f} us a row")
    print(f"{'faster':40} {slow / step:8.2f} x     >= {FASTER}  {'PASS' if slow >= FASTER * step else 'miss'}")
    return int(slow < FASTER * step)


if __name__ == "__main__":
    raise SystemExit(main())
