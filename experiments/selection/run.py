"""Does difference sampling help? Held-out perplexity at equal steps, on documents chosen by it and on any documents.

    python experiments/selection/run.py prepare DATA OUT [--tokens N]    documents by title → shards and held-out texts
    python experiments/selection/run.py score OUT                        train both models, score the pool
    python experiments/selection/run.py students OUT [key=value …]       choose, train students, print the table

Titles are dealt out by their hash: some are held out, the larger and the reference model are trained on some, and what
students are trained on is chosen from the rest. All students take the same steps, over windows in an order of the same
seed; the one on all documents sees a random part of them. Students have a tokenizer of their own, with fewer words:
scores belong to documents, whoever made them. Keys are a recipe's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy import stats

from lamlam.corpus import ShardDocuments, pack, read_info, tokenizer_texts
from lamlam.evaluate import Windowing, token_nlls
from lamlam.model import load_model, train_tokenizer
from lamlam.select import Scores, score_documents, top_share, write_selection
from lamlam.text import Document
from lamlam.text.files import read_documents, write_documents
from lamlam.train import make_recipe, pretrain

SOURCES = {"intros": 0.2, "simple": 0.25, "recent": 0.3, "articles": 0.25}
"""Files of Wikipedia text, and the share of the tokens that comes from each."""
CHARACTERS_A_TOKEN = 4.4
CONTEXT = 1024
LARGER = {"hidden": 384, "layers": 6, "heads": 6, "feed_forward": 1056, "tied": True}
REFERENCE = {"hidden": 128, "layers": 2, "heads": 2, "feed_forward": 352, "tied": True}
STUDENT: dict[str, Any] = {
    "shape": {"hidden": 64, "layers": 3, "heads": 2, "feed_forward": 176, "tied": True},
    "context": 256, "batch": 16, "steps": 200, "warmup": 10, "lr": 3e-3, "save_every": 50,
}  # fmt: skip
STUDENT_WORDS = 4096


def prepare(data: Path, out: Path, tokens: float) -> None:
    parts: dict[str, list[Document]] = {"held-out": [], "models": [], "pool": []}
    for source, share in SOURCES.items():
        left = {"held-out": 400_000, "models": tokens * 0.3 * share, "pool": tokens * 0.7 * share}
        left = {part: size if part == "held-out" else size * CHARACTERS_A_TOKEN for part, size in left.items()}
        for document in _documents(data / f"{source}.parquet", source):
            part = _part(document)
            if left[part] > 0:
                parts[part].append(document)
                left[part] -= len(document.text)
            if not any(size > 0 for size in left.values()):
                break
    # Documents of all sources mixed, so that any stretch of a shard is like any other.
    order = np.random.default_rng(0)
    parts = {part: [documents[n] for n in order.permutation(len(documents))] for part, documents in parts.items()}
    tokenizer = train_tokenizer(tokenizer_texts(parts["pool"][::8]), 16_384)
    for part in ("models", "pool"):
        info = pack(parts[part], out / part, tokenizer, "standard")
        print(f"{part}: {info.documents:,} documents, {info.tokens:,} tokens", flush=True)
    print(f"held out: {write_documents(parts['held-out'], out / 'held-out.parquet'):,} documents")


def _documents(path: Path, source: str) -> Iterator[Document]:
    for document in read_documents(path):
        if len(document.text) >= 200:
            yield Document(document.id, document.text, (), {**document.meta, "source": source})


def _part(document: Document) -> str:
    title = str(document.meta.get("title", document.id))
    number = int.from_bytes(hashlib.blake2b(title.encode(), digest_size=4).digest()) % 100
    return "held-out" if number < 3 else "models" if number < 33 else "pool"


def score(out: Path) -> None:
    """Train the larger and the reference model, and keep the pool's scores in scores.npz."""
    runs, pool = out / "runs", ShardDocuments(out / "pool")
    batch = 16
    count = read_info(out / "models").tokens // (batch * CONTEXT)
    plan: dict[str, Any] = {"batch": batch, "context": CONTEXT, "precision": "bf16", "compiled": False, "seed": 1}
    for name, shape, steps, rate in (
        ("larger", LARGER, count, 1.5e-3),
        ("reference", REFERENCE, count * 3 // 10, 2e-3),
    ):
        _train(out / "models", runs / name, {**plan, "shape": shape, "steps": steps, "lr": rate, "warmup": steps // 20})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.monotonic()
    found = score_documents(
        pool, runs / "larger" / "model", runs / "reference" / "model", runs / "scores", CONTEXT, device
    )
    print(f"scored {pool.info.tokens:,} tokens in {time.monotonic() - began:.1f} s", flush=True)
    held_out = list(read_documents(out / "held-out.parquet"))
    for name in ("larger", "reference"):
        print(f"{name}: {_told(_perplexities(runs / name, held_out, CONTEXT))}", flush=True)
    np.savez(out / "scores.npz", **found._asdict())


def students(out: Path, settings: list[str]) -> None:
    """Choose by the scores, train on each choice, and print what each came to on the held-out documents.

    What a student came to is kept beside it, so that several calls, each with seeds of its own, may share the work.
    """
    with np.load(out / "scores.npz", allow_pickle=False) as arrays:
        found = Scores(**{name: arrays[name] for name in Scores._fields})
    own = {key: yaml.safe_load(value) for key, _, value in (setting.partition("=") for setting in settings)}
    seeds, wanted = own.pop("seeds", [0]), own.pop("choices", None)
    choices = {name: copies for name, copies in _choices(found).items() if not wanted or name in wanted}
    runs, pool, held_out = out / "students", _pool(out), list(read_documents(out / "held-out.parquet"))
    results: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        for choice, copies in choices.items():
            name = choice.replace(" ", "-")
            if not (runs / f"shards-{name}").is_dir():
                write_selection(pool, copies, runs / f"shards-{name}", {"choice": choice})
            run, plan = runs / f"{name}-{seed}", {**STUDENT, **own, "seed": seed}
            kept = run / "perplexities.json"
            if not kept.is_file():
                _train(runs / f"shards-{name}", run, plan)
                kept.write_text(json.dumps(_perplexities(run, held_out, plan["context"])))
            results.setdefault(choice, []).append(json.loads(kept.read_text()))
            print(f"{choice}, seed {seed}: {_told(results[choice][-1])}", flush=True)
    for choice, copies in choices.items():
        _tell(choice, copies, found, results[choice], results.get("random half"))


def _choices(scores: Scores) -> dict[str, Any]:
    """Copies of each document by the name of the choice. All but the first hold half of the tokens."""
    difference, tokens = scores.difference, scores.tokens
    # Tenths by length; within each, documents are ranked among their like only.
    tenths = np.searchsorted(np.quantile(tokens, np.arange(1, 10) / 10), tokens)
    alike = sum(top_share(np.where(tenths == one, difference, -np.inf), np.where(tenths == one, tokens, 0), 0.5)
                * (tenths == one) for one in range(10))  # fmt: skip
    capped = np.where(difference > np.quantile(difference, 0.9), -np.inf, difference)
    return {
        "all": np.ones(len(tokens), np.int64),
        "random half": top_share(np.random.default_rng(0).random(len(tokens)), tokens, 0.5),
        "best half": top_share(difference, tokens, 0.5),
        "worst half": top_share(-difference, tokens, 0.5),
        "best half by sums": top_share(difference * scores.trained, tokens, 0.5),
        "best half of each length": alike,
        "best half without the highest tenth": top_share(capped, tokens, 0.5),
    }


def _tell(choice: str, copies: Any, scores: Scores, found: list[dict[str, float]], base: Any) -> None:
    """The means over seeds, and how far from the random half, seed by seed, with a 95 % interval of Student."""
    means = {key: math.exp(np.mean([math.log(values[key]) for values in found])) for key in found[0]}
    against = ""
    if base and len(base) > 1 and base is not found:
        apart = [math.log(one["all"] / other["all"]) for one, other in zip(found, base, strict=True)]
        half = float(stats.t.ppf(0.975, len(apart) - 1) * np.std(apart, ddof=1) / len(apart) ** 0.5)
        against = f"; against the random half {np.mean(apart):+.1%} ± {half:.1%}"
    size = f"{(copies > 0).sum():,} documents, {int(copies @ scores.tokens):,} tokens"
    print(f"{choice} ({size}): {_told(means)}{against}")


def _pool(out: Path) -> ShardDocuments:
    """The pool's documents, one by one in their order, in the students' tokenizer."""
    folder = out / "students" / "pool"
    if not folder.is_dir():
        scored = ShardDocuments(out / "pool")
        count = [range(shard.documents) for shard in scored.info.shards]
        ids = (scored.document(shard, number).ids[:-1] for shard, numbers in enumerate(count) for number in numbers)
        texts = [Document(str(number), scored.tokenizer.decode(some)) for number, some in enumerate(ids)]
        pack(texts, folder, train_tokenizer(tokenizer_texts(texts[::20]), STUDENT_WORDS), "standard")
    return ShardDocuments(folder)


def _train(shards: Path, output: Path, values: dict[str, Any]) -> None:
    began = time.monotonic()
    result = pretrain(make_recipe({"data": str(shards), "output": str(output), **values}))
    took = time.monotonic() - began
    print(f"{output.name}: {result.steps} steps, loss {result.loss:.3f}, {took:.1f} s", flush=True)


def _perplexities(run: Path, held_out: list[Document], context: int) -> dict[str, float]:
    """exp(nats / tokens) of all held-out documents, and of those of each source."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tokenizer = load_model(run / "model", device)
    sequences = [[tokenizer.start_id, *tokenizer.encode_text(document.text), tokenizer.eos_id] for document in held_out]
    nlls = token_nlls(model, sequences, Windowing(context, context), 8192)
    found = {}
    for source in ("all", *SOURCES):
        own = [nll for nll, one in zip(nlls, held_out, strict=True) if source in ("all", one.meta["source"])]
        found[source] = math.exp(sum(nll.sum() for nll in own) / sum(map(len, own)))
    return found


def _told(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    first, second, third = (commands.add_parser(name) for name in ("prepare", "score", "students"))
    first.add_argument("data", type=Path)
    for command in (first, second, third):
        command.add_argument("out", type=Path)
    first.add_argument("--tokens", type=float, default=26e6)
    third.add_argument("settings", nargs="*", metavar="key=value")
    given = parser.parse_args()
    match given.command:
        case "prepare":
            prepare(given.data, given.out, given.tokens)
        case "score":
            score(given.out)
        case _:
            students(given.out, given.settings)


if __name__ == "__main__":
    main()
