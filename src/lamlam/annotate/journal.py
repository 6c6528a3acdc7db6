"""A journal of answers that were paid for: one line each, on the disk before it is used, read again after a kill."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from lamlam.errors import LamlamError


class Journal:
    """Answers by key, appended to a file line by line; what a kill left half-written at its end is cut off.

    May be used from several threads at once, by one process at a time (a lock on the file sees to that).
    """

    def __init__(self, path: Path) -> None:
        import fcntl

        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise LamlamError(f"{path}: another run is writing to it; wait for it, or name another OUT") from None
        self._lock = Lock()
        self._answers: dict[str, Any] = {}
        whole = 0
        self._file.seek(0)
        for line in self._file:
            try:
                entry = json.loads(line)
                self._answers[entry["key"]] = entry["answer"]
            except (ValueError, TypeError, KeyError):
                break
            if not line.endswith(b"\n"):
                break
            whole += len(line)
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Any | None:
        """The answer of an earlier run, or of this one."""
        return self._answers.get(key)

    def add(self, key: str, answer: Any) -> None:
        """Keep an answer (JSON values): it is on the disk when this returns."""
        line = json.dumps({"key": key, "answer": answer}, ensure_ascii=True).encode() + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._answers[key] = answer

    def close(self, remove: bool = False) -> None:
        """Let go of the file; with `remove`, delete it."""
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()


def key_of(*parts: str) -> str:
    """A key for what was asked: equal only for the same parts."""
    return sha256(json.dumps(parts).encode()).hexdigest()
