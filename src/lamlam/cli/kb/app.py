"""What the commands of `lamlam kb` share: the group that they belong to, and their arguments."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The knowledge base: build, ask, change, forget, look into it.", no_args_is_help=True)

Base = Annotated[
    str, typer.Argument(metavar="KB", help="The base: one file, or a postgresql:// URL.", show_default=False)
]
Entity = Annotated[str, typer.Argument(help="The entity, by any spelling of its name.", show_default=False)]
Relation = Annotated[str, typer.Argument(help="The relation.", show_default=False)]
OneRelation = Annotated[str | None, typer.Argument(help="Only this relation.", show_default=False)]
Author = Annotated[str | None, typer.Option(help="Who makes the change, kept in the history.")]
Reason = Annotated[str | None, typer.Option(help="Why, kept in the history.")]
Force = Annotated[bool, typer.Option("--force", help="Bring back what was forgotten, too.")]
