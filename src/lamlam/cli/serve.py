"""`lamlam serve`: a model and its base over HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.terminal import errors, say
from lamlam.kb import KnowledgeBase


def serve(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model: a checkpoint folder.", show_default=False)],
    kb: Annotated[
        str | None,
        typer.Option(
            "--kb", help="The base to look up in, a file or a postgresql:// URL; without it, lookups are off."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8000,
) -> None:
    """Serve a model over HTTP: OpenAI-compatible completions with citations, and the base's lookups.

    There is no password: whoever reaches the port can ask.

    Example: `lamlam serve model --kb facts.db`
    """
    from lamlam.generate import LookupModel
    from lamlam.serve import create_app, listen, run

    with ExitStack() as open_until_stopped:
        # First what fails fast: a port that is taken, a base that is none.
        listening = open_until_stopped.enter_context(listen(host, port))
        base = open_until_stopped.enter_context(KnowledgeBase.open(kb)) if kb else None
        name = model.resolve().name
        app = create_app(LookupModel.from_pretrained(model, base), name)
        shown = f"[{host}]" if ":" in host else host
        line = f"serving {name} at http://{shown}:{listening.getsockname()[1]}"
        say(line, errors)
        run(app, listening)
