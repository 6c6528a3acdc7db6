"""Functions that Numba compiles, where it is installed (`pip install lamlam[cpu]`)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

COMPILES = find_spec("numba") is not None
"""Whether there is something to compile with. Without it everything works, in NumPy."""


def compiled(function: Function) -> Function:
    """The function compiled when it is called first, for some seconds, and then read from Numba's cache: beside the
    source, or in the user's folder where that cannot be written to; where neither can, each process compiles it.

    Sums may be taken in any order, as any library of products takes them; nothing else about numbers is relaxed. It
    lets other threads run, and starts none.
    """
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def compiled_in_order(function: Function) -> Function:
    """As `compiled`, with sums in the order in which they are written: equal numbers have equal sums everywhere."""
    return _compiled(function, fastmath=False)


def _compiled(function: Function, **options: Any) -> Function:
    from numba import njit

    try:
        compiles: Function = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # there is no folder for the cache
        compiles = njit(nogil=True, **options)(function)
    return compiles
