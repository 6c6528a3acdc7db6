"""Write beside, then rename: a file or folder is either the old one, or the new one whole.

Whatever stops the writing (an error, Ctrl-C, a full disk) leaves nothing behind at the final path that was not there
before; only a kill -9 can leave the temporary sibling, which carries `.partial` in its name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder; renamed to `path` when the block ends well, removed when it does not.

    The block creates a file or a folder at the path it is given. An existing file is replaced in one step; an existing
    folder is moved aside first and deleted after the new one is in place.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    _remove(partial)
    try:
        yield partial
        _sync(partial)
        if path.is_dir():
            aside = path.with_name(f".{path.name}.{os.getpid()}.old")
            path.rename(aside)
            partial.rename(path)
            shutil.rmtree(aside)
        else:
            partial.replace(path)
    except BaseException:
        _remove(partial)
        raise


def _sync(path: Path) -> None:
    """Have the data on the disk before the name points at it."""
    for file in (child for child in path.rglob("*") if child.is_file()) if path.is_dir() else (path,):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
