"""The prefix index of a base in PostgreSQL: in the user's cache, following the changes of others."""

import pytest

from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import LookupTokenizer, train_tokenizer
from tests.kb.test_prefix_base import ought, says, walk


@pytest.fixture(scope="module")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer(["Ada Lovelace was born on 10 December 1815."] * 3, 300)


def test_the_index_lies_in_the_cache_and_follows_the_base(server, tokenizer, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with KnowledgeBase.open(server.new_database(), create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Birth Date", "1815"), Fact("Charles Babbage", "Birth Date", "1791")])
        kb.snapshot("start")
        kb.add_alias("Countess", "Ada Lovelace")
        index = kb.prefix_index(tokenizer)
        assert says(index, tokenizer) == ought(kb, tokenizer)
        (folder,) = (path for path in (tmp_path / "lamlam" / "prefix").iterdir() if path.is_dir())
        assert folder.stat().st_mode & 0o77 == 0  # names of a base are nobody else's
        kb.set("Mary Somerville", "Birth Date", "1780")
        index.refresh()
        assert says(index, tokenizer) == ought(kb, tokenizer)
        kb.rollback("start")
        index.refresh()
        assert walk(index, tokenizer, "Mary Somerville", "Birth Date") == -1
        assert walk(index, tokenizer, "Countess", "Birth Date") == -1
        kb.forget("Ada Lovelace")
        assert index.refresh() is True
        assert walk(index, tokenizer, "Charles Babbage", "Birth Date") == index.entity_root
        assert says(index, tokenizer) == ought(kb, tokenizer)


def test_what_another_machine_forgot_goes_when_the_base_is_next_opened(server, tokenizer, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    url = server.new_database()
    with KnowledgeBase.open(url, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Birth Date", "1815"), Fact("Charles Babbage", "Birth Date", "1791")])
        index = kb.prefix_index(tokenizer)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
        with KnowledgeBase.open(url) as other:
            other.forget("Ada Lovelace")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
        assert index.refresh() is True
        assert says(index, tokenizer) == ought(kb, tokenizer)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
        kb.forget("Charles Babbage")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    KnowledgeBase.open(url).close()
    assert not any(path.is_dir() for path in (tmp_path / "here" / "lamlam" / "prefix").iterdir())
