"""Write beside, then rename: a file or folder is either the old one, or the new one whole.

Whatever stops the writing (an error, Ctrl-C, a full disk) leaves nothing behind at the final path that was not there
before; only a kill -9 can leave the temporary sibling, which carries `.partial` in its name.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamlam.errors import LamlamError

# Libraries tell of a full disk in their own exceptions; what they have in common is the system's words, or NumPy's.
_NO_SPACE = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\d+ requested and \d+ written|Not enough free space"
)


@contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder; renamed to `path` when the block ends well, removed when it does not.

    The block creates a file or a folder at the path it is given. An existing file is replaced in one step; an existing
    folder, which only a folder replaces, is moved aside first and deleted after the new one is in place. LamlamError
    where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    _remove(partial)
    try:
        yield partial
        sync(partial)
        _put_in_place(partial, path)
    except BaseException as error:
        _remove(partial)
        if isinstance(error, Exception) and (reason := _NO_SPACE.search(str(error))):
            raise LamlamError(
                f"no space left on the disk for {path} ({reason[0]}); free some and run the same command again"
            ) from error
        raise


def _put_in_place(partial: Path, path: Path) -> None:
    if not path.is_dir():
        partial.replace(path)
        return
    if not partial.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    _remove(aside)
    try:
        path.rename(aside)
        partial.rename(path)
    except BaseException:
        if aside.is_dir() and not path.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside)


def sync(path: Path) -> None:
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
