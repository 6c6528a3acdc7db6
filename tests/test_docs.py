"""The documentation says what is so."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from lamlam.cli.main import app
from lamlam.train import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("experiments/*/README.md"))]


def test_recipe_page_has_every_key():
    page = (ROOT / "docs" / "recipes.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == list(Recipe.model_fields)


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/*/*.yaml")), ids=str)
def test_recipes_of_experiments_are_valid(path):
    assert load_recipe(path).output.parts[0] == "runs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_commands_of_the_readme_parse():
    commands = re.findall(r"^ {4}lamlam (.*?)(?:  +#.*)?$", (ROOT / "README.md").read_text(), re.M)
    assert len(commands) >= 6
    for line in commands:
        parse(get_command(app), shlex.split(line))


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake (\w+)", (ROOT / "README.md").read_text())) <= targets


def parse(command, arguments):
    """Have click parse a command line down to its last subcommand, without running it."""
    context = command.make_context("lamlam", list(arguments), resilient_parsing=False)
    if hasattr(command, "resolve_command"):
        _, subcommand, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parse(subcommand, rest)
