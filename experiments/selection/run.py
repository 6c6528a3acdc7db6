"""Does difference sampling help? Held-out perplexity at equal steps, on documents chosen by it and on any documents.

    python experiments/selection/run.py prepare DATA OUT [--tokens N]     documents by title → shards and held-out texts
    python experiments/selection/run.py run OUT [--toy]                   train, score, choose, train students, print

Titles are dealt out by their hash: some are held out, the larger and the reference model are trained on some, and what
students are trained on is chosen from the rest. All students take the same steps over windows in an order of the same
seed; the one on all documents sees a random part of them. `--toy`: models and steps for a rehearsal on a CPU.
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

from lamlam.corpus import ShardDocuments, pack, read_info, tokenizer_texts
from lamlam.evaluate import Windowing, token_nlls
from lamlam.model import load_model, train_tokenizer
from lamlam.select import sampled, score_documents, top_share, write_selection
from lamlam.text import Document
from lamlam.text.files import read_documents, write_documents
from lamlam.train import make_recipe, pretrain

SOURCES = {"intros": 0.2, "simple": 0.25, "recent": 0.3, "articles": 0.25}
"""Files of Wikipedia text, and the share of the tokens that comes from each."""
CHARACTERS_A_TOKEN = 4.4
CONTEXT = 1024
LARGER = {"hidden": 384, "layers": 6, "heads": 6, "feed_forward": 1056, "tied": True}
REFERENCE = {"hidden": 128, "layers": 2, "heads": 2, "feed_forward": 352, "tied": True}
STUDENT = {"hidden": 256, "layers": 4, "heads": 4, "feed_forward": 704, "tied": True}


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


def run(out: Path, toy: bool) -> None:
    runs = out / ("toy" if toy else "runs")
    cut = {"hidden": 32, "layers": 1, "heads": 2, "feed_forward": 48} if toy else {}
    batch, context = (4, 64) if toy else (16, CONTEXT)
    pool = ShardDocuments(out / "pool")
    steps = 6 if toy else int(pool.info.tokens * 0.5) // (batch * context)
    models = {
        "larger": (LARGER, 6 if toy else read_info(out / "models").tokens // (batch * context), 1.5e-3),
        "reference": ({**REFERENCE, **cut}, 6 if toy else steps // 2, 2e-3),
    }
    train: dict[str, Any] = {"batch": batch, "context": context, "precision": "bf16", "save_every": 10**6}
    train |= {"log_every": 1 if toy else 100, "compiled": False}
    for name, (shape, count, rate) in models.items():
        shape = {**shape, **cut, "hidden": 64} if toy and name == "larger" else shape
        own = {"shape": shape, "steps": count, "lr": rate, "warmup": count // 20, "seed": 1}
        _train(out / "models", runs / name, {**train, **own})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.monotonic()
    found = score_documents(
        pool, runs / "larger" / "model", runs / "reference" / "model", runs / "scores", context, device
    )
    print(f"scored {pool.info.tokens:,} tokens in {time.monotonic() - began:.1f} s", flush=True)
    score, tokens = found.difference, found.tokens
    choices = {
        "all": np.ones(len(tokens), np.int64),
        "best half": top_share(score, tokens, 0.5),
        "worst half": top_share(-score, tokens, 0.5),
        "drawn, temperature 0.2": sampled(score, tokens, 0.5, 0.2, 0),
    }
    held_out = list(read_documents(out / "held-out.parquet"))
    for name in models:
        print(f"{name}: {_told(_perplexities(runs / name, held_out, context, device))}", flush=True)
    np.savez(runs / "scores.npz", **found._asdict())
    results: dict[str, list[dict[str, float]]] = {}
    own = {"shape": {**STUDENT, **cut}, "steps": steps, "lr": 2e-3, "warmup": steps // 20}
    for seed in (0, 1):
        for choice, copies in choices.items():
            name = choice.replace(" ", "-").replace(",", "")
            shards = runs / f"shards-{name}"
            if not shards.is_dir():
                write_selection(pool, copies, shards, {"choice": choice})
            _train(shards, runs / f"{name}-{seed}", {**train, **own, "seed": seed})
            values = _perplexities(runs / f"{name}-{seed}", held_out, context, device)
            results.setdefault(choice, []).append(values)
            print(f"{choice}, seed {seed}: {_told(values)}", flush=True)
    (runs / "results.json").write_text(json.dumps(results, indent=1))
    print(f"students: {steps} steps of {batch} × {context} tokens; held-out perplexity, mean over seeds")
    for choice, found_values in results.items():
        means = {key: float(np.mean([values[key] for values in found_values])) for key in found_values[0]}
        copies = choices[choice]
        print(f"{choice} ({(copies > 0).sum():,} documents, {int(copies @ tokens):,} tokens): {_told(means)}")


def _train(shards: Path, output: Path, values: dict[str, Any]) -> None:
    began = time.monotonic()
    result = pretrain(make_recipe({"data": str(shards), "output": str(output), **values}))
    took = time.monotonic() - began
    print(f"{output.name}: {result.steps} steps, loss {result.loss:.3f}, {took:.1f} s", flush=True)


def _perplexities(run: Path, held_out: list[Document], context: int, device: str) -> dict[str, float]:
    """exp(nats / tokens) of all held-out documents, and of those of each source."""
    model, tokenizer = load_model(run / "model", device)
    sequences = [[tokenizer.start_id, *tokenizer.encode_text(document.text), tokenizer.eos_id] for document in held_out]
    with torch.autocast(device, torch.bfloat16):
        nlls = token_nlls(model, sequences, Windowing(context, context), 32_768)
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
    first, second = commands.add_parser("prepare"), commands.add_parser("run")
    first.add_argument("data", type=Path)
    for command in (first, second):
        command.add_argument("out", type=Path)
    first.add_argument("--tokens", type=float, default=28e6)
    second.add_argument("--toy", action="store_true")
    given = parser.parse_args()
    if given.command == "prepare":
        prepare(given.data, given.out, given.tokens)
    else:
        run(given.out, given.toy)


if __name__ == "__main__":
    main()
