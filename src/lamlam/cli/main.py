"""`lamlam`: the commands put together, and what happens to their errors.

Exit codes: 0 done; 1 a failure the user can mend, told in one line on standard error; 2 bad usage; 130 interrupted
(143 by SIGTERM). Any other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from lamlam.cli import (
    annotate,
    convert,
    demo,
    evaluate,
    generate,
    kb,
    pack,
    pretrain,
    select,
    serve,
    shards,
    thrust,
    train_annotator,
)
from lamlam.cli.terminal import errors, fail, say
from lamlam.errors import LamlamError

_HOW_TO_MEND = {
    errno.EACCES: "permission denied; mend its permissions, or use another place",
    errno.EEXIST: "this is a file where a folder has to be; name another place",
    errno.EISDIR: "this is a folder; name a file",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of this path is a file and no folder",
    errno.EROFS: "this disk can only be read; use another place",
}
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Commands(TyperGroup):
    """The commands; what goes wrong in one of them becomes one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # what was printed is part of the work
            return result
        except KeyboardInterrupt as interrupt:
            say(str(interrupt) or "interrupted; nothing half-written is left behind", errors)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `lamlam … | head`
            _drop_output()
            raise typer.Exit(1) from None
        except Exception as error:
            line = _explained(error)
            if line is None:
                raise
            _drop_output()
            fail(line)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="lamlam",
    cls=Commands,
    help="Limited Memory Language Models: small models that look their facts up in a database.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("annotate")(annotate.annotate)
app.command("train-annotator")(train_annotator.train_annotator)
app.command("correct")(annotate.correct)
app.command("convert")(convert.convert)
app.add_typer(kb.app, name="kb")
app.add_typer(shards.app, name="shards")
app.command("pack")(pack.pack)
app.command("select")(select.select)
app.command("pretrain")(pretrain.pretrain)
app.command("generate")(generate.generate)
app.add_typer(evaluate.app, name="eval")
app.add_typer(thrust.app, name="thrust")
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; the entry point of the `lamlam` script."""
    # Progress is ours to show: transformers would draw a bar for every file it reads or writes.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be Unicode
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # By default the process would end on the spot, and leave what is half-written behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()


def _explained(error: Exception) -> str | None:
    """The one line for a failure that the user can mend; None for a defect of ours."""
    if isinstance(error, LamlamError):
        return str(error)
    if isinstance(error, OSError):
        where = error.filename if error.filename is not None else ""
        if error.errno in _NO_SPACE:
            return f"no space left on the disk{where and f' for {where}'}; free some and run the same command again"
        what = _HOW_TO_MEND.get(error.errno or 0) or error.strerror or str(error)
        return f"{where}: {what}" if where else what
    # PyTorch's kinds, told by their names: importing it takes seconds.
    no_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if no_memory or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        return "out of memory; use a smaller batch, context or model, or a machine with more memory"
    return None


def _drop_output() -> None:
    """Where standard output takes nothing any more, let Python's last flush of it go nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
