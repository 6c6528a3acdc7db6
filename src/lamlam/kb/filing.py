"""What entities are filed under by their normalised names, for many names at once."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from lamlam.kb.names import normalise


def normalised(names: pyarrow.Array) -> pyarrow.Array:
    """`normalise(name)` for each name; plain ones are normalised by Arrow, six times as fast."""
    # What `normalise` does to an ASCII name that has a letter and does not end in a sign that it keeps, nor in a
    # separator, behind which there may be one: Python takes more for spaces than Arrow does.
    plain = pc.match_substring_regex(names, r"^[\x01-\x7f]*[A-Za-z0-9][\x01-\x7f]*$")
    plain = pc.and_(plain, pc.invert(pc.match_substring_regex(names, r"[+#\x00-\x20]$")))
    folded = pc.ascii_lower(pc.if_else(plain, names, ""))
    folded = pc.replace_substring_regex(folded, "['`]", "")
    folded = pc.replace_substring_regex(folded, r"^[\W_]*the[\W_]+([a-z0-9])", r"\1")
    folded = pc.utf8_trim(pc.replace_substring_regex(folded, r"[\W_]+", " "), " ")
    other = pc.invert(plain)
    spelled = [normalise(name) for name in names.filter(other).to_pylist()]
    return pc.replace_with_mask(folded, other, pyarrow.array(spelled, folded.type))


def closed_hashes(names: pyarrow.Array) -> npt.NDArray[np.int64]:
    """`closed_hash(normalise(name))` for each name."""
    return hashes(normalised(names))


def hashes(normalised: pyarrow.Array) -> npt.NDArray[np.int64]:
    """`closed_hash(name)` for each normalised name."""
    closed = pc.replace_substring(normalised, " ", "")
    return np.array([crc32(name.encode()) for name in closed.to_pylist()], np.int64)
