"""Who may import whom, and what no module does, read from the source of every module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "lamlam"
MODULES = sorted(SOURCE.rglob("*.py"))
# Room → the rooms it may import from; itself, errors.py and atomic.py go without saying.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "atomic": set(),
    "text": set(),
    "kb": {"text"},
    "model": {"text"},
    "corpus": {"text", "model"},
    "train": {"text", "model", "corpus"},
    "generate": {"text", "kb", "model"},
    "annotate": {"text", "kb", "model", "train", "generate"},
    "evaluate": {"text", "kb", "model", "corpus", "generate"},
    "select": {"text", "model", "corpus", "evaluate"},
    "serve": {"text", "kb", "model", "generate"},
}
MAY_IMPORT["demo"] = set(MAY_IMPORT)
MAY_IMPORT["cli"] = {*MAY_IMPORT, "demo"}
FOR_ALL = {"errors", "atomic"}
FORBIDDEN = [r"\bpickle\b", r"(?<!\.)\beval\(", r"\bexec\(", r"shell\s*=\s*True", r"\bos\.system\b", r"\btorch\.load\b"]


def room(module: Path) -> str:
    first = module.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(module: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of every import of lamlam in a module, those within functions included."""
    for node in ast.walk(ast.parse(module.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import hides which room it is from"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "lamlam" else []
            names += [node.module] if node.module and node.module != "lamlam" else []
        for name in names:
            if name == "lamlam" or name.startswith("lamlam."):
                yield node.lineno, [*name.split("."), "__init__"][1]


def test_every_room_has_a_rule():
    assert {room(module) for module in MODULES} == set(MAY_IMPORT) | {"__init__"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(SOURCE)))
def test_a_module_imports_only_what_its_room_may(module):
    own = room(module)
    if own == "__init__":  # the package's own face
        return
    allowed = MAY_IMPORT[own] | FOR_ALL | {own}
    wrong = [f"line {line}: {other}" for line, other in imported_rooms(module) if other not in allowed]
    assert not wrong, f"{own} may import {', '.join(sorted(allowed))} only"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(SOURCE)))
def test_a_module_fits_one_sitting_and_executes_no_input(module):
    source = module.read_text()
    assert source.count("\n") <= 450
    assert [pattern for pattern in FORBIDDEN if re.search(pattern, source)] == []


def test_the_rule_sees_imports_of_every_kind(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("import lamlam.kb\nfrom lamlam import text\ndef f():\n    from lamlam.demo.world import World\n")
    assert [name for _, name in imported_rooms(module)] == ["kb", "text", "demo"]
