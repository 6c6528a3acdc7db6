"""The prefix index against sets of token tuples: what may come next, after every prefix, before and after edits."""

import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.prefix_files import by_entity
from lamlam.kb.prefix_index import PrefixIndex
from lamlam.model import LookupTokenizer, train_tokenizer


def letters(names):
    """Token ids of a name: its characters, so that names over a few letters share prefixes."""
    return [[ord(char) - 97 for char in name] for name in names]


NAMES = st.text("abc", min_size=1, max_size=5)
ENTRIES = st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=4)), max_size=12)
VOCABULARY = 5


def reference(entries):
    """Every prefix of every entity, and of its relations: what may come next, and whether it ends there."""
    continued, ended = defaultdict(set), set()

    def spell(before, tokens):
        for length, token in enumerate(tokens):
            continued[before, tuple(tokens[:length])].add(token)
        ended.add((before, tuple(tokens)))

    for entity, relations in entries.items():
        (whole,) = letters([entity])
        for relation in letters(relations):
            spell(None, whole)
            spell(tuple(whole), relation)
    return continued, ended


def explore(index):
    """The same, walked out of the index in batches of whole levels."""
    continued, ended = defaultdict(set), set()
    level = [(index.entity_root, (None, ()))]
    while level:
        nodes = np.array([node for node, _ in level])
        tokens, starts = index.next(nodes)
        mask = np.ones((len(level), VOCABULARY), bool)
        index.mask(nodes, mask)
        roots, ends = index.relation_roots(nodes), index.ends(nodes)
        wanted = [
            (node, name, token)
            for row, (node, name) in enumerate(level)
            for token in tokens[slice(*starts[row : row + 2])]
        ]
        after = index.advance([node for node, _, _ in wanted], [token for _, _, token in wanted])
        below = []
        for row, (_, name) in enumerate(level):
            allowed = tokens[starts[row] : starts[row + 1]].tolist()
            assert sorted(set(allowed)) == allowed == np.flatnonzero(mask[row]).tolist()
            if ends[row]:
                ended.add(name)
            if roots[row] >= 0:
                assert name[0] is None
                assert ends[row]
                below.append((int(roots[row]), (name[1], ())))
        for (_, (before, written), token), node in zip(wanted, after.tolist(), strict=True):
            assert node >= 0
            continued[before, written].add(int(token))
            below.append((node, (before, (*written, int(token)))))
        level = below
    return continued, ended


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def merged(entries):
    united = defaultdict(set)
    for entity, relations in entries:
        united[entity] |= set(relations)
    return {entity: relations for entity, relations in united.items() if relations}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES, st.lists(ENTRIES.map(lambda entries: list(dict(entries).items())), max_size=4))
def test_every_prefix_continues_as_the_names_do_before_and_after_edits(tmp_path_factory, entries, updates):
    folder = tmp_path_factory.mktemp("prefix") / "index"
    index = PrefixIndex.build(entries, letters, "letters", folder)
    there = merged(entries)
    assert explore(index) == reference(there)
    for stamp, update in enumerate(updates, 1):
        index.update(update, stamp)
        there = {name: own for name, own in (there | dict(update)).items() if own}
        assert explore(index) == reference(there)
    again = PrefixIndex.open(folder, letters, "letters")
    assert again.stamp == index.stamp == len(updates)
    assert explore(again) == reference(there)
    index.compact()
    assert explore(index) == reference(there)
    PrefixIndex.build(there.items(), letters, "letters", folder.with_name("anew"), stamp=len(updates))
    assert files(folder) == files(folder.with_name("anew"))  # nothing else can be read off it
    assert again.refresh() == bool(updates)
    assert explore(again) == reference(there)
    assert index.advance([-1, 0], [0, 4]).tolist() == [-1, -1]


@pytest.fixture(scope="module")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer(["Ada Lovelace was born on 10 December 1815 in London. Birth Date, Birth Place."] * 3, 300)


def test_a_base_in_the_tokens_of_a_model(tokenizer: LookupTokenizer, kb: KnowledgeBase, tmp_path: Path):
    def encode(names):
        return [tokenizer.encode_text(f" {name}", first=False) for name in names]

    kb.add([Fact("Ada Lovelace", "Birth Date", "1815"), Fact("Ada", "Birth Place", "London"), Fact("नमस्ते", "R", "v")])
    index = PrefixIndex.build(by_entity(kb), encode, tokenizer.fingerprint(), tmp_path / "index")
    for fact in kb:
        query = tokenizer.encode_query(fact.entity, fact.relation)
        split = query.index(tokenizer.relation_id)
        node = index.walk(index.entity_root, query[1:split])
        (root,) = index.relation_roots([node])
        assert index.ends([node, index.walk(int(root), query[split + 1 : -1])]).all()
    ada = index.walk(index.entity_root, encode(["Ada"])[0])
    (root,) = index.relation_roots([ada])
    assert index.walk(int(root), encode(["Birth Date"])[0]) == -1  # the other's


def test_what_was_forgotten_is_in_no_file_after_compacting(tmp_path: Path):
    def encode(names):
        return [list(name.encode()) for name in names]

    folder = tmp_path / "index"
    index = PrefixIndex.build([("aab", ["x"]), ("aZb", ["x", "YY"])], encode, "bytes", folder)
    row = index.walk(index.entity_root, b"aZ")
    index.update([("aZb", []), ("aaQ", ["x"])], 1)
    index.update([("aaQ", [])], 2)
    assert index.next([index.entity_root, row])[0].tolist() == [ord("a")]
    assert index.walk(index.entity_root, b"aZ") == -1
    index.compact()
    raw = b"".join(file.read_bytes().partition(b"\n")[2] for file in folder.glob("*.npy"))  # after numpy's header
    assert [char for char in b"ZYQ" if char in raw or b"%d" % char in (folder / "edits.jsonl").read_bytes()] == []
    assert files(folder) == files(PrefixIndex.build([("aab", ["x"])], encode, "bytes", tmp_path / "n", 2)._folder)


def test_a_node_with_many_children_keeps_its_row_until_an_edit(tmp_path: Path):
    def encode(names):
        return [[int(part) for part in name.split()] for name in names]

    index = PrefixIndex.build(((f"{n} {n}", ["0"]) for n in range(2000)), encode, "numbers", tmp_path / "i")
    mask = np.empty((3, 70_000), bool)
    for changed, there in ((None, 2000), ("7 7", 1999), ("69999", 2000)):
        if changed:
            index.update([(changed, [] if changed == "7 7" else ["1"])], 1)
        for _ in range(2):
            index.mask([0, index.walk(0, [5]), 0], mask)
            assert mask.sum(axis=1).tolist() == [there, 1, there]


def test_a_long_name_and_names_of_the_same_tokens(tmp_path: Path):
    long = "ab" * 3000
    entries = [(long, ["a"]), ("Ab", ["b"]), ("ab", ["a", "a"])]
    index = PrefixIndex.build(entries, lambda names: letters(map(str.lower, names)), "lower", tmp_path / "i")
    assert index.ends([index.walk(0, letters([long])[0])]).all()
    (root,) = index.relation_roots([index.walk(0, [0, 1])])
    assert index.next([root])[0].tolist() == [0, 1]


def test_another_tokenizer_is_refused_and_so_is_what_is_no_index(tmp_path: Path):
    folder = tmp_path / "index"
    with pytest.raises(LamlamError, match="no prefix index"):
        PrefixIndex.open(folder, letters, "letters")
    PrefixIndex.build([("a", ["b"])], letters, "letters", folder)
    with pytest.raises(LamlamError, match="another tokenizer"):
        PrefixIndex.open(folder, letters, "digits")
    for name, damage in (("own.npy", b""), ("token.npy", b"PK"), ("meta.json", b"{")):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(damage)
        with pytest.raises(LamlamError, match="damaged") as raised:
            PrefixIndex.open(folder, letters, "letters")
        assert "\n" not in str(raised.value)
        (folder / name).write_bytes(kept)
    (folder / "own.npy").unlink()
    with pytest.raises(LamlamError, match="damaged"):
        PrefixIndex.open(folder, letters, "letters")


def test_an_update_that_was_killed_is_not_there_and_the_next_one_is(tmp_path: Path):
    index = PrefixIndex.build([("a", ["b"])], letters, "letters", tmp_path / "i")
    index.update([("b", ["b"])], 1)
    edits = tmp_path / "i" / "edits.jsonl"
    with edits.open("ab") as file:
        file.write(b'{"stamp":2,"chan')
    index = PrefixIndex.open(tmp_path / "i", letters, "letters")
    assert index.stamp == 1
    index.update([("c", ["b"])], 3)
    again = PrefixIndex.open(tmp_path / "i", letters, "letters")
    assert (again.stamp, again.next([0])[0].tolist()) == (3, [0, 1, 2])


def test_two_see_each_others_changes(tmp_path: Path):
    one = PrefixIndex.build([("a", ["b"])], letters, "letters", tmp_path / "i")
    other = PrefixIndex.open(tmp_path / "i", letters, "letters")
    one.update([("b", ["a"])], 1)
    assert other.refresh() is False
    assert other.next([0])[0].tolist() == [0, 1]
    one.compact()
    assert other.refresh() is True
    assert other.next([0])[0].tolist() == [0, 1]


def test_rows_are_read_while_names_come_and_go(tmp_path: Path):
    index = PrefixIndex.build([("ab", ["a"]), ("ac", ["b"])], letters, "letters", tmp_path / "i")
    stop = threading.Event()

    def write():
        stamp = 0
        while not stop.is_set():
            stamp += 1
            index.update([("ab", ["a", "c"] if stamp % 2 else [])], stamp)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            tokens, starts = index.next([0, index.walk(0, [0]), *index.relation_roots([index.walk(0, [0, 2])])])
            assert tokens[starts[0] : starts[1]].tolist() == [0]
            assert tokens[starts[1] : starts[2]].tolist() in ([1, 2], [2])
            assert tokens[starts[2] :].tolist() == [1]
    finally:
        stop.set()
        writer.join()
