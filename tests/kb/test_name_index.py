"""The index for misspelt names against a slow reference; edits, forgetting, and files that are not its own."""

import random
import sqlite3
import string
import tempfile
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, name_index
from lamlam.kb.name_arrays import NameArrays, build
from lamlam.kb.name_score import fitted, name_score
from lamlam.kb.name_search import frequency, near
from lamlam.kb.names import normalise
from lamlam.kb.resolve import resolve_entity
from lamlam.kb.store import Named

WORDS = ["marian", "marion", "keller", "kellner", "santos", "of", "the", "north", "x", "22", "iv", "ångström", "名前"]
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join) | st.text(max_size=12)


class Reference:
    """The store that `resolve_entity` asks, with every name a candidate, or those of an index."""

    def __init__(self, names, arrays=None):
        self.names, self.arrays = names, arrays

    def entity(self, name):
        return None

    def entities_normalised(self, normalised):
        return []

    def entities_aliased(self, normalised):
        return []

    def aliases_of(self, entity):
        return []

    def slides(self, query, found):
        return False

    def frequency(self, word):
        return sum(word in normalise(name).split() for name in self.names)

    def entities_near(self, normalised):
        if self.arrays is None:
            return [Named(number, name) for number, name in enumerate(self.names)]
        return [Named(number, self.names[number]) for number, _ in near(self.arrays, normalised, 12)]


def slip(name, data):
    at = data.draw(st.integers(0, len(name)))
    kind = data.draw(st.sampled_from(["insert", "leave out", "exchange", "swap"]))
    letter = data.draw(st.sampled_from(string.ascii_lowercase))
    if kind == "insert":
        return name[:at] + letter + name[at:]
    if kind == "swap":
        return name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]
    return name[:at] + (letter if kind == "exchange" else "") + name[at + 1 :]


@settings(max_examples=150, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=10, unique_by=normalise), st.data())
def test_what_is_accepted_among_all_names_is_found_through_the_index(names, data):
    query = slip(data.draw(st.sampled_from(names)), data)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "names", ((number, normalise(name)) for number, name in enumerate(names)), "s")
        arrays = NameArrays(Path(folder) / "names")
        for word in WORDS:
            assert frequency(arrays, word) == sum(word in normalise(name).split() for name in names)
        best = resolve_entity(Reference(names), query)
        found = resolve_entity(Reference(names, arrays), query)
        two_slips = any(len(word) > 5 for word in normalise(query).split())
        if best.named is not None and not two_slips:
            assert found.named == best.named
        elif found.named is not None:
            assert found.score >= fitted().threshold
        arrays.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(NAMES, max_size=10), st.data())
def test_a_scrubbed_name_is_gone_from_the_bytes(names, data):
    forms = [normalise(name) for name in names] + ["zanzibar qqq"]
    gone = data.draw(st.integers(0, len(forms) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "names"
        build(path, enumerate(forms), "s")
        arrays = NameArrays(path)
        others = {number: near(arrays, form, 99) for number, form in enumerate(forms) if number != gone}
        arrays.scrub(gone, {crc32(forms[gone].encode())})
        assert all(entity != gone for form in forms for entity, _ in near(arrays, form, 99))
        for number, form in enumerate(forms):
            if number != gone and form and any(entity == number for entity, _ in others[number]):
                assert any(entity == number for entity, _ in near(arrays, form, 99))
        arrays.close()
        if gone == len(forms) - 1:
            assert b"zanzibar" not in path.read_bytes()


@pytest.fixture
def small(monkeypatch, path):
    """A base whose names have moved to arrays, all but the last few."""
    monkeypatch.setattr("lamlam.kb.name_index.MOST_RECENT", 50)
    rng = random.Random(1)
    names = [" ".join("".join(rng.choices(string.ascii_lowercase, k=8)) for _ in range(2)) for _ in range(200)]
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add(Fact(name, "R", name) for name in [*names, "Wilhelmina Oppenheimer"])
        kb.lookup("nobody at all", "R")
        assert files(path)
        yield kb


def files(path):
    return [file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.names-")]


def test_names_are_found_in_the_arrays_and_in_what_came_since(small):
    assert small.lookup("Wilhelmina Openheimer", "R").fact.entity == "Wilhelmina Oppenheimer"
    small.add([Fact("Bartholomew Fitzwilliam", "R", "v")])
    assert small.lookup("Bartholomew Fitzwiliam", "R").fact.value == "v"
    small.add_alias("Countess Przybyszewska", "Wilhelmina Oppenheimer")
    assert small.lookup("Countess Przybyszewka", "R").fact.entity == "Wilhelmina Oppenheimer"


def test_a_forgotten_name_does_not_come_back_from_the_arrays(small, path):
    small.forget("Wilhelmina Oppenheimer")
    assert small.lookup("Wilhelmina Openheimer", "R") is None
    assert all("Oppenheimer" not in near.name for near in small.candidates("Wilhelmina Openheimer"))
    small.close()
    for file in path.parent.iterdir():
        raw = file.read_bytes().lower()
        assert b"oppenheimer" not in raw
        assert b"wilhelmina" not in raw


def test_a_former_state_is_not_asked(small, path):
    [file] = files(path)
    raw = file.read_bytes()
    small.forget("Wilhelmina Oppenheimer")
    small.close()
    for left in files(path):
        left.write_bytes(raw)  # as a backup of the folder that is put back would
    with KnowledgeBase.open(path) as kb:
        assert kb.lookup("Wilhelmina Openheimer", "R") is None
        assert kb.candidates("Wilhelmina Openheimer") == []


@pytest.mark.parametrize("damage", ["missing", "cut off", "foreign", "empty", "another"])
def test_lost_arrays_are_made_again(small, path, damage):
    small.close()
    [file] = files(path)
    raw = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "another":
        build(file, [(1, "somebody else")], "another state")
    else:
        file.write_bytes({"cut off": raw[: len(raw) // 2], "foreign": b"x" * 9000, "empty": b""}[damage])
    with KnowledgeBase.open(path) as kb:
        assert kb.lookup("Wilhelmina Openheimer", "R").fact.entity == "Wilhelmina Oppenheimer"


def test_lost_arrays_of_a_base_that_cannot_be_written_to_are_told(small, path):
    small.close()
    [file] = files(path)
    file.unlink()
    connection = sqlite3.connect(path)
    index = name_index.NameIndex(connection, path)
    with pytest.raises(LamlamError, match="made again"):
        index.near("wilhelmina openheimer")
    connection.close()


def test_a_flood_of_names_is_found_and_forgotten(small, path):
    small.add(Fact(f"Flood {number:x} Number{number}", "R", "v") for number in range(300))
    small.forget("Wilhelmina Oppenheimer")  # while the arrays are behind
    assert all(b"oppenheimer" not in file.read_bytes() for file in files(path))
    assert small.lookup("Wilhelmina Openheimer", "R") is None
    small.add([Fact("Bartholomew Fitzwilliam", "R", "w")])
    assert small.lookup("Bartholomew Fitzwiliam", "R").fact.value == "w"
    assert len(files(path)) == 1


def test_arrays_that_are_behind_are_not_asked(path, monkeypatch):
    monkeypatch.setattr("lamlam.kb.name_index.MOST_RECENT", 3)
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add(Fact(f"Somebody Number{number}", "R", "v") for number in range(9))
    connection = sqlite3.connect(path)
    index = name_index.NameIndex(connection, path)
    assert index.outgrown()
    with pytest.raises(LamlamError, match="made anew"):
        index.near("somebody numbr8")
    connection.close()


def test_a_forgotten_name_does_not_slide_to_one_that_was_forgotten_too_and_came_back(kb):
    kb.add([Fact("Ada Lovelacce", "Birth Date", "v"), Fact("Ada Lovelace", "Birth Date", "u")])
    kb.forget("Ada Lovelace", "Birth Date")
    kb.add([Fact("Ada Lovelace", "Birth Place", "w")])
    kb.forget("Ada Lovelacce")
    assert kb.lookup("Ada Lovelacce", "Birth Place") is None
    assert kb.lookup("Ada Lovelace", "Birth Place").fact.value == "w"


def test_names_out_of_order_are_refused(tmp_path):
    with pytest.raises(ValueError, match="ascending"):
        build(tmp_path / "names", [(2, "b"), (1, "a")], "s")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["x" * 100_000, "", " ", "\x00\x01", "\u202e", "¨", "a" * 39 + " " + "b" * 200, "%_'\"", "é" * 50, "e\u0301" * 50],
)
def test_hostile_names(small, name):
    assert small.lookup(name, "R") is None
    small.resolve(name, "R")
    small.candidates(name)
    assert name_score(name, "Wilhelmina Oppenheimer", lambda _: 0) < fitted().threshold


def test_mixed_normal_forms_are_one_name(small):
    small.add([Fact("Ge\u0301rard Deschênes", "R", "v")])
    assert small.lookup("Gérard Descheˆnes".replace("eˆ", "e\u0302"), "R").fact.value == "v"
    assert small.lookup("Gérard Deschenness", "R").fact.value == "v"
