"""The prefix index of a base: what the base says now, through edits, forgetting, other processes and kills."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import LookupTokenizer, train_tokenizer
from tests.kb.prefix_walk import explore, reference

NAMES = st.sampled_from(["a", "ab", "abc", "b", "bc", "B C", "c", "A-B"])
RELATIONS = st.sampled_from(["r", "rs", "s"])
CHANGES = st.one_of(
    st.tuples(st.just("add"), NAMES, RELATIONS),
    st.tuples(st.just("set"), NAMES, RELATIONS),
    st.tuples(st.just("alias"), NAMES, NAMES),
    st.tuples(st.just("forget"), NAMES, st.none() | RELATIONS),
    st.tuples(st.just("rollback"), st.just(""), st.just("")),
    st.tuples(st.just("refresh"), st.just(""), st.just("")),
    st.tuples(st.just("reopen"), st.just(""), st.just("")),
)


@pytest.fixture(scope="module")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer(["Ada Lovelace was born on 10 December 1815 in London. Birth Date, Birth Place."] * 3, 300)


def closing(tokenizer):
    return tokenizer.relation_id, tokenizer.return_id


def says(index, tokenizer):
    return explore(index, closing(tokenizer), len(tokenizer))


def ought(kb, tokenizer):
    """From the facts of the base, one by one, and the aliases of each entity."""
    entries: dict[str, set[str]] = {}
    for fact in kb:
        entity = kb._store.entity(fact.entity)
        for name in (fact.entity, *kb._store.aliases_of(entity.id)):
            entries.setdefault(name, set()).add(fact.relation)
    return reference(entries, lambda name: tokenizer.encode_text(f" {name}", first=False), closing(tokenizer))


def walk(index, tokenizer, entity, relation):
    return index.walk(index.entity_root, tokenizer.encode_query(entity, relation)[1:])


def folder(path, tokenizer):
    return path.with_name(f"{path.name}.prefix-{tokenizer.fingerprint()}")


def change(kb, what, name, other):
    with suppress(LamlamError):  # of a name that is not there, or was forgotten: nothing happens
        if what == "add":
            kb.add([Fact(name, other, "v")])
        elif what == "set":
            kb.set(name, other, "w")
        elif what == "alias":
            kb.add_alias(name, other)
        elif what == "forget":
            kb.forget(name, other)
        elif what == "rollback":
            kb.rollback("start")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAMES, RELATIONS), max_size=6), st.lists(CHANGES, max_size=10))
def test_the_index_says_what_the_base_says_whatever_happens_to_it(tmp_path_factory, tokenizer, facts, changes):
    path = tmp_path_factory.mktemp("base") / "facts.db"
    kb = KnowledgeBase.open(path, create=True)
    kb.add(Fact(*fact, "v") for fact in facts)
    kb.snapshot("start")
    index = kb.prefix_index(tokenizer)
    with KnowledgeBase.open(path) as other:
        reader = other.prefix_index(tokenizer)
        for what, name, second in changes:
            change(kb, what, name, second)
            if what == "refresh":
                index.refresh()
                assert says(index, tokenizer) == ought(kb, tokenizer)
            if what == "reopen":
                kb.close()
                kb = KnowledgeBase.open(path)
                index = kb.prefix_index(tokenizer)
        index.refresh()
        assert says(index, tokenizer) == ought(kb, tokenizer)
        reader.refresh()
        assert says(reader, tokenizer) == ought(kb, tokenizer)
    kb.close()


def test_nothing_forgotten_is_left_in_the_files_of_the_index(kb, path, tokenizer):
    crowd = [Fact(f"Person {n}", "Birth Date", "x") for n in range(300)]
    kb.add([*crowd, Fact("Żółć", "Ünique", "v"), Fact("Person 7 Ω", "Birth Date", "w"), Fact("Person 8", "Ж", "v")])
    index = kb.prefix_index(tokenizer)
    kb.add([Fact("Żółć", "Œuvre", "v"), Fact("Ɐ", "Birth Date", "v")])
    kb.add_alias("Ŧ", "Person 9")
    index.refresh()
    bystander = walk(index, tokenizer, "Person 7", "Birth Date")
    secrets = ["Ż", "ó", "ł", "Ü", "Ω", "Ж", "Œ", "Ɐ", "Ŧ"]

    def left():
        arrays = [np.load(file) for file in folder(path, tokenizer).glob("*token.npy")]
        (edits,) = folder(path, tokenizer).glob("edits-*.jsonl")
        told = edits.read_text()
        # No text of two bytes comes apart otherwise: the first byte of each is in no other name here.
        pairs = {tuple(tokenizer.encode_text(secret, first=False)) for secret in secrets}
        firsts = {ids[-1] for ids in pairs}
        return [one for one in firsts if any((array == one).any() for array in arrays) or f"{one}," in told]

    assert left()
    kb.forget("Żółć")
    kb.forget("Person 7 Ω")
    kb.forget("Person 8", "Ж")
    kb.forget("Ɐ")
    kb.forget("Person 9")
    assert left() == []
    assert index.refresh() is True
    assert says(index, tokenizer) == ought(kb, tokenizer)
    assert bystander == walk(index, tokenizer, "Person 7", "Birth Date") == index.entity_root
    assert walk(index, tokenizer, "Person 9", "Birth Date") == -1
    assert kb.add([Fact("Person 9", "Birth Date", "x")], force=True) == 1
    index.refresh()
    assert walk(index, tokenizer, "Person 9", "Birth Date") == index.entity_root


def test_another_process_forgets_and_this_one_follows(ada, path, tokenizer):
    index = ada.prefix_index(tokenizer)
    assert walk(index, tokenizer, "Ada Lovelace", "Birth Date") == 0
    program = f"from lamlam.kb import KnowledgeBase as K\nK.open({str(path)!r}).forget('Ada Lovelace')"
    subprocess.run([sys.executable, "-c", program], check=True)
    inode = (folder(path, tokenizer) / "token.npy").stat().st_ino
    assert index.refresh() is True
    assert (folder(path, tokenizer) / "token.npy").stat().st_ino == inode  # wiped, not made anew
    assert walk(index, tokenizer, "Ada Lovelace", "Birth Date") == -1
    assert walk(index, tokenizer, "Charles Babbage", "Birth Date") == 0


@pytest.mark.parametrize("what", ["reopened", "refreshed"])
def test_an_index_that_saw_no_forgetting_is_not_asked_again(ada, path, tokenizer, monkeypatch, what):
    """As after a kill between the two, or where it lies on another machine."""
    index = ada.prefix_index(tokenizer)
    with monkeypatch.context() as patch:
        patch.setattr("lamlam.kb.prefix_base.wiping", lambda store, what: lambda: None)
        ada.forget("Ada Lovelace")
    if what == "refreshed":
        assert index.refresh() is True
        assert walk(index, tokenizer, "Ada Lovelace", "Birth Date") == -1
    else:
        with KnowledgeBase.open(path):
            assert not folder(path, tokenizer).exists()


def test_a_killed_build_leaves_nothing_to_the_next_forgetting(ada, path, tokenizer):
    name = folder(path, tokenizer).name
    partial = path.with_name(f".{name}.4711.partial")
    partial.mkdir()
    (partial / "token.npy").write_bytes(b"Lovelace")
    ada.forget("Ada Lovelace")
    assert not partial.exists()


def test_a_damaged_index_is_made_anew(ada, path, tokenizer):
    ada.prefix_index(tokenizer)
    for damaged in ("own.npy", "meta.json", "edits-0.jsonl", "tokenizer.json"):
        (folder(path, tokenizer) / damaged).write_bytes(b"{}\n")
        with KnowledgeBase.open(path) as kb:
            assert walk(kb.prefix_index(tokenizer), tokenizer, "Ada Lovelace", "Birth Date") == 0
    (folder(path, tokenizer) / "tokenizer.json").write_bytes(b"{}\n")
    ada.forget("Ada Lovelace")
    assert not folder(path, tokenizer).exists()


def test_another_base_in_the_same_place_and_a_base_filled_later_are_seen(path, tokenizer):
    with KnowledgeBase.open(path, create=True) as kb:
        index = kb.prefix_index(tokenizer)
        assert says(index, tokenizer) == {}
        kb.add([Fact("a", "b", "c")])
        assert index.refresh() is False
        assert walk(index, tokenizer, "a", "b") == 0
    path.unlink()
    with KnowledgeBase.open(path, create=True) as kb:
        assert not folder(path, tokenizer).exists()
        kb.add([Fact("d", "b", "c")])
        index = kb.prefix_index(tokenizer)
        assert (walk(index, tokenizer, "a", "b"), walk(index, tokenizer, "d", "b")) == (-1, 0)


def test_two_tokenizers_have_an_index_each(ada, path, tokenizer):
    other = train_tokenizer(["entirely other text"] * 2, 270)
    for one in (tokenizer, other):
        assert walk(ada.prefix_index(one), one, "Ada Lovelace", "Occupation") == 0
    ada.forget("Ada Lovelace", "Occupation")
    for one in (tokenizer, other):
        assert walk(ada.prefix_index(one), one, "Ada Lovelace", "Occupation") == -1
        assert walk(ada.prefix_index(one), one, "Ada Lovelace", "Birth Date") == 0


def test_where_nothing_can_be_written_beside_the_base_the_cache_holds_it(ada, path, tokenizer, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda where, mode: Path(where) != path.parent)
    index = ada.prefix_index(tokenizer)
    assert walk(index, tokenizer, "Ada Lovelace", "Occupation") == 0
    assert not folder(path, tokenizer).exists()
    (there,) = (tmp_path / "cache" / "lamlam" / "prefix").glob("*[!k]")
    ada.forget("Ada Lovelace")
    assert index.refresh() is True
    assert walk(index, tokenizer, "Ada Lovelace", "Occupation") == -1
    assert there.exists()


def test_a_past_moment_has_no_index(ada, tokenizer):
    ada.snapshot("now")
    with pytest.raises(LamlamError, match="what a base says now"):
        ada.as_of("now").prefix_index(tokenizer)


def test_where_nothing_has_changed_no_file_is_read(tokenizer, tmp_path, monkeypatch):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add([Fact("Ada", "r", "v")])
        index = kb.prefix_index(tokenizer)
        read = []
        replay = index._replay
        monkeypatch.setattr(index, "_replay", lambda: read.append(1) or replay())
        assert not index.refresh()
        assert not read
        kb.add([Fact("Byron", "r", "v")])
        index.refresh()
        assert read
        assert walk(index, tokenizer, "Byron", "r") >= 0
