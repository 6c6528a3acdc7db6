"""Wipe what SQLite leaves of deleted rows: the unallocated part of pages.

`PRAGMA secure_delete` overwrites a row where it lay when it was deleted. But when a page is split or merged its rows
move, and their former bytes stay behind in the gap between the page's cell pointers and its cells, where nothing ever
reads them; of 6,000 rows deleted from a file with a life behind it, eight were found there. Writing the whole file
anew (VACUUM) takes minutes at the size of the paper's base; overwriting the gaps takes one pass that mostly reads.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from lamlam.kb.rawfile import RawFile

_CHUNK = 32 << 20
_HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}  # page types that hold cells, with the length of their headers
_FIRST_PAGE_HEADER = 100

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


def scrub(file: RawFile) -> int:
    """Overwrite the gaps of all pages with zeros and have that on the disk; how many pages had something in them.

    Whoever calls it holds the only write transaction, with an empty write-ahead log, so that no page is written by
    anybody else meanwhile. Readers are not disturbed, and it may be stopped at any point.
    """
    size = int.from_bytes(file.read(2, 16), "big")
    page_size = 65536 if size == 1 else size
    wiped, at = 0, 0
    while raw := file.read(_CHUNK // page_size * page_size, at):
        pages = np.frombuffer(bytearray(raw), np.uint8)[: len(raw) // page_size * page_size].reshape(-1, page_size)
        dirty = _wipe_gaps(pages, first=at == 0)
        for page in dirty.tolist():
            os.pwrite(file.descriptor, pages[page].tobytes(), at + page * page_size)
        wiped += len(dirty)
        at += len(raw)
    os.fsync(file.descriptor)
    return wiped


def _wipe_gaps(pages: _Bytes, first: bool) -> _Ints:
    """Set the gaps to zero in place; the numbers of the pages in which they were not."""
    starts, ends = _gaps(pages, first)
    lengths = np.maximum(ends - starts, 0)
    with_gap = np.flatnonzero(lengths)
    if not len(with_gap):
        return with_gap
    lengths = lengths[with_gap]
    firsts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    places = np.repeat(with_gap * pages.shape[1] + starts[with_gap] - firsts, lengths) + np.arange(lengths.sum())
    flat = pages.reshape(-1)
    dirty = with_gap[np.bitwise_or.reduceat(flat[places], firsts) > 0]
    flat[places] = 0
    return dirty


def _gaps(pages: _Bytes, first: bool) -> tuple[_Ints, _Ints]:
    """Where the gap of each page starts and ends; both 0 for a page without cells (overflow, free)."""
    headers = pages[:, :8].astype(np.int64)
    offset = np.zeros(len(pages), np.int64)
    if first:
        headers[0] = pages[0, _FIRST_PAGE_HEADER : _FIRST_PAGE_HEADER + 8]
        offset[0] = _FIRST_PAGE_HEADER
    lengths = np.zeros(256, np.int64)
    lengths[list(_HEADERS)] = list(_HEADERS.values())
    header = lengths[headers[:, 0]]
    cells = headers[:, 3] << 8 | headers[:, 4]
    content = headers[:, 5] << 8 | headers[:, 6]
    content[content == 0] = 65536
    starts = offset + header + 2 * cells
    ends = np.minimum(content, pages.shape[1])
    good = (header > 0) & (starts <= ends)
    return np.where(good, starts, 0), np.where(good, ends, 0)
