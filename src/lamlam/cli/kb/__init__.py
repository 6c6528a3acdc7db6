"""`lamlam kb`: build a base, ask it, change it, forget from it, look into it."""

from lamlam.cli.kb import ask, change, files, moments, names
from lamlam.cli.kb.app import app

app.add_typer(names.app)

__all__ = ["app", "ask", "change", "files", "moments", "names"]
