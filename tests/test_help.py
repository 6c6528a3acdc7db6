"""Every command has help with an example that can be typed as it stands, and answers machines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lamlam.cli.main import app

NO_JSON = {"serve": "it runs until it is stopped, and has no result"}
_KB = ["build", "get", "search", "set", "forget", "history", "import", "export", "stats", "check"]
EXPECTED = {"annotate", "correct", "convert", "pack", "pretrain", "generate", "serve", "demo"} | {
    *(f"kb {name}" for name in _KB),
    *(f"eval {name}" for name in ("perplexity", "completion")),
}


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(name, command) of every command that does something, the names of its groups before its own."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))
each = pytest.mark.parametrize(("name", "command"), COMMANDS.items(), ids=list(COMMANDS))


def test_the_commands_of_these_rooms_exist():
    assert set(COMMANDS) >= EXPECTED


@each
def test_help_says_what_it_does(name, command):
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert re.match(r"[A-Z].*\.", command.help.splitlines()[0])


@each
def test_the_example_parses(name, command):
    examples = re.findall(r"Example: `lamlam (.+?)`", " ".join(command.help.split()))
    assert examples, "no Example: `lamlam …` in its help"
    for example in examples:
        words = shlex.split(example)
        own = name.split()
        assert words[: len(own)] == own
        with command.make_context(name, words[len(own) :]) as context:  # parses, and runs nothing
            assert context.args == []


@each
def test_options_have_help_and_json_is_there(name, command):
    options = {flag: parameter for parameter in command.params for flag in parameter.opts if flag.startswith("--")}
    assert ("--json" in options) == (name not in NO_JSON)
    for flag, option in options.items():
        assert option.help or flag == "--help", f"{flag} has no help"
