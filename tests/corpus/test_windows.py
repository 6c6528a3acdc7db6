"""Wherever windows cut: no value and no closing token is ever a target, every other token is exactly once."""

import json
from collections import Counter

import numpy as np
import pytest

from lamlam.corpus import IGNORED, Windows, encode_document, pack
from lamlam.corpus.pack import read_info
from lamlam.errors import LamlamError
from lamlam.model import train_tokenizer
from lamlam.text import Document, Lookup
from tests.corpus.test_encode import BYTES, ada, sentencepiece_like

SHORT = Document("short", "In London.")
EMPTY = Document("empty", "")


def targets(windows: Windows) -> list[int]:
    """All labels that train, in the order of the stream."""
    labels = windows.batch(np.arange(len(windows))).labels.ravel()
    return [int(label) for label in labels if label != IGNORED]


@pytest.mark.parametrize("kind", ["lmlm", "standard"])
@pytest.mark.parametrize("tokenizer", [BYTES, sentencepiece_like()], ids=["one-token", "start-and-end"])
def test_every_cut(tmp_path, tokenizer, kind):
    documents = [ada(), EMPTY, SHORT, ada()]
    info = pack(documents, tmp_path / "shards", tokenizer, kind)
    wanted: list[int] = []
    for document in documents:
        encoded = encode_document(document, tokenizer, kind)
        wanted += [token for token, train in zip(encoded.ids, encoded.trained, strict=True) if train]
        assert encoded.ids[-1] == tokenizer.eos_id
        assert encoded.trained[-1]
    assert info.trained == len(wanted)
    for context in range(1, info.tokens + 2):  # cuts every document at every position
        windows = Windows(tmp_path / "shards", context)
        assert targets(windows) == wanted


def test_a_target_follows_its_input(tmp_path):
    info = pack([ada(), SHORT], tmp_path / "shards", BYTES)
    stream = np.load(tmp_path / "shards" / "00000.tokens.npy").tolist()
    windows = Windows(tmp_path / "shards", 7)
    batch = windows.batch(np.arange(len(windows)))
    for position in range(info.tokens - 1):
        row, column = divmod(position, 7)
        assert batch.inputs[row, column] == stream[position]
        assert batch.labels[row, column] in (IGNORED, stream[position + 1])
    assert (batch.labels.ravel()[info.tokens - 1 :] == IGNORED).all()


def test_many_shards_are_read_as_one(tmp_path):
    documents = [ada(), SHORT, EMPTY] * 5
    pack(documents, tmp_path / "one", BYTES)
    info = pack(documents, tmp_path / "many", BYTES, shard_tokens=100)
    assert len(info.shards) > 3
    assert info.documents == 15
    for context in (1, 5, 64, 1000):
        many, one = Windows(tmp_path / "many", context), Windows(tmp_path / "one", context)
        assert Counter(targets(many)) == Counter(targets(one))


def test_an_epoch_sees_each_window_once_in_an_order_of_its_own(tmp_path):
    pack([ada()] * 5, tmp_path / "shards", BYTES)
    windows = Windows(tmp_path / "shards", 8)
    orders = [windows.order(seed, epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(range(len(windows))) for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] == Windows(tmp_path / "shards", 8).order(0, 0).tolist()


def test_a_large_vocabulary_takes_wider_ids(tmp_path, monkeypatch):
    monkeypatch.setattr(type(BYTES), "__len__", lambda self: 70_000)
    pack([SHORT], tmp_path / "shards", BYTES)
    assert np.load(tmp_path / "shards" / "00000.tokens.npy").dtype == np.uint32


def test_windows_know_their_tokenizer(tmp_path):
    pack([SHORT], tmp_path / "shards", BYTES)
    assert Windows(tmp_path / "shards", 8).tokenizer().fingerprint() == BYTES.fingerprint()
    assert BYTES.fingerprint() != train_tokenizer(["something else entirely"], 280).fingerprint()


def test_nothing_is_left_behind_when_packing_fails(tmp_path):
    def documents():
        yield ada()
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        pack(documents(), tmp_path / "shards", BYTES)
    with pytest.raises(LamlamError, match="nothing to pack"):
        pack([], tmp_path / "shards", BYTES)
    assert list(tmp_path.iterdir()) == []


def test_packing_again_replaces_the_folder(tmp_path):
    pack([ada()] * 3, tmp_path / "shards", BYTES, shard_tokens=50)
    pack([SHORT], tmp_path / "shards", BYTES)
    assert read_info(tmp_path / "shards").documents == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shards"]
    assert not (tmp_path / "shards" / "00001.tokens.npy").exists()


def spoil_count(folder):
    info = json.loads((folder / "shards.json").read_text())
    info["shards"][0]["tokens"] += 8
    (folder / "shards.json").write_text(json.dumps(info))


def spoil_format(folder):
    info = json.loads((folder / "shards.json").read_text())
    (folder / "shards.json").write_text(json.dumps({**info, "format": 99}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "shards.json").unlink(), "not a shard folder"),
        (lambda folder: (folder / "shards.json").write_text("{"), r"shards\.json cannot be read"),
        (lambda folder: (folder / "shards.json").write_text("[]"), r"shards\.json cannot be read"),
        (spoil_format, "shard format 99"),
        (spoil_count, r"shards\.json says"),
        (lambda folder: (folder / "00000.tokens.npy").write_bytes(b"\x93NUMPY"), "missing or torn"),
        (lambda folder: (folder / "00000.trained.npy").unlink(), "missing or torn"),
        (lambda folder: np.save(folder / "00000.trained.npy", np.zeros(1, np.uint8)), "a mask of 1 bytes"),
    ],
)
def test_spoiled_shards_are_named(tmp_path, spoil, message):
    pack([ada()], tmp_path / "shards", BYTES)
    spoil(tmp_path / "shards")
    with pytest.raises(LamlamError, match=message):
        Windows(tmp_path / "shards", 8)


def test_a_context_has_tokens(tmp_path):
    pack([ada()], tmp_path / "shards", BYTES)
    with pytest.raises(LamlamError, match="at least 1"):
        Windows(tmp_path / "shards", 0)


def test_lookups_of_a_document_are_counted(tmp_path):
    document = Document.with_lookups("d", "In London.", [(3, Lookup("It", "Place", "London"))])
    info = pack([document], tmp_path / "shards", BYTES)
    assert info.tokens - info.trained == len(BYTES.encode_answer("London")) + 1  # and the start token
