"""Files as streams of bytes, packed ones (.gz, .bz2) included, and their lines with the places after them."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from lamlam.errors import LamlamError
from lamlam.kb.exchange.rows import START, Place

_PACKED: dict[str, Callable[..., object]] = {".gz": gzip.open, ".bz2": bz2.open}


def kind(path: Path) -> str:
    """The suffix that says what is in a file, without that of its packing: `.nt` for `facts.nt.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked. What goes wrong while it is read is a line for the user."""
    try:
        with cast(BinaryIO, _PACKED.get(path.suffix.lower(), open)(path, "rb")) as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LamlamError(f"{path} is cut off or damaged ({error}); copy it again") from error


def lines(path: Path, after: Place = START) -> Iterator[tuple[Place, bytes]]:
    """The lines of a file that come after a place, each with the place after it."""
    offset, number = after
    with opened(path) as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            number += 1
            yield (offset, number), line
