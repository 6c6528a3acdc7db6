"""`lamlam`: the commands put together, and what happens to their errors.

Exit codes: 0 done; 1 a failure the user can mend, told in one line on standard error; 2 bad usage; 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import typer

from lamlam.cli import annotate, convert, demo, evaluate, generate, kb, pack, pretrain, serve
from lamlam.cli.terminal import fail
from lamlam.errors import LamlamError

app = typer.Typer(
    name="lamlam",
    help="Limited Memory Language Models: small models that look their facts up in a database.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("annotate")(annotate.annotate)
app.command("correct")(annotate.correct)
app.command("convert")(convert.convert)
app.add_typer(kb.app, name="kb")
app.command("pack")(pack.pack)
app.command("pretrain")(pretrain.pretrain)
app.command("generate")(generate.generate)
app.add_typer(evaluate.app, name="eval")
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; the entry point of the `lamlam` script."""
    # Progress is ours to show: transformers would draw a bar for every file it reads or writes.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app()
    except LamlamError as error:
        fail(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        fail("interrupted; nothing half-written is left behind")
        sys.exit(130)
    except BrokenPipeError:  # `lamlam … | head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # missing or unreadable file, full disk, read-only disk
        fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        sys.exit(1)
