"""`lamlam eval speed`: how fast training and decoding are on this machine, against what they are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lamlam.cli.terminal import Json, emit_json, say

if TYPE_CHECKING:
    from lamlam.train.speed import Speeds

app = typer.Typer(help="Measure speed on this machine, as ratios within one run.", no_args_is_help=True)


@app.callback()
def speed() -> None:
    """Measure speed on this machine, as ratios within one run."""


@app.command()
def train(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A preset's name: docs/recipes.md has them.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="ours, plain or peer; more than once. All, if not given.")
    ] = None,
    windows: Annotated[int, typer.Option(min=1, help="Windows in an optimiser step.")] = 128,
    micro_batch: Annotated[int, typer.Option(min=1, help="Windows in a forward pass, of all GPUs together.")] = 32,
    their_micro_batch: Annotated[
        int | None, typer.Option(min=1, help="The same for plain and peer. As ours, if not given.")
    ] = None,
    context: Annotated[int, typer.Option(min=1, help="Tokens in a window.")] = 1024,
    recompute: Annotated[
        int, typer.Option(min=0, help="Layers whose feed-forward we compute again, to save memory.")
    ] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 4,
    precision: Annotated[str, typer.Option(help="Of ours and the plain model: bf16 or fp32.")] = "bf16",
    as_json: Json = False,
) -> None:
    """Time our training step against the peer's and the plain transformers model's, on this device in one run.

    The peer's step is written again after its recipe: gradient checkpointing, which tokens train found in every batch,
    the loss over the whole logits. Under torchrun, `--only ours` tells the rate of all GPUs together.

    Example: `lamlam eval speed train llama-176m --micro-batch 64 --only ours --only peer`
    """
    from lamlam.train.speed import measure_training

    speeds = measure_training(
        model,
        tuple(only or ("ours", "plain", "peer")),
        windows=windows,
        micro_batch=micro_batch,
        their_micro_batch=their_micro_batch,
        context=context,
        steps=steps,
        precision=precision,
        recompute=recompute,
    )
    if as_json:
        emit_json(speeds.to_json())
    else:
        for line in table(speeds):
            say(line)


def table(speeds: Speeds) -> list[str]:
    """The lines that are printed."""
    same = speeds.their_micro_batch == speeds.micro_batch
    others = "" if same else f" (plain and peer: {speeds.their_micro_batch})"
    lines = [
        f"{speeds.model} on {speeds.processes} × {speeds.device}: steps of {speeds.windows} × {speeds.context} tokens "
        f"in micro-batches of {speeds.micro_batch}{others}; {speeds.flops_per_token / 1e9:.3f} GFLOP a token",
        f"a large matrix product in the same run: {speeds.product / 1e12:.1f} TFLOP/s",
    ]
    for one in speeds.results:
        windows = speeds.micro_batch if one.name == "ours" else speeds.their_micro_batch
        used = "" if one.utilisation is None else f"{one.utilisation:.1%} of the datasheet's peak, "
        memory = "" if one.memory is None else f", {one.memory / 2**30:.1f} GiB at {windows} windows"
        again = f" (feed-forward twice in {speeds.recompute} layers)" if one.name == "ours" and speeds.recompute else ""
        lines.append(
            f"{one.name}: {one.tokens_per_second:,.0f} tokens/s, {used}{one.of_product:.1%} of that product{memory}, "
            f"first loss {one.first_loss:.5f}{again}"
        )
    memories = {one.name: one.memory for one in speeds.results}
    for other in ("peer", "plain"):
        if (ratio := speeds.ratio("ours", other)) is not None:
            ours, theirs = memories["ours"], memories[other]
            share = f", {ours / theirs:.1%} of its memory" if ours and theirs else ""
            lines.append(f"ours against {other}: {ratio:.2f} × the tokens a second{share}")
    return lines
