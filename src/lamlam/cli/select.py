"""`lamlam select`: which documents to train on, by what a larger model knows of them and a smaller one does not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lamlam.cli.terminal import Json, emit_json, errors, say
from lamlam.errors import LamlamError, Stopped

if TYPE_CHECKING:
    from lamlam.corpus import ShardDocuments
    from lamlam.select import Scores
    from lamlam.select.choose import Counts


def select(
    shards: Annotated[Path, typer.Argument(metavar="SHARDS", help="A shard folder, as `lamlam pack` writes it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The shard folder to write, for a recipe's `data`.")],
    larger: Annotated[Path, typer.Option(help="The checkpoint of the larger model.")],
    reference: Annotated[Path, typer.Option(help="The checkpoint of the small model, with the same tokenizer.")],
    keep: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Take the best documents, up to this share of the tokens; 0.5 if not given."),
    ] = None,
    above: Annotated[
        float | None, typer.Option(help="Instead: take those with this score or more, in nats a trained token.")
    ] = None,
    sample: Annotated[
        float | None, typer.Option(min=0, help="Instead: draw this share of the tokens; the best may come repeatedly.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=1e-3, help="With --sample: how little scores count, in nats a trained token.")
    ] = 0.1,
    at_most: Annotated[int, typer.Option(min=1, help="With --sample: copies of a document.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="With --sample: of the draw.")] = 0,
    scores: Annotated[
        Path | None, typer.Option(help="The folder where scores are kept, to go on from; OUT.scores if not given.")
    ] = None,
    context: Annotated[int, typer.Option(min=1, help="Tokens that the models see at once.")] = 1024,
    as_json: Json = False,
) -> None:
    """Choose documents by difference sampling: those that a larger model knows better than a small one does.

    A document's score is log p(larger) − log p(reference), a trained token (MiniPLM, arXiv 2410.17215). Scoring can be
    stopped at any moment; the same command goes on. With the scores there, another choice is made at once.

    Example: `lamlam select shards chosen --larger runs/large/model --reference runs/small/model --keep 0.5`
    """
    given = {"keep": keep, "above": above, "sample": sample}
    rules: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if len(rules) > 1:
        raise typer.BadParameter(f"choose one of --{' and --'.join(rules)}")
    for name, value in rules.items():
        if not math.isfinite(value):
            raise typer.BadParameter(f"--{name} {value}: give a number")
    from lamlam.corpus import ShardDocuments
    from lamlam.select import write_selection

    documents = ShardDocuments(shards)
    found = _scored(documents, larger, reference, scores or out.with_name(f"{out.name}.scores"), context)
    if not rules:
        rules = {"keep": 0.5}
    if sample is not None:
        rules |= {"temperature": temperature, "at_most": at_most, "seed": seed}
    copies = _chosen(found, **rules)
    how = {**rules, "larger": str(larger), "reference": str(reference), "context": context}
    info = write_selection(documents, copies, out, {**how, "shards": str(shards)})
    result = {"shards": str(out), **how, "tokens": info.tokens, "of_tokens": documents.info.tokens}
    result |= _summary(found, copies)
    if as_json:
        emit_json(result)
        return
    again = f", some of them {result['copies_at_most']} times" if result["copies_at_most"] > 1 else ""
    say(
        f"{out}: {result['documents']:,} of {len(copies):,} documents{again}, {info.tokens:,} tokens "
        f"({info.tokens / documents.info.tokens:.1%} of {documents.info.tokens:,}); score {result['mean_score']:.3f} "
        f"nats a trained token, {result['mean_score_of_all']:.3f} of all; lowest {result['lowest_score']:.3f}"
    )


def _scored(documents: ShardDocuments, larger: Path, reference: Path, folder: Path, context: int) -> Scores:
    import torch

    from lamlam.select import score_documents

    total, done = documents.info.documents, 0
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("scoring", total=total)

        def show(scored: int) -> None:
            nonlocal done
            done = scored
            bar.update(task, completed=scored)

        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            return score_documents(documents, larger, reference, folder, context, device, show)
        except KeyboardInterrupt:
            where = f"stopped after {done:,} of {total:,} documents"
            raise Stopped(f"{where}; the same command goes on from there") from None


def _chosen(
    found: Scores,
    keep: float | None = None,
    above: float | None = None,
    sample: float = 1.0,
    temperature: float = 0.1,
    at_most: int = 4,
    seed: int = 0,
) -> Counts:
    from lamlam.select import above_threshold, sampled, top_share

    difference = found.difference
    if keep is not None:
        return top_share(difference, found.tokens, keep)
    if above is None:
        return sampled(difference, found.tokens, sample, temperature, seed, at_most)
    if above > difference.max():
        raise LamlamError(f"no document has a score of {above} or more; the highest is {difference.max():.3f}")
    return above_threshold(difference, above)


def _summary(found: Scores, copies: Counts) -> dict[str, Any]:
    import numpy as np

    difference, taken = found.difference, copies > 0
    return {
        "documents": int(taken.sum()),
        "of_documents": len(copies),
        "copies_at_most": int(copies.max()),
        "lowest_score": float(difference[taken].min()),
        "mean_score": float(np.average(difference, weights=found.trained * copies)),
        "mean_score_of_all": float(np.average(difference, weights=found.trained)),
    }
