"""The files that lie beside a base: its log while it is in use, and the indexes that are made from it."""

from __future__ import annotations

import shutil
from pathlib import Path

from lamlam.errors import LamlamError

_LOGS = ("-wal", "-shm", "-journal")
_INDEXES = (".names-", ".prefix-")


def beside(base: Path) -> list[Path]:
    """The files and folders that belong to a base and hold its bytes; they mean nothing without it."""
    logs = [base.with_name(base.name + suffix) for suffix in _LOGS]
    starts = tuple(base.name + index for index in _INDEXES)
    indexes = [file for file in sorted(base.parent.iterdir()) if file.name.startswith(starts)]
    return [*(log for log in logs if log.exists()), *indexes]


def remove_beside(base: Path) -> None:
    """Remove what lies beside a base that is gone or replaced: what it had forgotten must not outlive it either."""
    for path in beside(base):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def empty_log(base: Path) -> None:
    """Have what is in a base's log in its file, before another file is put in its place: a log must not outlive it.

    Raises `LamlamError` where another process has the base open.
    """
    from lamlam.kb.base import KnowledgeBase

    if not base.exists():
        return
    try:
        KnowledgeBase.open(base).close()
    except LamlamError:
        return  # what is replaced need not be a base that can be opened
    if base.with_name(base.name + "-wal").exists():
        raise LamlamError(f"another process has the base {base} open; close it there before it is replaced")
