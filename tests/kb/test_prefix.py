"""The prefix index against sets of token tuples: what may come next, after every prefix, before and after edits."""

import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.kb.prefix_index import PrefixIndex
from tests.kb.prefix_walk import explore, reference

CLOSING = (3, 4)  # after an entity, after a relation
VOCABULARY = 5
NAMES = st.text("abc", min_size=1, max_size=5)
ENTRIES = st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=4)), max_size=12)


def letters(names):
    """Token ids of a name: its characters, so that names over a few letters share prefixes."""
    return [[ord(char) - 97 for char in name] for name in names]


def build(entries, folder, stamp=0, encode=letters):
    return PrefixIndex.build(entries, encode, CLOSING, "letters", folder, (stamp, 0.0))


def opened(folder, fingerprint="letters"):
    return PrefixIndex(folder, letters, CLOSING, fingerprint)


def allowed(index, node, vocabulary=VOCABULARY):
    mask = np.empty((1, vocabulary), bool)
    index.mask([node], mask)
    return np.flatnonzero(mask[0]).tolist()


def says(index):
    return explore(index, CLOSING, VOCABULARY)


def ought(entries):
    return reference(entries, lambda name: letters([name])[0], CLOSING)


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def merged(entries):
    united = defaultdict(set)
    for entity, relations in entries:
        united[entity] |= set(relations)
    return {entity: relations for entity, relations in united.items() if relations}


@settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES, st.lists(st.tuples(st.booleans(), ENTRIES.map(dict)), max_size=4))
def test_every_prefix_continues_as_the_names_do_before_and_after_edits(tmp_path_factory, entries, changes):
    folder = tmp_path_factory.mktemp("prefix") / "index"
    index = build(entries, folder)
    there = merged(entries)
    assert says(index) == ought(there)
    for number, (wiped, change) in enumerate(changes, 1):
        there = {name: own for name, own in (there | change).items() if own}
        if wiped:
            gone = sorted(set("abc") - {relation for own in there.values() for relation in own})
            told = change.items(), gone, (number, 0.0)
            assert index.wipe(lambda stamp, told=told: told)
        else:
            index.update(change.items(), (number, 0.0))
        assert says(index) == ought(there)
    again = opened(folder)
    assert again.stamp == index.stamp == (len(changes), 0.0)
    assert says(again) == ought(there)
    index.compact()
    assert says(index) == ought(there)
    build(there.items(), folder.with_name("anew"), stamp=len(changes))
    assert files(folder) == files(folder.with_name("anew"))  # nothing else can be read off it
    assert again.refresh()
    assert says(again) == ought(there)
    assert index.advance([-1, 0, 0], [0, 3, 4]).tolist() == [-1, -1, -1]


def test_what_was_wiped_is_in_no_file(tmp_path: Path):
    def encode(names):
        return [list(name.encode()) for name in names]

    index = build([("aab", ["x"]), ("aZb", ["x", "WW"]), ("aab-Y", ["x"])], tmp_path / "i", encode=encode)
    row = index.walk(index.entity_root, b"aZ")
    index.update([("aaQ", ["x", "WV"])], (1, 0.0))
    index.update([("aab-Y", [])], (2, 0.0))
    assert index.wipe(lambda stamp: None) is False
    index.wipe(lambda stamp: ([("aZb", []), ("aaQ", []), ("aab-Y", [])], ["WW", "WV"], (3, 0.0)))
    assert allowed(index, 0, 128) == [ord("a")]
    assert index.walk(0, b"aZ") == -1
    assert allowed(index, row, 128) == []  # void, and tells nothing
    arrays = [np.load(file) for file in (tmp_path / "i").glob("*token.npy")]
    assert not any(np.isin(list(b"ZYQWV-"), array).any() for array in arrays)
    (edits,) = (tmp_path / "i").glob("edits-*")
    assert edits.read_bytes() == b""
    assert opened(tmp_path / "i").stamp == (3, 0.0)


def test_a_node_with_many_children_keeps_its_row_until_an_edit(tmp_path: Path):
    def encode(names):
        return [[int(part) for part in name.split()] for name in names]

    index = build(((f"{n} {n}", ["0"]) for n in range(10, 2000)), tmp_path / "i", encode=encode)
    assert index.allowed([0, 5]).hot.tolist() == [0, -1]
    assert index.allowed([0]).pairs.shape == (2, 0)
    mask = np.empty((3, 70_000), bool)
    before = index.hot_version
    for changed, there in ((None, 1990), ("17 17", 1989), ("69999", 1990)):
        if changed:
            index.update([(changed, [] if changed == "17 17" else ["1"])], (1, 0.0))
        for _ in range(2):
            index.mask([0, index.walk(0, [15]), 0], mask)
            assert mask.sum(axis=1).tolist() == [there, 1, there]
    assert index.hot_version == before + 2
    index.update([("69999", ["2"])], (2, 0.0))
    assert index.hot_version == before + 2
    index.wipe(lambda stamp: ([("1999 1999", []), ("10 10", [])], [], (3, 0.0)))
    assert np.flatnonzero(index.hot(70_000)[0])[[0, -2, -1]].tolist() == [11, 1998, 69_999]


def test_a_long_name_a_long_relation_and_names_of_the_same_tokens(tmp_path: Path):
    long = "ab" * 3000
    entries = [(long, ["a"]), ("Ab", ["b"]), ("ab", ["a", "a"]), ("c", [long])]
    index = build(entries, tmp_path / "i", encode=lambda names: letters(map(str.lower, names)))
    assert allowed(index, index.walk(0, letters([long])[0])) == [CLOSING[0]]
    assert allowed(index, index.walk(0, [0, 1, CLOSING[0]])) == [0, 1]
    assert index.walk(0, [2]) == -1  # of which nothing can be asked


def test_another_tokenizer_is_refused_and_so_is_what_is_no_index(tmp_path: Path):
    folder = tmp_path / "index"
    with pytest.raises(LamlamError, match="no prefix index"):
        opened(folder)
    build([("a", ["b"])], folder)
    with pytest.raises(LamlamError, match="another tokenizer"):
        opened(folder, "digits")
    for name, damage in (("own.npy", b""), ("token.npy", b"PK"), ("meta.json", b"{"), ("edits-0.jsonl", b"{}\n")):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(damage)
        with pytest.raises(LamlamError, match="damaged") as raised:
            opened(folder)
        assert "\n" not in str(raised.value)
        (folder / name).write_bytes(kept)
    (folder / "own.npy").unlink()
    with pytest.raises(LamlamError, match="damaged"):
        opened(folder)


def test_an_update_that_was_killed_is_not_there_and_the_next_one_is(tmp_path: Path):
    index = build([("a", ["b"])], tmp_path / "i")
    index.update([("b", ["b"])], (1, 0.0))
    with (tmp_path / "i" / "edits-0.jsonl").open("ab") as file:
        file.write(b'{"stamp":[2,0],"chan')
    index = opened(tmp_path / "i")
    assert index.stamp == (1, 0.0)
    index.update([("c", ["b"])], (3, 0.0))
    again = opened(tmp_path / "i")
    assert (again.stamp, allowed(again, 0)) == ((3, 0.0), [0, 1, 2])


def test_two_see_each_others_changes(tmp_path: Path):
    one = build([("a", ["b"])], tmp_path / "i")
    other = opened(tmp_path / "i")
    one.update([("b", ["a"])], (1, 0.0))
    assert other.refresh() is False
    assert allowed(other, 0) == [0, 1]
    one.wipe(lambda stamp: ([("a", [])], [], (2, 0.0)))
    assert other.refresh() is True
    assert allowed(other, 0) == [1]
    other.update([("c", ["a"])], (3, 0.0))
    one.compact()
    assert other.update([("ab", ["a"])], (4, 0.0)) is True
    assert one.refresh() is False
    assert allowed(one, 0) == allowed(other, 0) == [0, 1, 2]


def test_who_has_not_refreshed_yet_gets_no_token_that_is_none(tmp_path: Path):
    one = build([("ab", ["a"]), ("ac", ["b", "c"]), ("b", ["c"])], tmp_path / "i")
    other = opened(tmp_path / "i")
    nodes = [0, *(other.walk(0, tokens) for tokens in ([0], [0, 1], [0, 1, 3], [0, 2], [0, 2, 3]))]
    one.wipe(lambda stamp: ([("ab", []), ("ac", [])], ["a"], (1, 0.0)))
    mask = np.empty((len(nodes), VOCABULARY), bool)
    other.mask(nodes, mask)
    assert np.flatnonzero(mask[0]).tolist() == [1]
    assert other.refresh() is True


def test_rows_are_read_while_names_come_and_go(tmp_path: Path):
    index = build([("ab", ["a"]), ("ac", ["b"])], tmp_path / "i")
    stop = threading.Event()

    def write():
        stamp = 0
        while not stop.is_set():
            stamp += 1
            index.update([("ab", ["a", "c"] if stamp % 2 else [])], (stamp, 0.0))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            rows, tokens = index.allowed([0, index.walk(0, [0]), index.walk(0, [0, 2, 3])]).pairs
            assert tokens[rows == 0].tolist() == [0]
            assert tokens[rows == 1].tolist() in ([1, 2], [2])
            assert tokens[rows == 2].tolist() == [1]
    finally:
        stop.set()
        writer.join()
