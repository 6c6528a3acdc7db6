"""What is the same for all commands: exit codes, one line for an error, output that machines and files can take."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
import typer

from lamlam.cli import main as main_module
from lamlam.cli.terminal import say
from lamlam.errors import LamlamError, Stopped

PROGRAM = [sys.executable, "-c", "from lamlam.cli.main import main; main()"]


@pytest.fixture
def failing(monkeypatch, run_cli):
    """Run a command that fails with the given error."""

    def run(error: BaseException):
        app = typer.Typer(cls=main_module.Commands, pretty_exceptions_enable=False)

        @app.command()
        def work() -> None:
            raise error

        @app.command()
        def other() -> None: ...

        monkeypatch.setattr(main_module, "app", app)
        return run_cli("work")

    return run


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (LamlamError("a [bold]\nb \\[x]"), 1, "error: a [bold] b \\[x]"),
        (Stopped("stopped after step 3 of 9"), 130, "stopped after step 3 of 9"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-written is left behind"),
        (OSError(errno.ENOSPC, "No space", "[x].db"), 1, "error: no space left on the disk for [x].db; free some"),
        (OSError(errno.ENOSPC, "No space"), 1, "error: no space left on the disk; free some and run the same"),
        (PermissionError(errno.EACCES, "no", "a/b"), 1, "error: a/b: permission denied; mend its permissions"),
        (IsADirectoryError(errno.EISDIR, "no", "a"), 1, "error: a: this is a folder; name a file"),
        (FileNotFoundError(errno.ENOENT, "no", "a"), 1, "error: a: no such file or folder"),
        (OSError("odd"), 1, "error: odd"),
        (MemoryError(), 1, "error: out of memory; use a smaller batch"),
        (OutOfMemoryError("CUDA"), 1, "error: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "error: out of memory"),
        (BrokenPipeError(errno.EPIPE, "pipe"), 1, ""),
    ],
)
def test_a_failure_is_one_line_and_a_code(failing, error, code, says):
    result = failing(error)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(says)
    assert result.err.count("\n") == (1 if says else 0)


def test_a_defect_keeps_its_traceback(failing):
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


@pytest.mark.parametrize("arguments", [(), ("kb",), ("eval",), ("nonsense",), ("kb", "get"), ("pack",), ("kb", "--no")])
def test_bad_usage_is_2(run_cli, arguments):
    result = run_cli(*arguments)
    assert result.code == 2
    assert "Usage: " in result.out + result.err


def test_brackets_in_a_path_are_no_markup(run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_cli("kb", "get", "[bold].db", "x")
    assert (result.code, result.out) == (1, "")
    assert "there is no base at [bold].db;" in result.err


def test_a_long_line_stays_one_line(capsys):
    line = f"[red]{'a folder with spaces/' * 20}x[/]"
    say(line)
    assert capsys.readouterr().out == line + "\n"


def test_tables_are_not_cut_for_a_file(run_cli, tmp_path):
    value = "a long value " * 30 + "x"
    assert run_cli("kb", "import", _facts(tmp_path, value), tmp_path / "f.db").code == 0
    out = run_cli("kb", "get", tmp_path / "f.db", "Ada").out
    assert value in out
    assert "\x1b" not in out


def _facts(folder, value):
    (folder / "facts.csv").write_text(f"entity,relation,value\nAda,Note,{value}\n")
    return folder / "facts.csv"


def test_as_a_program(tmp_path):
    """Real pipes and a full device; and that asking the help loads nothing heavy."""
    code = (
        "import sys; sys.argv = ['lamlam', '--help']\nfrom lamlam.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'torch', 'pyarrow', 'transformers', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("set()\n")
    assert "\x1b" not in out

    odd = os.fsencode(tmp_path) + b"/\xff.jsonl"
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    done = subprocess.run([*PROGRAM, "convert", tmp_path / "in.jsonl", odd], capture_output=True, check=True)
    assert rb"\udcff.jsonl" in done.stdout
    assert os.path.exists(odd)

    command = [*PROGRAM, "convert", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), "--json"]
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "no space left on the disk" in done.stderr
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
