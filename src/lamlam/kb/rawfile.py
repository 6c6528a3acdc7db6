"""The bytes of a base's file beside SQLite's own access to it.

On POSIX systems a process loses all its locks on a file when it closes *any* descriptor of that file: opening a base's
file for a moment would leave the connections of this process without theirs. So one descriptor a file is kept for as
long as a base in this process uses it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

_lock = threading.Lock()
_open: dict[tuple[int, int], RawFile] = {}


@dataclass
class RawFile:
    """One descriptor of a file, shared by all who hold it."""

    descriptor: int
    holders: int = 0

    def read(self, size: int, at: int) -> bytes:
        """Up to `size` bytes from offset `at`."""
        return os.pread(self.descriptor, size, at)


def hold(path: Path) -> RawFile:
    """The file at `path`, which must exist, for reading and, where that is allowed, writing."""
    with _lock:
        status = path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity not in _open:
            mode = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
            _open[identity] = RawFile(os.open(path, mode | os.O_CLOEXEC))
        _open[identity].holders += 1
        return _open[identity]


def release(file: RawFile) -> None:
    """Close the descriptor when nobody holds the file any more; only after the connections to it are closed."""
    with _lock:
        file.holders -= 1
        if not file.holders:
            os.close(file.descriptor)
            for identity in [key for key, other in _open.items() if other is file]:
                del _open[identity]
